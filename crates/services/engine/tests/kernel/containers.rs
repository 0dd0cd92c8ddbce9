//! A container's whole life, and what its settings do to it.

use engine::{Kind, StopOptions};
use engine_api::container::{HostConfig, RestartPolicy};
use engine_api::mount::Mount;

use crate::Case;
use crate::bench::{Bench, PATIENCE, config, request};

pub(crate) const CASES: &[Case] = &[
    ("a_container_runs_and_its_code_is_told", a_container_runs_and_its_code_is_told),
    (
        "a_program_that_is_not_there_fails_in_dockers_words",
        a_program_that_is_not_there_fails_in_dockers_words,
    ),
    ("stop_signals_and_then_kills", stop_signals_and_then_kills),
    ("rm_takes_everything_away", rm_takes_everything_away),
    ("files_survive_a_restart", files_survive_a_restart),
    ("settings_reach_the_process", settings_reach_the_process),
    ("volumes_are_made_filled_and_kept", volumes_are_made_filled_and_kept),
    ("a_restart_policy_brings_it_back", a_restart_policy_brings_it_back),
    ("a_frozen_container_does_nothing_and_dies", a_frozen_container_does_nothing_and_dies),
    ("a_hungry_container_is_shot", a_hungry_container_is_shot),
    ("names_are_unique_and_change", names_are_unique_and_change),
    ("top_lists_the_processes", top_lists_the_processes),
    (
        "no_way_leads_from_a_container_to_the_program_on_the_host",
        no_way_leads_from_a_container_to_the_program_on_the_host,
    ),
];

/// What enters a container still runs the supervisor's program until it executes the container's.
fn no_way_leads_from_a_container_to_the_program_on_the_host(bench: &Bench) {
    let id = bench.run(&["sleep", "60"]);
    let folder = config(bench.folder.path()).exec_root.join("containers").join(&id);
    let file = folder.join("state.json");
    // Written behind the answer to the start.
    assert!(testing::wait::until(PATIENCE, || file.exists()));
    let state = std::fs::read(file).unwrap();
    let state: serde_json::Value = serde_json::from_slice(&state).unwrap();
    let program = format!("/proc/{}/exe", state["shim"]);
    let mount = rustix::fs::statvfs(program.as_str()).unwrap();
    assert!(mount.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY), "{:?}", mount.f_flag);
    // No copy: all that run it share its pages.
    let inode = |path: &str| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).unwrap());
    assert_eq!(inode(&program), inode("/proc/self/exe"));
    bench.remove(&id, true).unwrap();
}

fn a_container_runs_and_its_code_is_told(bench: &Bench) {
    let id = bench.create(&["sh", "-c", "echo hello; echo oops >&2; exit 7"]);
    assert_eq!(bench.inspect(&id).state.status, "created");
    bench.start(&id);
    assert_eq!(bench.wait(&id), 7);
    let state = bench.inspect(&id).state;
    assert_eq!((state.status.as_str(), state.exit_code, state.pid), ("exited", 7, 0));
    let output = bench.output(&id);
    assert!(output.contains("hello\n") && output.contains("oops\n"), "{output}");
    bench.remove(&id, false).unwrap();
    let gone = bench.remove(&id, false).unwrap_err();
    assert_eq!((gone.kind, gone.message), (Kind::NotFound, format!("No such container: {id}")));
}

fn a_program_that_is_not_there_fails_in_dockers_words(bench: &Bench) {
    let id = bench.create(&["nope"]);
    let error = bench.wait_on(bench.engine.container_start(&id)).unwrap_err();
    assert_eq!(
        error.message,
        "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"nope\": executable file not found in $PATH"
    );
    assert_eq!(error.kind, Kind::InvalidParameter);
    let state = bench.inspect(&id).state;
    assert_eq!((state.status.as_str(), state.exit_code), ("created", 127));
}

fn stop_signals_and_then_kills(bench: &Bench) {
    let polite = bench.run(&["sh", "-c", "trap 'exit 3' TERM; echo ready; while :; do sleep 0.1; done"]);
    testing::wait::eventually("the trap", || bench.output(&polite) == "ready\n");
    bench.wait_on(bench.engine.container_stop(&polite, StopOptions::default())).unwrap();
    assert_eq!(bench.inspect(&polite).state.exit_code, 3);
    let again = bench.wait_on(bench.engine.container_stop(&polite, StopOptions::default())).unwrap_err();
    assert_eq!(again.kind, Kind::NotModified);

    let deaf = bench.run(&["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"]);
    testing::wait::eventually("the trap", || bench.output(&deaf) == "ready\n");
    let options = StopOptions { signal: None, timeout: Some(1) };
    bench.wait_on(bench.engine.container_stop(&deaf, options)).unwrap();
    assert_eq!(bench.inspect(&deaf).state.exit_code, 137);
}

fn rm_takes_everything_away(bench: &Bench) {
    let mut wanted = request(&["true"]);
    wanted.host_config.as_mut().unwrap().auto_remove = true;
    wanted.host_config.as_mut().unwrap().binds = Some(vec!["/data".to_owned()]);
    let id = bench.create_with("gone", wanted).unwrap();
    let waiter = bench.engine.container_wait(&id, engine_api::container::WaitCondition::Removed);
    let waiter = bench.wait_on(waiter).unwrap();
    bench.start(&id);
    assert_eq!(bench.wait_on(waiter.wait()).status_code, 0);
    testing::wait::eventually("the container to be gone", || {
        bench.wait_on(bench.engine.container_inspect("gone", engine::Size::Omitted)).is_err()
    });
    assert!(bench.wait_on(bench.engine.volume_list(Default::default())).unwrap().volumes.is_empty());
    bench.create_with("gone", request(&["true"])).unwrap();
}

fn files_survive_a_restart(bench: &Bench) {
    let id = bench.run(&["sh", "-c", "date >> /log; wc -l < /log; sleep 100"]);
    testing::wait::eventually("the first line", || bench.output(&id) == "1\n");
    let before = bench.inspect(&id).state;
    let options = StopOptions { signal: None, timeout: Some(0) };
    bench.wait_on(bench.engine.container_restart(&id, options)).unwrap();
    let after = bench.inspect(&id).state;
    assert!(after.running && before.pid != after.pid && before.started_at != after.started_at);
    testing::wait::eventually("the second line", || bench.output(&id) == "1\n2\n");
}

fn settings_reach_the_process(bench: &Bench) {
    let mut wanted = request(&[
        "sh",
        "-c",
        "id -u; pwd; hostname; echo $A; cat /proc/1/limits | grep 'open files'; grep CapEff /proc/1/status; cat /proc/1/oom_score_adj; touch /x",
    ]);
    wanted.config.user = "www-data".to_owned();
    wanted.config.working_dir = "/made/here".to_owned();
    wanted.config.hostname = "box".to_owned();
    wanted.config.env = Some(vec!["A=1 2".to_owned()]);
    let host = wanted.host_config.as_mut().unwrap();
    host.readonly_rootfs = true;
    host.oom_score_adj = 50;
    host.ulimits = Some(vec![engine_api::container::Ulimit { name: "nofile".into(), soft: 77, hard: 99 }]);
    let (_, output) = bench.run_to_end(wanted);
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines[..4], ["33", "/made/here", "box", "1 2"], "{output}");
    assert!(lines[4].contains("77") && lines[4].contains("99"), "{output}");
    assert_eq!(lines[5], "CapEff:\t0000000000000000", "{output}");
    assert_eq!(lines[6], "50");
    assert!(lines[7].contains("Read-only file system"), "{output}");
}

fn volumes_are_made_filled_and_kept(bench: &Bench) {
    let mut wanted = request(&["sh", "-c", "ls /etc2/passwd /named; echo kept > /named/file"]);
    wanted.host_config = Some(HostConfig {
        network_mode: "none".to_owned(),
        binds: Some(vec!["shelf:/named".to_owned()]),
        mounts: Some(vec![Mount { kind: "volume".into(), target: "/etc".into(), ..Mount::default() }]),
        ..HostConfig::default()
    });
    wanted.config.cmd =
        Some(vec!["sh".into(), "-c".into(), "ls /etc/passwd; echo kept > /named/file".into()].into());
    let id = bench.create_with("", wanted).unwrap();
    bench.start(&id);
    assert_eq!(bench.wait(&id), 0, "{}", bench.output(&id));
    assert_eq!(bench.output(&id), "/etc/passwd\n");
    let shelf = bench.wait_on(bench.engine.volume_inspect("shelf")).unwrap();
    assert_eq!(std::fs::read_to_string(format!("{}/file", shelf.mountpoint)).unwrap(), "kept\n");
    let busy = bench.wait_on(bench.engine.volume_remove("shelf", false)).unwrap_err();
    assert_eq!(busy.message, format!("remove shelf: volume is in use - [{id}]"));
    bench.remove(&id, false).unwrap();
    bench.wait_on(bench.engine.volume_remove("shelf", false)).unwrap();
    assert!(bench.wait_on(bench.engine.volume_list(Default::default())).unwrap().volumes.is_empty());
}

fn a_restart_policy_brings_it_back(bench: &Bench) {
    let mut wanted = request(&["sh", "-c", "echo run; exit 1"]);
    wanted.host_config.as_mut().unwrap().restart_policy =
        RestartPolicy { name: "on-failure".to_owned(), maximum_retry_count: 2 };
    let id = bench.create_with("", wanted).unwrap();
    bench.start(&id);
    testing::wait::eventually("the last try", || {
        let answer = bench.inspect(&id);
        answer.restart_count == 2 && answer.state.status == "exited"
    });
    assert_eq!(bench.output(&id), "run\nrun\nrun\n");
}

fn a_frozen_container_does_nothing_and_dies(bench: &Bench) {
    let id = bench.run(&["sleep", "100"]);
    bench.wait_on(bench.engine.container_pause(&id)).unwrap();
    assert!(bench.inspect(&id).state.paused);
    let twice = bench.wait_on(bench.engine.container_pause(&id)).unwrap_err();
    assert_eq!(twice.message, format!("Container {id} is already paused"));
    bench.wait_on(bench.engine.container_unpause(&id)).unwrap();
    bench.wait_on(bench.engine.container_pause(&id)).unwrap();
    bench.wait_on(bench.engine.container_kill(&id, "KILL")).unwrap();
    let state = bench.inspect(&id).state;
    assert_eq!((state.status.as_str(), state.exit_code), ("exited", 137));
}

fn a_hungry_container_is_shot(bench: &Bench) {
    let mut wanted = request(&["sh", "-c", "dd if=/dev/zero of=/dev/shm/x bs=1M count=60"]);
    wanted.host_config.as_mut().unwrap().memory = 16 << 20;
    wanted.config.cmd = Some(
        vec!["dd".into(), "if=/dev/zero".into(), "of=/dev/shm/x".into(), "bs=1M".into(), "count=60".into()]
            .into(),
    );
    let id = bench.create_with("", wanted).unwrap();
    bench.start(&id);
    assert_eq!(bench.wait(&id), 137);
    assert!(bench.inspect(&id).state.oom_killed);
}

fn names_are_unique_and_change(bench: &Bench) {
    let first = bench.create_with("one", request(&["true"])).unwrap();
    let taken = bench.create_with("one", request(&["true"])).unwrap_err();
    assert_eq!(taken.kind, Kind::Conflict);
    assert!(taken.message.contains(&first));
    bench.wait_on(bench.engine.container_rename("one", "two")).unwrap();
    assert_eq!(bench.inspect("two").id, first);
    bench.create_with("one", request(&["true"])).unwrap();
    let random = bench.create(&["true"]);
    let name = bench.inspect(&random).name;
    assert!(name.starts_with('/') && name.contains('_'), "{name}");
}

fn top_lists_the_processes(bench: &Bench) {
    let id = bench.run(&["sh", "-c", "sleep 77 & wait"]);
    testing::wait::eventually("both processes", || {
        let top = bench.wait_on(bench.engine.container_top(&id, "")).unwrap();
        top.titles.len() == 8
            && top.processes.iter().any(|row| row[7] == "sleep 77")
            && top.processes.len() == 2
    });
}
