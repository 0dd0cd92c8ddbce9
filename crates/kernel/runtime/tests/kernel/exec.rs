//! Further processes in a running container.

use std::fs;

use runtime::{LineEnds, Stdio};

use crate::stage::{CAPABILITY_BITS, Stage, gather, pipes, wait};

#[test]
fn a_further_process_is_in_all_the_containers_namespaces_and_groups() {
    let mut stage = Stage::script("sleep 100");
    stage.linux().namespaces.push(serde_json::from_str(r#"{"type": "cgroup"}"#).unwrap());
    let container = stage.start();
    for name in ["mnt", "uts", "ipc", "net", "pid", "cgroup"] {
        let theirs = fs::read_link(format!("/proc/{}/ns/{name}", container.created.pid)).unwrap();
        let own = container.exec(&["readlink", &format!("/proc/self/ns/{name}")]).output();
        assert_eq!(Some(own.trim()), theirs.to_str(), "{name}");
    }
    let groups = container.exec(&["cat", "/proc/self/cgroup"]).output();
    assert!(
        groups
            .lines()
            .filter(|line| line.contains(":pids:") || line.contains(":memory:"))
            .all(|line| line.ends_with(":/"))
    );
    assert!(container.exec(&["hostname"]).output() == "stage\n");
}

#[test]
fn a_further_process_has_the_same_privileges() {
    let container = Stage::script("sleep 100").start();
    let status = container.exec(&["cat", "/proc/self/status"]).output();
    for line in [
        format!("CapBnd:\t{CAPABILITY_BITS}"),
        format!("CapEff:\t{CAPABILITY_BITS}"),
        "Seccomp:\t2".to_owned(),
    ] {
        assert!(status.contains(&line), "{line}\n{status}");
    }
}

#[test]
fn exit_codes_and_streams_come_back() {
    let container = Stage::script("sleep 100").start();
    let outcome = container.exec(&["sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!((outcome.code, outcome.stdout.as_str(), outcome.stderr.as_str()), (7, "out\n", "err\n"));
    let fds = container.exec(&["ls", "/proc/self/fd"]).output();
    assert_eq!(fds, "0\n1\n2\n3\n");
}

#[test]
fn a_user_and_a_folder_can_be_chosen() {
    let container = Stage::script("sleep 100").start();
    let (stdio, readers) = pipes();
    let mut process = container.process(&["sh", "-c", "id -u; pwd; echo $HOME"]);
    process.cwd = "/tmp".to_owned();
    let child = container.spawn(&process, Some("web"), stdio).unwrap();
    assert_eq!(gather(&child.pidfd, readers).output(), "33\n/tmp\n/srv\n");
    let refused = |cwd: &str, program: &str, user: Option<&str>| {
        let mut process = container.process(&[program]);
        process.cwd = cwd.to_owned();
        container.spawn(&process, user, Stdio::Null).unwrap_err().to_string()
    };
    assert_eq!(refused("/", "nope", None), r#"exec: "nope": executable file not found in $PATH"#);
    assert_eq!(
        refused("/", "true", Some("no2")),
        "unable to find user no2: no matching entries in passwd file"
    );
    assert_eq!(
        refused("/no", "true", None),
        r#"chdir to cwd ("/no") set in config.json failed: no such file or directory"#
    );
}

#[test]
fn a_terminal_is_made_in_the_containers_devpts() {
    let container = Stage::script("sleep 100").start();
    let size = runtime::WindowSize { rows: 33, columns: 111 };
    let process = container.process(&["sh", "-c", "tty; stty size"]);
    for (line_ends, end) in [(LineEnds::Return, "\r\n"), (LineEnds::Keep, "\n")] {
        let stdio = Stdio::Terminal { size: Some(size), line_ends };
        let child = container.spawn(&process, None, stdio).unwrap();
        let text = crate::streams::read_terminal(child.terminal.unwrap());
        assert_eq!(wait(&child.pidfd), 0);
        assert_eq!(text, format!("/dev/pts/0{end}33 111{end}"));
    }
}

#[test]
fn the_caller_is_unchanged_afterwards() {
    let container = Stage::script("sleep 100").start();
    let of = |name: &str| fs::read_link(format!("/proc/thread-self/ns/{name}")).unwrap();
    let before = ["pid_for_children", "mnt", "net"].map(of);
    container.exec(&["true"]);
    assert_eq!(["pid_for_children", "mnt", "net"].map(of), before);
}

#[test]
fn nothing_runs_in_a_container_that_has_ended() {
    let container = Stage::script("sleep 100").start();
    runtime::kill(std::os::fd::AsFd::as_fd(&container.created.pidfd), rustix::process::Signal::KILL).unwrap();
    let mut ended = [rustix::event::PollFd::new(&container.created.pidfd, rustix::event::PollFlags::IN)];
    rustix::event::poll(&mut ended, None).unwrap();
    assert!(container.spawn(&container.process(&["true"]), None, Stdio::Null).is_err());
}
