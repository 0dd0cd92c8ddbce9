//! User and time namespaces, and namespaces of others.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, chown};

use runtime::{CreateOptions, ExecOptions};

use crate::stage::{Running, Stage, gather, pipes};

/// First id of the host's that is root inside.
pub(crate) const ROOT: u32 = 200_000;

/// A container in a user namespace; its files are its root's, and its folder can be passed.
pub(crate) fn shifted(script: &str, rest: &str) -> Stage {
    let mut stage = Stage::script(script);
    let maps = format!(r#"[{{"containerID": 0, "hostID": {ROOT}, "size": 65536}}]"#);
    let linux = stage.linux();
    linux.uid_mappings = serde_json::from_str(&maps).unwrap();
    linux.gid_mappings = linux.uid_mappings.clone();
    let more: Vec<_> =
        serde_json::from_str(&format!(r#"[{{"type": "user"}}, {{"type": "cgroup"}}{rest}]"#)).unwrap();
    linux.namespaces.extend(more);
    give(&stage);
    stage
}

fn give(stage: &Stage) {
    fs::set_permissions(stage.outside(), fs::Permissions::from_mode(0o755)).unwrap();
    for folder in ["lower", "upper", "work"] {
        chown(stage.outside().join(folder), Some(ROOT), Some(ROOT)).unwrap();
    }
    for folder in ["bin", "etc", "tmp", "proc", "dev", "root"] {
        chown(stage.image().join(folder), Some(ROOT), Some(ROOT)).unwrap();
    }
}

fn exec(running: &Running, args: &[&str]) -> String {
    let (stdio, readers) = pipes();
    let linux = running.stage.spec.linux.clone();
    let options = ExecOptions { linux: linux.as_ref(), ..ExecOptions::default() };
    let child = running.spawn_with(&running.process(args), None, stdio, options).unwrap();
    gather(&child.pidfd, readers).output()
}

#[test]
fn root_inside_is_somebody_else_outside() {
    let stage = shifted(
        "id -u; cat /proc/self/uid_map; echo x > /tmp/made; stat -c %u /tmp/made; hostname; readlink /proc/self/ns/user",
        "",
    );
    let output = stage.run().output();
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(lines[0], "0");
    assert_eq!(lines[1].split_ascii_whitespace().collect::<Vec<_>>(), ["0", "200000", "65536"]);
    assert_eq!(lines[2..4], ["0", "stage"]);
    assert_ne!(lines[4], fs::read_link("/proc/self/ns/user").unwrap().to_str().unwrap());
    let made = fs::metadata(stage.outside().join("upper/tmp/made")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&made), ROOT);
}

#[test]
fn devices_are_the_hosts_own_and_work() {
    let script =
        "echo x > /dev/null; ls -l /dev/null /dev/full; head -c 3 /dev/zero | wc -c; mknod /tmp/n c 1 3 2>&1";
    let outcome = shifted(script, "").run();
    let lines: Vec<_> = outcome.stdout.lines().collect();
    assert!(lines[0].starts_with("crw-rw-rw-") && lines[0].contains("1,   7"), "{outcome:?}");
    assert!(lines[1].contains("1,   3"), "{outcome:?}");
    assert_eq!(lines[2..], ["3", "mknod: /tmp/n: Operation not permitted"]);
}

#[test]
fn limits_are_set_from_outside() {
    let mut stage = shifted("grep msgqueue /proc/self/limits", "");
    stage.process().rlimits =
        serde_json::from_str(r#"[{"type": "RLIMIT_MSGQUEUE", "soft": 5, "hard": 98765}]"#).unwrap();
    let output = stage.run().output();
    assert!(output.contains(" 5 ") && output.contains("98765"), "{output}");
}

#[test]
fn an_exec_joins_the_user_namespace() {
    let mut stage = shifted("sleep 100", r#", {"type": "time"}"#);
    stage.linux().time_offsets =
        serde_json::from_str(r#"{"boottime": {"secs": 1000000}, "monotonic": {"secs": 5}}"#).unwrap();
    let running = stage.start();
    let output = exec(&running, &["sh", "-c", "id -u; cat /proc/self/uid_map; cat /proc/uptime"]);
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(lines[0], "0");
    assert!(lines[1].contains("200000"));
    let uptime: f64 = lines[2].split(' ').next().unwrap().parse().unwrap();
    assert!(uptime > 1_000_000.0, "{output}");
}

#[test]
fn clocks_run_ahead_in_a_time_namespace() {
    let mut stage = Stage::script("cat /proc/uptime; cat /proc/self/timens_offsets");
    stage.linux().namespaces.push(serde_json::from_str(r#"{"type": "time"}"#).unwrap());
    stage.linux().time_offsets =
        serde_json::from_str(r#"{"boottime": {"secs": 2000000, "nanosecs": 7}}"#).unwrap();
    let output = stage.run().output();
    assert!(output.split('.').next().unwrap().parse::<u64>().unwrap() > 2_000_000, "{output}");
    assert!(output.contains("2000000"), "{output}");
}

#[test]
fn a_clock_that_would_stand_before_boot_is_refused() {
    let mut stage = Stage::script("true");
    stage.linux().namespaces.push(serde_json::from_str(r#"{"type": "time"}"#).unwrap());
    stage.linux().time_offsets = serde_json::from_str(r#"{"boottime": {"secs": -2000000000}}"#).unwrap();
    let text = stage.refusal().to_string();
    assert_eq!(text, "error setting the clocks of the time namespace: numerical result out of range");
}

#[test]
fn a_container_joins_all_namespaces_of_another() {
    let first = shifted("sleep 100", r#", {"type": "time"}"#).start();
    let pid = first.created.pid;
    let mut second = Stage::script(
        "for n in net ipc uts pid user cgroup time; do readlink /proc/self/ns/$n; done; cat /proc/1/comm",
    );
    let join = |kind: &str, name: &str| format!(r#"{{"type": "{kind}", "path": "/proc/{pid}/ns/{name}"}}"#);
    let joins = [
        ("network", "net"),
        ("ipc", "ipc"),
        ("uts", "uts"),
        ("pid", "pid"),
        ("user", "user"),
        ("cgroup", "cgroup"),
        ("time", "time"),
    ]
    .map(|(kind, name)| join(kind, name));
    let text = format!(r#"[{{"type": "mount"}}, {}]"#, joins.join(","));
    second.linux().namespaces = serde_json::from_str(&text).unwrap();
    give(&second);
    let expected: Vec<_> = ["net", "ipc", "uts", "pid", "user", "cgroup", "time"]
        .iter()
        .map(|name| fs::read_link(format!("/proc/{pid}/ns/{name}")).unwrap().display().to_string())
        .collect();
    let output = second.run().output();
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(lines[..7], expected, "{output}");
    assert_eq!(lines[7], "sleep");
}

#[test]
fn a_new_user_namespace_goes_with_a_network_of_the_hosts() {
    let holder = Stage::new(&["sleep", "100"]).start();
    let pid = holder.created.pid;
    let mut stage = shifted("readlink /proc/self/ns/net; id -u; mount | grep -c proc", "");
    stage.linux().namespaces.retain(|one| one.kind != oci_spec::runtime::NamespaceKind::Network);
    let join = format!(r#"{{"type": "network", "path": "/proc/{pid}/ns/net"}}"#);
    stage.linux().namespaces.push(serde_json::from_str(&join).unwrap());
    // sysfs belongs to the network namespace, which is not ours.
    stage.spec.mounts.retain(|mount| !mount.destination.starts_with("/sys"));
    let output = stage.run().output();
    let expected = fs::read_link(format!("/proc/{pid}/ns/net")).unwrap().display().to_string();
    assert!(output.starts_with(&format!("{expected}\n0\n")), "{output}");
}

#[test]
fn the_end_of_a_child_behind_a_vanguard_is_seen_by_its_parent() {
    let mut stage = Stage::script("exit 7");
    stage.linux().namespaces.push(serde_json::from_str(r#"{"type": "time"}"#).unwrap());
    let (stdio, readers) = pipes();
    let mut created = stage.create_with(stdio, None, CreateOptions::default()).unwrap();
    created.start().unwrap();
    assert_eq!(gather(&created.pidfd, readers).code, 7);
    created.cgroup.unwrap().remove().unwrap();
}

#[test]
fn ids_that_the_host_does_not_have_are_refused() {
    let mut stage = shifted("true", "");
    let maps =
        r#"[{"containerID": 0, "hostID": 1, "size": 10}, {"containerID": 5, "hostID": 100, "size": 10}]"#;
    stage.linux().uid_mappings = serde_json::from_str(maps).unwrap();
    assert_eq!(stage.refusal().to_string(), "failed to write uid_map: invalid argument");
}

#[test]
fn without_a_mount_namespace_the_host_sees_the_root_and_nothing_of_a_failure() {
    crate::stage::with_own_mounts(|| {
        let mut stage = Stage::script("readlink /proc/self/ns/mnt; ls /");
        let linux = stage.linux();
        linux.namespaces.retain(|one| one.kind != oci_spec::runtime::NamespaceKind::Mount);
        linux.masked_paths.clear();
        linux.readonly_paths.clear();
        stage.spec.mounts.retain(|mount| !mount.destination.starts_with("/sys"));
        let create = |stage: &Stage, stdio| stage.create_on_image(stdio, &mut |_| Ok(()));
        let mounts = || fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        let before = mounts();
        let place = stage.image().display().to_string();
        stage.mount(r#"{"destination": "/x", "type": "nothing", "source": "x"}"#);
        create(&stage, runtime::Stdio::Null).unwrap_err();
        assert_eq!(mounts(), before);
        stage.spec.mounts.pop();
        stage.process().args = ["sleep", "100"].map(str::to_owned).to_vec();
        let mut created = create(&stage, runtime::Stdio::Null).unwrap();
        assert!(mounts().contains(&place));
        created.start().unwrap();
        // An exec begins in the container's root, too.
        let (stdio, readers) = pipes();
        let process = oci_spec::runtime::Process {
            args: ["sh", "-c", "readlink /proc/self/ns/mnt; ls /"].map(str::to_owned).to_vec(),
            ..stage.spec.process.clone().unwrap()
        };
        let child = runtime::exec(runtime::ExecRequest {
            pid: created.pid,
            pidfd: created.pidfd.as_fd(),
            process: &process,
            user: None,
            stdio,
            cgroup: None,
            seccomp: None,
            options: ExecOptions { linux: stage.spec.linux.as_ref(), ..ExecOptions::default() },
        });
        let output = gather(&child.unwrap().pidfd, readers).output();
        let own = fs::read_link("/proc/thread-self/ns/mnt").unwrap().display().to_string();
        assert!(output.starts_with(&own) && output.contains("bin\ndev\n"), "{output}");
        runtime::kill(created.pidfd.as_fd(), rustix::process::Signal::KILL).unwrap();
        crate::stage::wait(&created.pidfd);
        rustix::mount::unmount(place.as_str(), rustix::mount::UnmountFlags::DETACH).unwrap();
    });
}
