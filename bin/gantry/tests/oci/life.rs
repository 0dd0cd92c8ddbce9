//! One process creates, others start, look, signal and delete.

use std::fs;

use rustix::process::Signal;
use serde_json::json;
use testing::wait;

use crate::stage::Stage;

#[test]
fn a_container_lives_across_processes() {
    testing::on_host(&[], |host| {
        let stage = Stage::new(host, "echo begun; exec sleep 1000");
        stage.detached("create --pid-file pid one").ok();
        assert_eq!(stage.status("one"), "created");
        assert_eq!(fs::read_to_string(stage.path("pid")).unwrap(), stage.pid("one").to_string());
        assert_eq!(stage.output(), "");
        stage.run("start", &["one"]).ok();
        assert_eq!(stage.status("one"), "running");
        wait::eventually("the program runs", || stage.output() == "begun\n");
        stage.run("start", &["one"]).code(1).complains("cannot start an already running container");
        stage.run("exec", &["one", "sh", "-c", "echo in; exit 7"]).code(7).prints("in\n");
        stage.run("delete", &["one"]).code(1).complains("cannot delete container one that is not stopped");
        let pid = stage.pid("one");
        stage.run("kill", &["one", "KILL"]).ok();
        assert!(wait::exited(pid, wait::PATIENCE));
        assert_eq!(stage.status("one"), "stopped");
        stage.run("start", &["one"]).code(1).complains("cannot start a container that has stopped");
        stage.run("exec", &["one", "true"]).code(255).complains("cannot exec in a stopped container");
        stage.run("kill", &["one"]).code(1).complains("container not running");
        stage.run("kill", &["--all", "one"]).ok();
        stage.run("delete", &["one"]).ok();
        stage.run("delete", &["one"]).code(1).complains("container does not exist");
        stage.run("delete", &["-f", "one"]).ok();
        stage.is_clean();
    });
}

#[test]
fn the_check_for_leftovers_sees_each_kind() {
    testing::on_host(&[], |host| {
        let stage = Stage::new(host, "exec sleep 1000");
        stage.detached("run -d one").ok();
        let left = stage.leftovers().join("\n");
        for part in ["state one", "/sys/fs/cgroup", "sleep 1000"] {
            assert!(left.contains(part), "{part} is missing in {left}");
        }
        stage.run("delete", &["-f", "one"]).ok();
        stage.is_clean();
    });
}

#[test]
fn run_gives_the_exit_code_and_leaves_nothing() {
    testing::on_host(&[], |host| {
        let stage = Stage::new(host, "echo out; echo err >&2; exit 42");
        let ran = stage.run("run", &["-b", "bundle", "one"]).code(42).prints("out\n");
        assert_eq!(ran.stderr, "err\n");
        stage.is_clean();
        stage.run("run", &["--keep", "-b", "bundle", "one"]).code(42);
        assert_eq!(stage.status("one"), "stopped");
        stage
            .run("run", &["-b", "bundle", "one"])
            .code(1)
            .complains("container with given ID already exists");
        stage.run("delete", &["one"]).ok();
        stage.edit(|document| document["process"]["args"] = json!(["nosuch"]));
        let refused = stage.run("run", &["-b", "bundle", "one"]).code(1);
        refused.complains("exec: \\\"nosuch\\\": executable file not found in $PATH");
        stage.is_clean();
    });
}

#[test]
fn signals_to_a_run_in_the_foreground_go_to_the_container() {
    testing::on_host(&[], |host| {
        let stage =
            Stage::new(host, "trap 'echo heard; exit 3' USR1; echo ready; while :; do sleep 0.05; done");
        let running = stage.start(&["run", "-b", "bundle", "one"]);
        running.expect_output("ready");
        running.signal(Signal::USR1);
        let ended = running.finish(wait::PATIENCE).code(3);
        assert_eq!(ended.stdout, "ready\nheard\n");
        stage.is_clean();
    });
}

#[test]
fn of_many_starts_one_succeeds() {
    testing::on_host(&[], |host| {
        let stage = Stage::new(host, "echo begun; exec sleep 1000");
        for round in 0..5 {
            let id = format!("race{round}");
            stage.detached(&format!("create {id}")).ok();
            let all: Vec<_> = (0..4).map(|_| stage.start(&["start", &id])).collect();
            let codes: Vec<_> = all.into_iter().map(|one| one.finish(wait::PATIENCE).code).collect();
            assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
            assert_eq!(stage.status(&id), "running");
            stage.run("delete", &["-f", &id]).ok();
        }
        stage.is_clean();
    });
}

#[test]
fn of_many_creates_one_succeeds() {
    testing::on_host(&[], |host| {
        let stage = Stage::new(host, "exec sleep 1000");
        let words = ["run", "-b", "bundle", "one"];
        let all: Vec<_> = (0..4).map(|_| stage.start(&words)).collect();
        wait::eventually("it runs", || {
            stage.run("list", &["-q"]).stdout == "one\n" && stage.status("one") == "running"
        });
        stage.run("kill", &["one", "KILL"]).ok();
        let codes: Vec<_> = all.into_iter().map(|one| one.finish(wait::PATIENCE).code).collect();
        assert_eq!(codes.iter().filter(|code| **code == 137).count(), 1, "{codes:?}");
        assert_eq!(codes.iter().filter(|code| **code == 1).count(), 3, "{codes:?}");
        stage.is_clean();
    });
}

#[test]
fn what_a_killed_creator_leaves_is_removed_by_delete() {
    testing::on_host(&[], |host| {
        let stage = Stage::new(host, "exec sleep 1000");
        // A hook holds the creator while the container is half made.
        let hook =
            format!("echo >{}; exec cat {}", stage.path("reached").display(), stage.path("hold").display());
        rustix::fs::mknodat(
            rustix::fs::CWD,
            stage.path("hold"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        stage.edit(|document| {
            document["hooks"]["createRuntime"] = json!([{"path": "/bin/sh", "args": ["sh", "-c", hook]}]);
        });
        let creator = stage.start(&["create", "-b", "bundle", "one"]);
        assert!(wait::appears(&stage.path("reached"), wait::PATIENCE));
        assert_eq!(stage.status("one"), "creating");
        assert!(stage.leftovers().len() > 2);
        creator.signal(Signal::KILL);
        creator.finish(wait::PATIENCE).code(137);
        // The hook's shell is not ours to end.
        fs::OpenOptions::new().write(true).open(stage.path("hold")).unwrap();
        wait::eventually("nobody is at work any more", || stage.status("one") == "stopped");
        stage.run("delete", &["-f", "one"]).ok();
        wait::eventually("all is gone", || stage.leftovers().is_empty());
    });
}

#[test]
fn a_creator_that_hangs_in_a_hook_does_not_keep_others_from_deleting() {
    testing::on_host(&[], |host| {
        let stage = Stage::new(host, "exec sleep 1000");
        let hook = format!("echo >{}; exec sleep 1000", stage.path("reached").display());
        stage.edit(|document| {
            document["hooks"]["createRuntime"] = json!([{"path": "/bin/sh", "args": ["sh", "-c", hook]}]);
        });
        let creator = stage.start(&["create", "-b", "bundle", "one"]);
        assert!(wait::appears(&stage.path("reached"), wait::PATIENCE));
        assert_eq!(stage.status("one"), "creating");
        stage.run("delete", &["-f", "one"]).ok();
        stage.run("state", &["one"]).code(1).complains("container does not exist");
        // The name is free, and the creator that comes back from its hook leaves the new one alone.
        stage.edit(|document| document["hooks"] = json!({}));
        stage.detached("run -d one").ok();
        testing::program::shell("kill $(ps -e -o pid=,args= | grep 'sleep 1000' | grep -v grep | awk '$2 == \"sleep\" {print $1}' | sort -n | head -1)").ok();
        creator.finish(wait::PATIENCE).code(1);
        assert_eq!(stage.status("one"), "running");
        stage.run("delete", &["-f", "one"]).ok();
        stage.is_clean();
    });
}

#[test]
fn a_folder_without_a_record_is_removed_by_delete() {
    testing::on_host(&[], |host| {
        let stage = Stage::new(host, "true");
        fs::create_dir_all(stage.path("state/one")).unwrap();
        stage.run("state", &["one"]).code(1).complains("container does not exist");
        stage.run("delete", &["-f", "one"]).ok();
        stage.is_clean();
    });
}

#[test]
fn a_paused_container_waits_and_can_be_killed() {
    testing::on_host(&[], |host| {
        let stage = Stage::new(host, "exec sleep 1000");
        stage.detached("run -d one").ok();
        stage.run("pause", &["one"]).ok();
        assert_eq!(stage.status("one"), "paused");
        stage.run("pause", &["one"]).code(1).complains("container not running");
        stage.run("exec", &["one", "true"]).code(255).complains("cannot exec in a paused container");
        stage.run("resume", &["one"]).ok();
        stage.run("resume", &["one"]).code(1).complains("container not paused");
        stage.run("exec", &["one", "true"]).ok();
        stage.run("pause", &["one"]).ok();
        stage.run("delete", &["-f", "one"]).ok();
        stage.is_clean();
    });
}

#[test]
fn processes_beside_the_first_end_with_the_container() {
    testing::on_host(&[], |host| {
        let stage = Stage::new(host, "exec sleep 1000");
        stage.edit(|document| {
            let namespaces = document["linux"]["namespaces"].as_array_mut().unwrap();
            namespaces.retain(|namespace| namespace["type"] != "pid");
        });
        stage.detached("run -d one").ok();
        for _ in 0..3 {
            stage.run("exec", &["-d", "one", "sh", "-c", "exec sleep 1000 >/dev/null 2>&1"]).ok();
        }
        let pids = stage.run("ps", &["-f", "json", "one"]).ok().json();
        assert_eq!(pids.as_array().unwrap().len(), 4);
        let first = stage.pid("one");
        testing::program::shell(&format!("kill -9 {first}")).ok();
        assert!(wait::exited(first, wait::PATIENCE));
        stage.run("delete", &["one"]).ok();
        wait::eventually("all processes are gone", || stage.leftovers().is_empty());
    });
}

#[test]
fn hooks_run_at_their_points_and_read_the_state() {
    testing::on_host(&[], |host| {
        let stage = Stage::new(host, "exec sleep 1000");
        let log = stage.path("log");
        stage.edit(|document| {
            for kind in ["createRuntime", "poststart", "poststop"] {
                let script = format!("read state; echo {kind} $state >>{}", log.display());
                document["hooks"][kind] = json!([{"path": "/bin/sh", "args": ["sh", "-c", script]}]);
            }
        });
        stage.detached("create one").ok();
        let names = || -> Vec<String> {
            let text = fs::read_to_string(&log).unwrap();
            text.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
        };
        assert_eq!(names(), ["createRuntime"]);
        stage.run("start", &["one"]).ok();
        assert_eq!(names(), ["createRuntime", "poststart"]);
        stage.run("delete", &["-f", "one"]).ok();
        assert_eq!(names(), ["createRuntime", "poststart", "poststop"]);
        let text = fs::read_to_string(&log).unwrap();
        assert!(text.lines().all(|line| line.contains("one") && line.contains("bundle")), "{text}");
        assert!(text.lines().last().unwrap().contains("stopped"));
        stage.is_clean();
    });
}

#[test]
fn others_may_pause_and_delete_what_runs_in_the_foreground() {
    testing::on_host(&[], |host| {
        let stage = Stage::new(host, "echo ready; exec sleep 1000");
        let running = stage.start(&["run", "-b", "bundle", "one"]);
        running.expect_output("ready");
        stage.run("pause", &["one"]).ok();
        stage.run("resume", &["one"]).ok();
        stage.run("delete", &["-f", "one"]).ok();
        let ended = running.finish(wait::PATIENCE).code(137);
        assert_eq!(ended.stderr, "");
        stage.is_clean();
    });
}

#[test]
fn a_terminal_in_the_foreground_is_the_callers() {
    testing::on_host(&[], |host| {
        let stage = Stage::new(host, "stty size; read line; echo got $line; exit 5");
        stage.edit(|document| document["process"]["terminal"] = json!(true));
        let line = format!(
            "stty rows 30 cols 100; cd {} && ./runc --root state run -b bundle one; echo code $?",
            host.folder().display()
        );
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &line]);
        let mut terminal = testing::pty::Pty::start(&command, &line);
        terminal.expect("30 100");
        terminal.send("hello\r");
        terminal.expect("got hello");
        terminal.expect("code 5");
        stage.is_clean();
    });
}

#[test]
fn readiness_is_passed_on_to_the_service_manager() {
    testing::on_host(&[], |host| {
        let stage = Stage::new(host, "echo $NOTIFY_SOCKET; ls /run/notify; exec sleep 1000");
        let socket = stage.path("manager");
        let manager = std::os::unix::net::UnixDatagram::bind(&socket).unwrap();
        manager.set_read_timeout(Some(wait::PATIENCE)).unwrap();
        let running = stage.start_notifying(&socket, &["run", "-b", "bundle", "one"]);
        running.expect_output("/run/notify/notify.sock\nnotify.sock\n");
        let program = std::os::unix::net::UnixDatagram::unbound().unwrap();
        program.send_to(b"STATUS=almost", stage.path("state/one/notify/notify.sock")).unwrap();
        program.send_to(b"STATUS=now\nREADY=1", stage.path("state/one/notify/notify.sock")).unwrap();
        let mut buffer = [0; 100];
        let mut told = || {
            let length = manager.recv(&mut buffer).unwrap();
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        assert_eq!(told(), "READY=1\n");
        assert_eq!(told(), format!("MAINPID={}\n", running.pid()));
        assert_eq!(told(), "BARRIER=1");
        stage.run("delete", &["-f", "one"]).ok();
        running.finish(wait::PATIENCE).code(137);
        stage.is_clean();
    });
}

#[test]
fn a_parent_that_waits_gets_the_exit_code_of_what_it_let_create() {
    testing::on_host(&[], |host| {
        use rustix::process::{Pid, WaitOptions, set_child_subreaper, waitpid};
        let stage = Stage::new(host, "exit 9");
        set_child_subreaper(Some(Pid::INIT)).unwrap();
        stage.detached("create one").ok();
        let pid = Pid::from_raw(i32::try_from(stage.pid("one")).unwrap()).unwrap();
        assert!(waitpid(Some(pid), WaitOptions::NOHANG).unwrap().is_none());
        stage.run("start", &["one"]).ok();
        let (_, status) = waitpid(Some(pid), WaitOptions::empty()).unwrap().unwrap();
        assert_eq!(status.exit_status(), Some(9));
        assert_eq!(stage.status("one"), "stopped");
        stage.run("delete", &["one"]).ok();
        stage.is_clean();
    });
}

#[test]
fn a_creator_may_be_killed_wherever_it_is() {
    testing::on_host(&[], |host| {
        let stage = Stage::new(host, "exec sleep 1000");
        fs::create_dir(stage.path("state")).unwrap();
        let mut reached = 0;
        for step in ["", "config.json", "state.json", "exec.fifo"] {
            for _ in 0..5 {
                let creator = stage.start(&["create", "-b", "bundle", "one"]);
                let folder = stage.path("state/one");
                // The folder first: nobody can watch for a file in it before.
                let is_there = wait::appears(&folder, wait::PATIENCE)
                    && (step.is_empty() || wait::appears(&folder.join(step), wait::PATIENCE));
                reached += usize::from(is_there);
                creator.signal(Signal::KILL);
                wait::eventually("the creator is gone", || wait::exited(creator.pid(), wait::PATIENCE));
                stage.run("delete", &["-f", "one"]).ok();
                drop(creator);
                wait::eventually("nothing is left", || stage.leftovers().is_empty());
            }
        }
        assert_eq!(reached, 20);
    });
}
