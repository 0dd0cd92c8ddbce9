//! Where the development machine cannot go: cgroup v2, AppArmor, systemd. These run in the virtual machine.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use testing::{Needs, program, wait};

use crate::stage::Stage;

/// The group of a container's first process.
fn group(stage: &Stage, id: &str) -> PathBuf {
    let text = fs::read_to_string(format!("/proc/{}/cgroup", stage.pid(id))).unwrap();
    let path = text.lines().find_map(|line| line.strip_prefix("0::/")).unwrap();
    Path::new("/sys/fs/cgroup").join(path)
}

fn read(group: &Path, file: &str) -> String {
    fs::read_to_string(group.join(file)).unwrap().trim().to_owned()
}

#[test]
fn limits_and_the_device_filter_hold_on_v2() {
    testing::on_host(&[Needs::CgroupV2], |host| {
        let stage = Stage::new(host, "exec sleep 1000");
        stage.edit(|document| {
            document["linux"]["resources"] = json!({
                "memory": {"limit": 33_554_432, "swap": 33_554_432},
                "cpu": {"quota": 50_000, "period": 100_000},
                "pids": {"limit": 50},
                "devices": [
                    {"allow": false, "access": "rwm"},
                    {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rw"}
                ],
            });
        });
        stage.detached("create one").ok();
        stage.run("start", &["one"]).ok();
        let group = group(&stage, "one");
        let files = || ["memory.max", "cpu.max", "pids.max"].map(|file| read(&group, file));
        assert_eq!(files(), ["33554432", "50000 100000", "50"]);
        // Too much memory kills who takes it.
        let greedy = "x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo kept";
        let ran = stage.run("exec", &["one", "busybox", "sh", "-c", greedy]);
        assert!(!ran.stdout.contains("kept"), "{ran}");
        assert!(!read(&group, "memory.events").contains("oom_kill 0"), "{}", read(&group, "memory.events"));
        // /dev/null may be opened; a node for the kernel's log may not.
        let node = stage.bundle().join("rootfs/kmsg");
        program::shell(&format!("mknod {} c 1 11", node.display())).ok();
        stage.run("exec", &["one", "sh", "-c", ": </dev/null"]).ok();
        let ran = stage.run("exec", &["one", "sh", "-c", ": </kmsg"]);
        assert!(ran.code != 0 && ran.stderr.contains("Operation not permitted"), "{ran}");

        stage
            .run("update", &["--memory", "67108864", "--pids-limit", "20", "--cpu-quota", "25000", "one"])
            .ok();
        assert_eq!(files(), ["67108864", "25000 100000", "20"]);
        stage.run("pause", &["one"]).ok();
        assert_eq!((stage.status("one").as_str(), read(&group, "cgroup.freeze").as_str()), ("paused", "1"));
        stage.run("resume", &["one"]).ok();
        assert_eq!(stage.status("one"), "running");
        stage.run("delete", &["-f", "one"]).ok();
        assert!(!group.exists());
        stage.is_clean();
    });
}

/// A profile that allows all but writing below `/tmp`.
const PROFILE: &str = "profile gantry-test-confined flags=(attach_disconnected) {
  file, capability, network, mount, umount, pivot_root, signal, ptrace, unix,
  deny /tmp/** w,
}
";

#[test]
fn an_apparmor_profile_confines() {
    testing::needs!(AppArmor);
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("profile");
    fs::write(&profile, PROFILE).unwrap();
    program::shell(&format!("apparmor_parser -r {}", profile.display())).ok();
    let script = "cat /proc/self/attr/current; echo x >/etc/x && echo etc; echo x >/tmp/x || echo denied";
    let stage = Stage::at(folder.path(), script);
    let confine = |name: &str| stage.edit(|document| document["process"]["apparmorProfile"] = json!(name));
    confine("gantry-test-confined");
    let ran = stage.run("run", &["-b", "bundle", "confined"]).ok();
    assert_eq!(ran.stdout, "gantry-test-confined (enforce)\netc\ndenied\n", "{ran}");
    assert!(ran.stderr.contains("Permission denied"), "{ran}");
    confine("gantry-test-unknown");
    let ran = stage.run("run", &["-b", "bundle", "unknown"]);
    assert!(ran.code != 0 && ran.stderr.contains("unable to apply apparmor profile"), "{ran}");
}

#[test]
fn under_systemd_a_container_is_a_scope() {
    testing::needs!(Systemd, CgroupV2);
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::at(folder.path(), "exec sleep 1000");
    stage.edit(|document| {
        document["linux"]["cgroupsPath"] = json!("system.slice:gantry:one");
        document["linux"]["resources"] = json!({"memory": {"limit": 67_108_864}, "pids": {"limit": 40}});
    });
    let show = |property: &str| {
        program::shell(&format!("systemctl show --value -p {property} gantry-one.scope")).text().to_owned()
    };
    stage.detached("--systemd-cgroup create one").ok();
    assert_eq!(show("ActiveState"), "active");
    assert_eq!([show("MemoryMax"), show("TasksMax")], ["67108864", "40"]);
    assert_eq!(show("ControlGroup"), "/system.slice/gantry-one.scope");
    let group = group(&stage, "one");
    assert!(group.ends_with("system.slice/gantry-one.scope"), "{}", group.display());
    stage.raw(&["--systemd-cgroup", "start", "one"]).ok();
    stage.raw(&["--systemd-cgroup", "exec", "one", "true"]).ok();
    stage.raw(&["--systemd-cgroup", "update", "--memory", "134217728", "--pids-limit", "30", "one"]).ok();
    assert_eq!([show("MemoryMax"), show("TasksMax")], ["134217728", "30"]);
    assert_eq!([read(&group, "memory.max"), read(&group, "pids.max")], ["134217728", "30"]);
    stage.raw(&["--systemd-cgroup", "delete", "-f", "one"]).ok();
    wait::eventually("the scope is gone", || show("ActiveState") == "inactive");
    assert!(!group.exists());
}
