//! Groups on the real hierarchies of the host, under names of their own, removed at the end.

#![allow(clippy::unwrap_used)]

mod systemd;

use std::ffi::CStr;
use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use cgroup::{CgroupError, FreezeState, Group, Heard, Hierarchy, Layout, OwnGroups, Plan, Reach, Version};
use oci_spec::runtime::{DeviceRule, Resources};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use sys::process::{Birth, Child, clone_process};

/// A group that is removed even when the test fails.
struct Guard(Group);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill_all();
        let _ = self.0.remove();
        for view in self.0.views() {
            let _ = view.folder.parent().map(fs::remove_dir);
        }
    }
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(format!("/gantry-test-{}-{name}/inner", std::process::id()))
}

fn apply(layout: &Layout, name: &str, json: &str) -> Guard {
    let resources: Resources = serde_json::from_str(json).unwrap();
    Guard(Plan::new(layout, &path(name), &resources).unwrap().apply().unwrap())
}

/// A child that has entered the group and waits to be killed.
fn sleeper(group: &Group) -> Child {
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    let (folder, tasks) = (group.birthplace().unwrap(), group.tasks());
    let birth = Birth { cgroup: folder.as_ref().map(AsFd::as_fd), ..Birth::default() };
    let child = clone_process(birth, || {
        for file in &tasks {
            if enter(file).is_err() {
                return 1;
            }
        }
        let _ = rustix::io::write(&writer, b"x");
        loop {
            rustix::event::pause();
        }
    })
    .unwrap();
    drop(writer);
    assert_eq!(rustix::io::read(&reader, &mut [0; 1]), Ok(1));
    child
}

fn enter(file: &CStr) -> Result<(), rustix::io::Errno> {
    let file = openat(CWD, file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, b"0").map(drop)
}

fn reap(child: &Child) {
    waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED).unwrap();
}

fn read(group: &Group, controller: &str, file: &str) -> Option<String> {
    let view = group.views().iter().find(|view| view.controllers.iter().any(|name| name == controller))?;
    Some(fs::read_to_string(view.folder.join(file)).unwrap().trim().to_owned())
}

#[test]
fn limits_of_v2_arrive_in_their_files() {
    let layout = Layout::detect().unwrap();
    if layout.version != Version::V2 {
        eprintln!("SKIPPED: needs cgroup v2");
        return;
    }
    let json = r#"{"memory": {"limit": 67108864, "swap": 134217728, "reservation": 33554432},
        "pids": {"limit": 77}, "cpu": {"shares": 1024, "quota": 20000, "burst": 1000, "cpus": "0"},
        "unified": {"memory.high": "60000000"}}"#;
    let guard = apply(&layout, "limits", json);
    let read = |file: &str| {
        fs::read_to_string(guard.0.views()[0].folder.join(file)).unwrap_or_default().trim().to_owned()
    };
    let files = ["memory.max", "memory.swap.max", "memory.low", "pids.max", "cpu.weight", "cpu.max"];
    let expected = ["67108864", "67108864", "33554432", "77", "100", "20000 100000"];
    assert_eq!(files.map(read), expected);
    assert_eq!(["cpuset.cpus", "memory.high"].map(read), ["0", "59998208"]);
    assert_eq!(guard.0.oom_kills(), Some(0));
    guard.0.update(&serde_json::from_str(r#"{"memory": {"limit": -1}}"#).unwrap()).unwrap();
    assert_eq!(["memory.max", "memory.swap.max", "pids.max"].map(read), ["max", "max", "77"]);
    let idle = apply(&layout, "idle", r#"{"cpu": {"idle": 1, "shares": 512}}"#);
    let text = fs::read_to_string(idle.0.views()[0].folder.join("cpu.idle")).unwrap_or_default();
    assert!(text.is_empty() || text.trim() == "1");
    let refused = r#"{"unified": {"memory.nothing": "1"}}"#;
    let plan = Plan::new(&layout, &path("unknown"), &serde_json::from_str(refused).unwrap()).unwrap();
    let _guard = Guard(plan.group());
    let text = plan.apply().unwrap_err().to_string();
    assert_eq!(text, "unable to set unified resource \"memory.nothing\"");
}

#[test]
fn limits_arrive_in_their_files_and_the_group_goes_away() {
    let layout = Layout::detect().unwrap();
    if layout.version != Version::V1 {
        eprintln!("SKIPPED: needs cgroup v1");
        return;
    }
    let json = r#"{"memory": {"limit": 67108864, "swap": 134217728}, "pids": {"limit": 77},
        "cpu": {"shares": 512, "quota": 20000, "period": 100000}}"#;
    let guard = apply(&layout, "limits", json);
    assert_eq!(read(&guard.0, "memory", "memory.limit_in_bytes").as_deref(), Some("67108864"));
    assert_eq!(read(&guard.0, "memory", "memory.memsw.limit_in_bytes").as_deref(), Some("134217728"));
    assert_eq!(read(&guard.0, "pids", "pids.max").as_deref(), Some("77"));
    assert_eq!(read(&guard.0, "cpu", "cpu.shares").as_deref(), Some("512"));
    let devices = read(&guard.0, "devices", "devices.list").unwrap();
    assert!(devices.contains("c 1:3 rwm") && !devices.contains("a *:*"), "{devices}");
    assert_eq!(guard.0.oom_kills(), Some(0));

    let raised = r#"{"memory": {"limit": 268435456, "swap": 536870912}}"#;
    guard.0.update(&serde_json::from_str(raised).unwrap()).unwrap();
    assert_eq!(read(&guard.0, "memory", "memory.limit_in_bytes").as_deref(), Some("268435456"));

    guard.0.remove().unwrap();
    assert!(guard.0.views().iter().all(|view| !view.folder.exists()));
    guard.0.remove().unwrap();
}

#[test]
fn a_child_enters_is_frozen_thawed_and_killed() {
    let layout = Layout::detect().unwrap();
    let guard = apply(&layout, "life", r#"{"cpu": {"cpus": "0"}}"#);
    let child = sleeper(&guard.0);
    assert_eq!(guard.0.pids().unwrap(), [child.pid]);
    assert!(guard.0.memory_usage().is_some());
    guard.0.freeze().unwrap();
    assert!(guard.0.is_frozen());
    guard.0.thaw().unwrap();
    assert!(!guard.0.is_frozen());
    // A group with processes in it is not taken over.
    let plan = Plan::new(&layout, &path("life"), &Resources::default()).unwrap();
    assert!(matches!(plan.apply(), Err(CgroupError::Busy(1))));
    guard.0.kill_all().unwrap();
    reap(&child);
    guard.0.remove().unwrap();
}

#[test]
fn a_refused_limit_leaves_nothing_behind() {
    let layout = Layout::detect().unwrap();
    let resources: Resources = serde_json::from_str(r#"{"cpu": {"cpus": "4000"}}"#).unwrap();
    let plan = Plan::new(&layout, &path("refused"), &resources).unwrap();
    let _guard = Guard(plan.group());
    let error = plan.apply().unwrap_err();
    assert!(matches!(&error, CgroupError::Write { value, .. } if value == "4000"), "{error}");
    assert!(plan.group().views().iter().all(|view| !view.folder.exists()));
}

#[test]
fn a_group_tells_what_it_uses_and_is_found_again() {
    let layout = Layout::detect().unwrap();
    let guard = apply(&layout, "stats", r#"{"memory": {"limit": 67108864}, "pids": {"limit": 9}}"#);
    let child = sleeper(&guard.0);
    let again = Group::from_paths(&layout, &guard.0.paths()).unwrap();
    assert!(again.exists());
    let stats = again.stats();
    assert_eq!((stats.pids.current, stats.pids.limit), (1, 9));
    assert_eq!(stats.memory.usage.limit, 67_108_864);
    assert!(stats.memory.usage.usage > 0 && stats.memory.raw.contains_key("pgfault"), "{:?}", stats.memory);
    again.kill_all().unwrap();
    reap(&child);
    again.remove().unwrap();
    assert!(!guard.0.exists());
}

#[test]
fn a_plan_for_a_container_reaches_every_hierarchy() {
    let layout = Layout::detect().unwrap();
    let own = OwnGroups::read().unwrap();
    let id = format!("gantry-test-{}-relative", std::process::id());
    let plan = Plan::for_container(&layout, &own, "", &id, &Resources::default()).unwrap();
    let guard = Guard(plan.apply().unwrap());
    let child = sleeper(&guard.0);
    let expected = layout.hierarchies.len() + layout.unified.iter().count();
    assert_eq!(guard.0.views().len(), expected);
    for view in guard.0.views() {
        let inside = fs::read_to_string(view.folder.join("cgroup.procs")).unwrap();
        assert_eq!(inside.trim(), child.pid.to_string(), "{}", view.folder.display());
    }
    let below = guard.0.views()[0].folder.join("below");
    fs::create_dir(&below).unwrap();
    assert_eq!(guard.0.pids_in(Reach::Own).unwrap(), [child.pid]);
    guard.0.kill_all().unwrap();
    reap(&child);
    guard.0.remove().unwrap();
    assert!(!below.exists());
}

#[test]
fn a_frozen_group_is_not_taken_over() {
    let layout = Layout::detect().unwrap();
    let guard = apply(&layout, "frozen", "{}");
    guard.0.freeze().unwrap();
    assert_eq!(guard.0.freeze_state(), Some(FreezeState::Frozen));
    let plan = Plan::new(&layout, &path("frozen"), &Resources::default()).unwrap();
    assert!(matches!(plan.apply(), Err(CgroupError::Frozen)));
    assert!(guard.0.exists());
    guard.0.thaw().unwrap();
    plan.apply().unwrap();
}

#[test]
fn running_out_of_memory_is_heard() {
    let layout = Layout::detect().unwrap();
    let guard = apply(&layout, "oom", r#"{"memory": {"limit": 8388608, "swap": 8388608}}"#);
    let mut watch = guard.0.oom_watch().unwrap();
    assert_eq!(watch.hear(), Heard::Nothing);
    let (folder, tasks) = (guard.0.birthplace().unwrap(), guard.0.tasks());
    let birth = Birth { cgroup: folder.as_ref().map(AsFd::as_fd), ..Birth::default() };
    let child = clone_process(birth, || {
        for file in &tasks {
            if enter(file).is_err() {
                return 1;
            }
        }
        let mut hoard = vec![0u8; 64 << 20];
        for page in hoard.chunks_mut(4096) {
            page[0] = 1;
        }
        std::hint::black_box(hoard.len());
        0
    })
    .unwrap();
    let status = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED).unwrap().unwrap();
    assert_eq!(status.terminating_signal(), Some(9));
    assert_eq!(watch.hear(), Heard::OutOfMemory);
    assert_eq!(watch.hear(), Heard::Nothing);
    assert!(guard.0.oom_kills().unwrap() > 0);
    guard.0.remove().unwrap();
    assert_eq!(watch.hear(), Heard::Gone);
}

#[test]
fn a_limit_below_the_usage_is_refused_in_runcs_words() {
    let layout = Layout::detect().unwrap();
    let guard = apply(&layout, "used", r#"{"memory": {"limit": 67108864}}"#);
    let child = sleeper(&guard.0);
    let update = |json: &str| guard.0.update(&serde_json::from_str(json).unwrap());
    if layout.version == Version::V2 {
        let checked = update(r#"{"memory": {"limit": 4096, "checkBeforeUpdate": true}}"#);
        let text = checked.unwrap_err().to_string();
        assert!(text.starts_with("rejecting memory limit 4096 <= usage"), "{text}");
    } else {
        let text = update(r#"{"memory": {"limit": 4096, "swap": 4096}}"#).unwrap_err().to_string();
        assert!(text.starts_with("unable to set memory limit to 4096 (current usage: "), "{text}");
    }
    assert_eq!(guard.0.pids().unwrap(), [child.pid]);
    guard.0.kill_all().unwrap();
    reap(&child);
}

#[test]
fn on_v2_a_child_is_born_in_the_group_and_its_devices_are_filtered() {
    let layout = Layout::detect().unwrap();
    let Some(mountpoint) = layout
        .unified
        .or_else(|| (layout.version == Version::V2).then(|| Path::new("/sys/fs/cgroup").to_owned()))
    else {
        eprintln!("SKIPPED: needs a cgroup2 mount");
        return;
    };
    let layout = Layout {
        version: Version::V2,
        hierarchies: vec![Hierarchy { mountpoint, ..Hierarchy::default() }],
        unified: None,
    };
    let guard = apply(&layout, "unified", "{}");
    let child = sleeper(&guard.0);
    assert_eq!(guard.0.pids().unwrap(), [child.pid]);
    guard.0.freeze().unwrap();
    guard.0.thaw().unwrap();
    pidfd_send_signal(&child.pidfd, Signal::KILL).unwrap();
    reap(&child);

    let opens = |group: &Group, device: &CStr| {
        let folder = group.birthplace().unwrap().unwrap();
        let birth = Birth { cgroup: Some(folder.as_fd()), ..Birth::default() };
        let child =
            clone_process(birth, || i32::from(openat(CWD, device, OFlags::RDONLY, Mode::empty()).is_err()));
        let child = child.unwrap();
        let status = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED).unwrap().unwrap();
        status.exit_status() == Some(0)
    };
    assert!(opens(&guard.0, c"/dev/null"));
    assert!(!opens(&guard.0, c"/dev/kmsg"));
    guard.0.remove().unwrap();

    let kmsg = DeviceRule {
        allow: true,
        kind: "c".to_owned(),
        major: Some(1),
        minor: Some(11),
        access: "rwm".to_owned(),
    };
    let strict = apply(&layout, "changed", "{}");
    let folder = fs::File::open(&strict.0.views()[0].folder).unwrap();
    let count = || sys::bpf::device_programs(folder.as_fd()).unwrap().len();
    assert_eq!((opens(&strict.0, c"/dev/kmsg"), count()), (false, 1));
    // One program takes the other's place: two would only allow what both do.
    strict.0.set_devices(std::slice::from_ref(&kmsg)).unwrap();
    assert_eq!((opens(&strict.0, c"/dev/kmsg"), count()), (true, 1));
    // A group that is taken over loses the filter of the one before.
    let resources = Resources { devices: vec![kmsg], ..Resources::default() };
    strict.0.set_devices(&[]).unwrap();
    Plan::new(&layout, &path("changed"), &resources).unwrap().apply().unwrap();
    assert_eq!((opens(&strict.0, c"/dev/kmsg"), count()), (true, 1));
    strict.0.remove().unwrap();

    let all = DeviceRule { allow: true, ..DeviceRule::default() };
    let resources = Resources { devices: vec![all], ..Resources::default() };
    let open = Guard(Plan::new(&layout, &path("open"), &resources).unwrap().apply().unwrap());
    assert!(opens(&open.0, c"/dev/kmsg"));
}
