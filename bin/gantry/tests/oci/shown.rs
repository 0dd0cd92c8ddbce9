//! What is printed, and in which form.

use std::fs;

use serde_json::{Value, json};

use crate::stage::Stage;

#[test]
fn state_and_list_have_runcs_shape() {
    testing::on_host(&[], |host| {
        let stage = Stage::new(host, "exec sleep 1000");
        stage.edit(|document| document["annotations"] = json!({"a": "b"}));
        stage.run("list", &["-f", "json"]).code(1).complains("no such file or directory");
        stage.detached("create one").ok();
        let state = stage.run("state", &["one"]).ok().json();
        let fields: Vec<_> = state.as_object().unwrap().keys().cloned().collect();
        let wanted =
            ["ociVersion", "id", "pid", "status", "bundle", "rootfs", "created", "annotations", "owner"];
        assert_eq!(fields, wanted);
        assert_eq!(state["bundle"], stage.bundle().to_str().unwrap());
        assert_eq!(state["annotations"], json!({"a": "b"}));
        let list = stage.run("list", &["-f", "json"]).ok().json();
        assert_eq!(list[0]["pid"], state["pid"]);
        assert_eq!(list[0]["owner"], "root");
        stage.run("list", &["-q"]).ok().prints("one\n");
        let table = stage.run("list", &[]).ok();
        let head: Vec<_> = table.lines()[0].split_ascii_whitespace().collect();
        assert_eq!(head, ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]);
        let row: Vec<_> = table.lines()[1].split_ascii_whitespace().collect();
        assert_eq!((row[0], row[2], row[5]), ("one", "created", "root"));
        stage.run("delete", &["one"]).ok();
        stage.run("list", &["-f", "json"]).ok().prints("null\n");
        stage.run("list", &["-f", "yaml"]).code(1).complains("invalid format option");
        stage.is_clean();
    });
}

#[test]
fn failures_go_to_the_log_in_its_format_and_to_stderr() {
    testing::on_host(&[], |host| {
        let stage = Stage::new(host, "true");
        let log = stage.path("log.json");
        let words = ["--log", log.to_str().unwrap(), "--log-format", "json", "state", "nobody"];
        let refused = stage.raw(&words).code(1);
        assert_eq!(refused.stderr, "container does not exist\n");
        let line: Value = serde_json::from_str(&fs::read_to_string(&log).unwrap()).unwrap();
        assert_eq!((&line["level"], &line["msg"]), (&json!("error"), &json!("container does not exist")));
        stage.raw(&["--log-format", "xml", "list"]).code(1).complains("invalid log-format: xml");
        stage.raw(&["--root", "/", "list"]).code(1).complains("--root argument should not be set to /");
        stage.run("state", &["../x"]).code(1).complains("invalid container ID format");
        stage.run("state", &[]).code(1).complains("requires exactly 1 argument(s)");
        stage.run("fly", &[]).code(3).complains("No help topic for 'fly'");
        stage.run("kill", &["--bogus", "x"]).code(1).complains("flag provided but not defined: -bogus");
    });
}

#[test]
fn limits_are_changed_and_use_is_told() {
    testing::on_host(&[], |host| {
        let stage = Stage::new(host, "exec sleep 1000");
        stage.detached("run -d one").ok();
        stage.run("update", &["--pids-limit", "20", "--memory", "50M", "one"]).ok();
        let event = stage.run("events", &["--stats", "one"]).ok().json();
        assert_eq!((&event["type"], &event["id"]), (&json!("stats"), &json!("one")));
        assert_eq!(event["data"]["pids"], json!({"current": 1, "limit": 20}));
        assert_eq!(event["data"]["memory"]["usage"]["limit"], 50 << 20);
        stage.run("update", &["--memory", "much", "one"]).code(1).complains("invalid value for memory");
        stage.run("delete", &["-f", "one"]).ok();
        stage.is_clean();
    });
}

#[test]
fn processes_are_shown_as_ps_shows_them() {
    testing::on_host(&[], |host| {
        let stage = Stage::new(host, "exec sleep 1000");
        stage.detached("run -d one").ok();
        let own = stage.run("ps", &["one"]).ok();
        let theirs = stage.run("ps", &["one", "-ef"]).ok();
        let cells = |text: &str| -> Vec<String> {
            let rows = text.lines().map(|line| line.split_ascii_whitespace().map(str::to_owned));
            // The load and the time zone may differ.
            rows.flat_map(|row| {
                row.enumerate().filter(|(place, _)| !matches!(place, 3 | 4)).map(|(_, cell)| cell)
            })
            .collect()
        };
        assert_eq!(cells(&own.stdout), cells(&theirs.stdout));
        assert!(own.stdout.contains("sleep 1000"));
        stage.run("delete", &["-f", "one"]).ok();
        stage.is_clean();
    });
}

#[test]
fn exec_changes_the_bundles_process() {
    testing::on_host(&[], |host| {
        let stage = Stage::new(host, "exec sleep 1000");
        stage.detached("run -d one").ok();
        let script = "id -u; id -g; pwd; echo $A";
        let words = ["--user", "7:8", "--cwd", "/tmp", "--env", "A=b", "-g", "9", "one", "sh", "-c", script];
        stage.run("exec", &words).ok().prints("7\n8\n/tmp\nb\n");
        stage.run("exec", &["--preserve-fds", "3", "one", "true"]).code(255).complains("preserved-fd");
        stage.run("exec", &["--cgroup", "..", "one", "true"]).code(255).complains("is not a sub cgroup path");
        stage.run("exec", &["one"]).code(255).complains("exec args cannot be empty");
        let document = r#"{"cwd": "/", "args": ["/bin/id", "-u"], "user": {"uid": 5, "gid": 5}}"#;
        fs::write(stage.path("process.json"), document).unwrap();
        stage.run("exec", &["-p", "process.json", "one"]).ok().prints("5\n");
        stage.run("delete", &["-f", "one"]).ok();
        stage.is_clean();
    });
}

#[test]
fn a_terminal_goes_to_the_callers_socket() {
    testing::on_host(&[], |host| {
        let stage = Stage::new(host, "tty; exec sleep 1000");
        stage.edit(|document| document["process"]["terminal"] = json!(true));
        stage.detached("create one").code(1).complains("cannot allocate tty if runc will detach");
        let listener = std::os::unix::net::UnixListener::bind(stage.path("console")).unwrap();
        let receiver = std::thread::spawn(move || {
            let (socket, _) = listener.accept().unwrap();
            let mut master = None;
            sys_receive(&socket, &mut master);
            master.unwrap()
        });
        stage.detached("run -d --console-socket console one").ok();
        let master = receiver.join().unwrap();
        let mut buffer = [0; 64];
        let count = rustix::io::read(&master, &mut buffer).unwrap();
        let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
        assert!(text.starts_with("/dev/pts/0"), "{text}");
        stage.run("delete", &["-f", "one"]).ok();
        stage.is_clean();
    });
}

fn sys_receive(socket: &std::os::unix::net::UnixStream, into: &mut Option<std::os::fd::OwnedFd>) {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut name = [0; 64];
    let mut parts = [std::io::IoSliceMut::new(&mut name)];
    recvmsg(socket, &mut parts, &mut ancillary, RecvFlags::empty()).unwrap();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            *into = descriptors.last();
        }
    }
}
