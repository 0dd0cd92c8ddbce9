//! Groups on the real hierarchies of the host, under names of their own, removed at the end.

#![allow(clippy::unwrap_used)]

use std::ffi::CStr;
use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use cgroup::{Attach, CgroupError, Group, Hierarchy, Layout, Plan, Version};
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
    let attach = group.attach().unwrap();
    let mut birth = Birth::default();
    if let Attach::Born(folder) = &attach {
        birth.cgroup = Some(folder.as_fd());
    }
    let child = clone_process(birth, || {
        if let Attach::Tasks(files) = &attach {
            for file in files {
                if enter(file).is_err() {
                    return 1;
                }
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
    let plan = Plan::new(&layout, &path("limits"), &serde_json::from_str(raised).unwrap()).unwrap();
    guard.0.update(&plan).unwrap();
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
        hierarchies: vec![Hierarchy { controllers: Vec::new(), mountpoint }],
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
        let Attach::Born(folder) = group.attach().unwrap() else { panic!("not v2") };
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

    let all = DeviceRule { allow: true, ..DeviceRule::default() };
    let resources = Resources { devices: vec![all], ..Resources::default() };
    let open = Guard(Plan::new(&layout, &path("open"), &resources).unwrap().apply().unwrap());
    assert!(opens(&open.0, c"/dev/kmsg"));
}
