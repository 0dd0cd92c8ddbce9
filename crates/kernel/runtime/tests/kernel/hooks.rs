//! Hooks of a create and a start.

use std::fs;
use std::path::Path;

use oci_spec::runtime::{Hook, Hooks};
use runtime::CreateOptions;

use crate::stage::{Stage, gather, pipes};

fn hook(script: &str) -> Hook {
    let args = ["sh", "-c", script].map(str::to_owned).to_vec();
    Hook { path: "/bin/sh".to_owned(), args, env: vec!["PATH=/usr/bin:/bin".to_owned()], timeout: Some(60) }
}

/// Every kind writes its name, whether it sees the host's root and the container's mounts, and the state.
fn stage_with_hooks(log: &Path) -> (Stage, Hooks) {
    let log = log.display();
    let outside = |name: &str| {
        vec![hook(&format!("(echo {name} $(hostname) $(ls -d /lower 2>&1 | wc -l); cat; echo) >> {log}"))]
    };
    let hooks = Hooks {
        prestart: outside("prestart"),
        create_runtime: outside("createRuntime"),
        create_container: vec![hook(&format!(
            "(echo createContainer $(hostname) $(grep -c devpts /proc/self/mountinfo); cat; echo) >> {log}"
        ))],
        // Without an environment of its own it has the program's.
        start_container: vec![Hook {
            env: Vec::new(),
            ..hook("(echo startContainer $(hostname); cat; echo) >> /tmp/log; : ${HOME:?}")
        }],
        ..Hooks::default()
    };
    (Stage::script("echo program; cat /tmp/log"), hooks)
}

fn options(stage: &Stage) -> CreateOptions<'_> {
    CreateOptions { bundle: Some(stage.outside()), ..CreateOptions::default() }
}

#[test]
fn every_kind_runs_at_its_time_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let (mut stage, hooks) = stage_with_hooks(&log);
    stage.spec.hooks = Some(hooks);
    let (stdio, readers) = pipes();
    let mut created = stage.create_with(stdio, None, options(&stage)).unwrap();
    let text = fs::read_to_string(&log).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let names: Vec<_> =
        lines.iter().step_by(2).map(|line| line.split(' ').take(2).collect::<Vec<_>>()).collect();
    let host = host.trim();
    assert_eq!(names, [["prestart", host], ["createRuntime", host], ["createContainer", "stage"]]);
    let states: Vec<serde_json::Value> =
        lines.iter().skip(1).step_by(2).map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&states[1]["status"], &states[1]["pid"]), (&"creating".into(), &created.pid.into()));
    assert_eq!(states[2]["pid"], 1);
    assert_eq!(states[0]["bundle"], stage.outside().to_str().unwrap());
    created.start().unwrap();
    let output = gather(&created.pidfd, readers).output();
    created.cgroup.unwrap().remove().unwrap();
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(lines[..2], ["program", "startContainer stage"]);
    let state: serde_json::Value = serde_json::from_str(lines[2]).unwrap();
    assert_eq!((&state["status"], &state["id"]), (&"created".into(), &"0123456789ab".into()));
}

#[test]
fn a_failing_hook_fails_the_create_and_leaves_nothing() {
    let bad = || vec![hook("true"), hook("echo no >&2; exit 4")];
    for (kind, hooks) in [
        ("prestart", Hooks { prestart: bad(), ..Hooks::default() }),
        ("createRuntime", Hooks { create_runtime: bad(), ..Hooks::default() }),
        ("createContainer", Hooks { create_container: bad(), ..Hooks::default() }),
    ] {
        let mut stage = Stage::script("true");
        stage.spec.hooks = Some(hooks);
        let text = stage.refusal_with(options(&stage)).to_string();
        let expected = format!("error running {kind} hook #1: exit status 4, stdout: , stderr: no\n");
        assert_eq!(text, expected);
    }
}

#[test]
fn a_failing_hook_at_the_start_ends_the_container() {
    let mut stage = Stage::script("echo ran");
    stage.spec.hooks = Some(Hooks { start_container: vec![hook("echo no; exit 5")], ..Hooks::default() });
    let (stdio, readers) = pipes();
    let mut created = stage.create_with(stdio, None, options(&stage)).unwrap();
    let text = created.start().unwrap_err().to_string();
    assert_eq!(text, "error running startContainer hook #0: exit status 5, stdout: no\n, stderr: ");
    let [stdout, _] = readers;
    let mut output = String::new();
    std::io::Read::read_to_string(&mut fs::File::from(stdout), &mut output).unwrap();
    assert_eq!(output, "");
    created.cgroup.take().unwrap().remove().unwrap();
}

#[test]
fn descriptors_are_kept_when_asked_for() {
    // The first free numbers from 3 on are those that the caller was started with; a test has to make them.
    let stage = Stage::script("ls /proc/self/fd | grep -c .");
    let count = |preserved| {
        let (stdio, readers) = pipes();
        let options = CreateOptions { preserved, ..CreateOptions::default() };
        let mut created = stage.create_with(stdio, None, options).unwrap();
        created.start().unwrap();
        let output = gather(&created.pidfd, readers).output();
        created.cgroup.unwrap().remove().unwrap();
        output.trim().parse::<u32>().unwrap()
    };
    let careless = fs::File::open("/etc").unwrap();
    let kept = rustix::io::dup(&careless).unwrap();
    let plain = count(0);
    let number = u32::try_from(std::os::fd::AsRawFd::as_raw_fd(&kept)).unwrap();
    assert_eq!(count(number - 2), plain + 1);
}

#[test]
fn a_covered_root_with_hooks_is_where_an_exec_begins() {
    let mut stage = Stage::new(&["sleep", "100"]);
    stage.spec.hooks = Some(Hooks { create_container: vec![hook("true")], ..Hooks::default() });
    let request = runtime::CreateRequest {
        id: "x",
        spec: &stage.spec,
        rootfs: &runtime::Rootfs::Path(stage.image()),
        user: None,
        stdio: runtime::Stdio::Null,
        cgroup: None,
        seccomp: None,
        gate: None,
        options: CreateOptions { root: runtime::RootChange::Cover, ..options(&stage) },
    };
    let mut created = runtime::create(request, &mut |_| Ok(())).unwrap();
    created.start().unwrap();
    let (stdio, readers) = pipes();
    let process = oci_spec::runtime::Process {
        args: ["ls", "/"].map(str::to_owned).to_vec(),
        ..stage.spec.process.clone().unwrap()
    };
    let child = runtime::exec(runtime::ExecRequest {
        pid: created.pid,
        pidfd: std::os::fd::AsFd::as_fd(&created.pidfd),
        process: &process,
        user: None,
        stdio,
        cgroup: None,
        seccomp: None,
        options: runtime::ExecOptions::default(),
    });
    let output = gather(&child.unwrap().pidfd, readers).output();
    assert!(output.starts_with("bin\ndev\netc\nproc\n"), "{output}");
    runtime::kill(std::os::fd::AsFd::as_fd(&created.pidfd), rustix::process::Signal::KILL).unwrap();
    crate::stage::wait(&created.pidfd);
}
