//! Groups as units of a systemd that runs on this host; elsewhere there is nothing to test.

use std::collections::BTreeMap;
use std::fs;

use cgroup::systemd::{Request, is_running};
use cgroup::{Layout, Plan, Version};

use crate::{Guard, reap, sleeper};

/// The plan for a unit of this test; `None` where systemd does not run.
fn plan(name: &str, json: &str) -> Option<Plan> {
    if !is_running() {
        eprintln!("SKIPPED: needs systemd");
        return None;
    }
    let resources = serde_json::from_str(json).unwrap();
    let annotations =
        BTreeMap::from([("org.systemd.property.TimeoutStopSec".to_owned(), "uint64 3".to_owned())]);
    let cgroups_path = format!("gtest-a.slice:gtest:{}-{name}", std::process::id());
    let request =
        Request { cgroups_path: &cgroups_path, id: "x", annotations: &annotations, resources: &resources };
    Some(Plan::for_unit(&Layout::detect().unwrap(), &request).unwrap())
}

#[test]
fn a_unit_lives_as_long_as_its_container() {
    let json =
        r#"{"memory": {"limit": 67108864}, "pids": {"limit": 77}, "cpu": {"quota": 25000, "cpus": "0"}}"#;
    let Some(plan) = plan("life", json) else { return };
    let mut guard = Guard(plan.apply().unwrap());
    let folder = plan.groups[0].folder.clone();
    assert!(folder.to_str().unwrap().contains("/gtest.slice/gtest-a.slice/gtest-"), "{}", folder.display());
    assert_eq!(guard.0.unit(), Some(format!("gtest-{}-life.scope", std::process::id()).as_str()));
    // The keeper is in it, so that it does not end at once.
    assert_eq!(guard.0.pids().unwrap().len(), 1);
    let child = sleeper(&guard.0);
    guard.0.settle();
    assert_eq!(guard.0.pids().unwrap(), [child.pid]);
    if guard.0.version() == Version::V2 {
        let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap().trim().to_owned();
        let files = ["memory.max", "pids.max", "cpu.max", "cpuset.cpus"];
        assert_eq!(files.map(read), ["67108864", "77", "25000 100000", "0"]);
    }
    // Another one of that name is refused, and leaves this one alone.
    assert!(plan.apply().is_err());
    assert_eq!(guard.0.pids().unwrap(), [child.pid]);

    let changed = r#"{"memory": {"limit": 134217728}, "pids": {"limit": 5}}"#;
    guard.0.update(&serde_json::from_str(changed).unwrap()).unwrap();
    assert_eq!(guard.0.stats().memory.usage.limit, 134_217_728);
    assert_eq!(guard.0.stats().pids.limit, 5);
    guard.0.freeze().unwrap();
    assert!(guard.0.is_frozen());
    guard.0.thaw().unwrap();
    guard.0.kill_all().unwrap();
    reap(&child);
    guard.0.remove().unwrap();
    assert!(!guard.0.exists());
    guard.0.remove().unwrap();
}

#[test]
fn a_unit_that_cannot_be_leaves_nothing() {
    let Some(plan) = plan("refused", r#"{"cpu": {"cpus": "4000"}}"#) else { return };
    let guard = Guard(plan.group());
    plan.apply().unwrap_err();
    assert!(!guard.0.exists());
    assert!(guard.0.pids().unwrap().is_empty());
}
