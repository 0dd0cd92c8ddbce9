//! When, where and as what a process runs: scheduling, CPUs, memory, execution domain.

use oci_spec::runtime::CpuAffinity;
use runtime::{Affinity, CreateOptions};

use crate::stage::{Stage, gather, pipes};

#[test]
fn a_process_has_its_policy_and_its_priority() {
    let mut stage = Stage::script("busybox ionice; cat /proc/self/stat");
    stage.process().scheduler =
        Some(serde_json::from_str(r#"{"policy": "SCHED_BATCH", "nice": 7}"#).unwrap());
    stage.process().io_priority =
        Some(serde_json::from_str(r#"{"class": "IOPRIO_CLASS_BE", "priority": 6}"#).unwrap());
    let output = stage.run().output();
    let (priority, stat) = output.split_once('\n').unwrap();
    assert_eq!(priority, "best-effort: prio 6");
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().collect();
    assert_eq!((fields[16], fields[38]), ("7", "3"), "{stat}");
}

#[test]
fn a_deadline_that_is_impossible_is_refused() {
    let mut stage = Stage::script("true");
    stage.process().scheduler = Some(
        serde_json::from_str(
            r#"{"policy": "SCHED_DEADLINE", "runtime": 9000, "deadline": 5000, "period": 5000}"#,
        )
        .unwrap(),
    );
    assert_eq!(stage.refusal().to_string(), "error setting scheduler: invalid argument");
}

#[test]
fn an_execution_domain_holds_for_the_container_and_its_execs() {
    let mut stage = Stage::new(&["sleep", "100"]);
    stage.linux().personality = Some(serde_json::from_str(r#"{"domain": "LINUX32"}"#).unwrap());
    let running = stage.start();
    let process = running.process(&["busybox", "uname", "-m"]);
    let linux = running.stage.spec.linux.clone();
    let run = |options| {
        let (stdio, readers) = pipes();
        let child = running.spawn_with(&process, None, stdio, options).unwrap();
        gather(&child.pidfd, readers).output()
    };
    let with = run(runtime::ExecOptions { linux: linux.as_ref(), ..runtime::ExecOptions::default() });
    assert_eq!(with, "i686\n");
    assert_ne!(run(runtime::ExecOptions::default()), "i686\n");
}

#[test]
fn an_exec_runs_on_the_cpus_it_is_given() {
    let running = Stage::new(&["sleep", "100"]).start();
    let mut process = running.process(&["grep", "Cpus_allowed_list", "/proc/self/status"]);
    process.exec_cpu_affinity = Some(CpuAffinity { initial: "0-1".to_owned(), last: "1".to_owned() });
    let (stdio, readers) = pipes();
    let child = running.spawn(&process, None, stdio).unwrap();
    assert_eq!(gather(&child.pidfd, readers).output(), "Cpus_allowed_list:\t1\n");
}

#[test]
fn a_callers_own_cpus_are_left_behind_when_asked_for() {
    let all = rustix::thread::sched_getaffinity(None).unwrap();
    let mut one = rustix::thread::CpuSet::new();
    one.set(0);
    let run = |affinity| {
        let stage = Stage::script("grep Cpus_allowed_list /proc/self/status");
        let (stdio, readers) = pipes();
        let options = CreateOptions { affinity, ..CreateOptions::default() };
        rustix::thread::sched_setaffinity(None, &one).unwrap();
        let mut created = stage.create_with(stdio, None, options).unwrap();
        created.start().unwrap();
        let output = gather(&created.pidfd, readers).output();
        created.cgroup.unwrap().remove().unwrap();
        rustix::thread::sched_setaffinity(None, &all).unwrap();
        output
    };
    // A group with a cpuset makes its members forget that before Linux 6.2.
    if testing::Needs::CgroupV2.missing().is_some() {
        assert_eq!(run(Affinity::Inherit), "Cpus_allowed_list:\t0\n");
    }
    if all.count() > 1 {
        assert_ne!(run(Affinity::Reset), "Cpus_allowed_list:\t0\n");
    }
}

#[test]
fn a_deadline_on_some_cpus_only_is_refused_in_runcs_words() {
    // With a single one, that is all of them.
    if std::thread::available_parallelism().unwrap().get() == 1 {
        return;
    }
    let mut stage = Stage::script("true");
    stage.process().scheduler = Some(
        serde_json::from_str(
            r#"{"policy": "SCHED_DEADLINE", "runtime": 42000, "deadline": 100000, "period": 1000000,
                "flags": ["SCHED_FLAG_RESET_ON_FORK"]}"#,
        )
        .unwrap(),
    );
    stage.linux().resources = Some(serde_json::from_str(r#"{"cpu": {"cpus": "0"}}"#).unwrap());
    let text = stage.refusal().to_string();
    assert!(text.contains("process scheduler can't be used together with AllowedCPUs"), "{text}");
}
