//! Containers outlive the engine: it is killed, and what the next one finds is true.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

use engine::Engine;
use engine_api::container::RestartPolicy;
use engine_api::version::MAX;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::Case;
use crate::bench::{Bench, config, import_busybox, request, runtime};

pub(crate) const CASES: &[Case] = &[
    ("a_killed_engine_leaves_the_truth_behind", a_killed_engine_leaves_the_truth_behind),
    ("a_killed_supervisor_takes_its_container_along", a_killed_supervisor_takes_its_container_along),
    (
        "a_supervisor_killed_without_an_engine_leaves_nothing",
        a_supervisor_killed_without_an_engine_leaves_nothing,
    ),
];

/// The daemon that will be killed: starts containers and waits.
pub(crate) fn play_victim(folder: &Path) -> ExitCode {
    runtime().block_on(async {
        let engine = Engine::open(config(folder)).await.unwrap();
        let containers = [
            ("lives", vec!["sh", "-c", "while :; do date; sleep 0.05; done"], "no", false),
            ("ends", vec!["sh", "-c", "sleep 0.7; exit 9"], "no", false),
            ("returns", vec!["sh", "-c", "sleep 0.7; exit 9"], "always", false),
            ("vanishes", vec!["sleep", "0.7"], "no", true),
        ];
        for (name, command, policy, auto_remove) in containers {
            let mut wanted = request(&command);
            let host = wanted.host_config.as_mut().unwrap();
            host.restart_policy = RestartPolicy { name: policy.to_owned(), maximum_retry_count: 0 };
            host.auto_remove = auto_remove;
            let options =
                engine::CreateOptions { name: name.to_owned(), platform: String::new(), version: MAX };
            let id = engine.container_create(options, wanted).await.unwrap().id;
            engine.container_start(&id).await.unwrap();
        }
        println!("ready");
        std::future::pending::<()>().await;
    });
    ExitCode::SUCCESS
}

fn start_victim(folder: &Path) -> Child {
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .arg("victim")
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(victim.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    victim
}

fn a_killed_engine_leaves_the_truth_behind(bench: &Bench) {
    let folder = tempfile::tempdir().unwrap();
    import_busybox(folder.path());
    let mut victim = start_victim(folder.path());
    victim.kill().unwrap();
    victim.wait().unwrap();
    std::fs::create_dir(folder.path().join("data/containers").join("f".repeat(64))).unwrap();
    let exec = folder.path().join("exec/containers");
    testing::wait::eventually("three containers to end", || {
        let ended = std::fs::read_dir(&exec)
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().path().join("exit.json").exists());
        ended.count() == 3
    });

    let runtime = runtime();
    let engine = runtime.block_on(Engine::open(config(folder.path()))).unwrap();
    let bench = Bench::with(runtime, engine, folder, bench);
    let lives = bench.inspect("lives");
    assert!(lives.state.running && lives.state.pid > 0);
    let ends = bench.inspect("ends");
    assert_eq!((ends.state.status.as_str(), ends.state.exit_code), ("exited", 9));
    assert_eq!(bench.wait("ends"), 9);
    testing::wait::eventually("the policy to bring it back", || bench.inspect("returns").state.running);
    testing::wait::eventually("AutoRemove", || {
        bench.wait_on(bench.engine.container_inspect("vanishes", engine::Size::Omitted)).is_err()
    });
    let before = bench.output("lives").lines().count();
    testing::wait::eventually("more output", || bench.output("lives").lines().count() > before + 3);
    bench.wait_on(bench.engine.container_kill("lives", "")).unwrap();
    assert_eq!(bench.inspect("lives").state.exit_code, 137);
    bench.finish();
}

/// The supervisor of a container, as the file beside it says.
fn supervisor(folder: &Path, id: &str) -> Pid {
    let file = config(folder).exec_root.join("containers").join(id).join("state.json");
    let mut number = None;
    testing::wait::eventually("the supervisor to write itself down", || {
        let state = std::fs::read(&file).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        number = state.and_then(|state| i32::try_from(state["shim"].as_i64()?).ok());
        number.is_some()
    });
    Pid::from_raw(number.unwrap()).unwrap()
}

/// Processes in the group of a container.
fn processes(id: &str) -> Vec<u32> {
    let layout = cgroup::Layout::detect().unwrap();
    cgroup::Group::at(&layout, &Path::new("/docker").join(id)).unwrap().pids().unwrap()
}

/// Whether a process does something still; one that is only waited for does not.
fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn a_killed_supervisor_takes_its_container_along(bench: &Bench) {
    let script = "sleep 600 & setsid sleep 601 & echo up; wait";
    let mut wanted = request(&["sh", "-c", script]);
    let host = wanted.host_config.as_mut().unwrap();
    // The host's processes are the container's: its first process takes none along when it ends.
    host.pid_mode = "host".to_owned();
    host.restart_policy = RestartPolicy { name: "always".to_owned(), maximum_retry_count: 0 };
    let id = bench.create_with("", wanted).unwrap();
    bench.start(&id);
    testing::wait::eventually("three processes", || processes(&id).len() == 3);
    let first = processes(&id);
    kill_process(supervisor(bench.folder(), &id), Signal::KILL).unwrap();
    testing::wait::eventually("the policy to bring it back", || {
        let state = bench.inspect(&id);
        state.restart_count == 1 && state.state.running
    });
    let survivors: Vec<_> = first.iter().filter(|pid| is_alive(**pid)).collect();
    assert!(survivors.is_empty(), "{survivors:?} of {first:?}");
    testing::wait::eventually("three processes again", || processes(&id).len() == 3);
    bench.remove(&id, true).unwrap();
}

fn a_supervisor_killed_without_an_engine_leaves_nothing(bench: &Bench) {
    let folder = tempfile::tempdir().unwrap();
    import_busybox(folder.path());
    let mut victim = start_victim(folder.path());
    victim.kill().unwrap();
    victim.wait().unwrap();
    let containers = config(folder.path()).exec_root.join("containers");
    let ids = std::fs::read_dir(&containers).unwrap();
    let ids: Vec<_> = ids.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    testing::wait::eventually("all but one to end", || {
        ids.iter().filter(|id| !containers.join(id).join("exit.json").exists()).count() == 1
    });
    let lives = ids.iter().find(|id| !containers.join(id).join("exit.json").exists()).unwrap();
    let before = processes(lives);
    assert!(!before.is_empty());
    kill_process(supervisor(folder.path(), lives), Signal::KILL).unwrap();

    let runtime = runtime();
    let engine = runtime.block_on(Engine::open(config(folder.path()))).unwrap();
    let survivors: Vec<_> = before.iter().filter(|pid| is_alive(**pid)).collect();
    assert!(survivors.is_empty(), "{survivors:?} of {before:?}");
    assert!(processes(lives).is_empty());
    let bench = Bench::with(runtime, engine, folder, bench);
    let state = bench.inspect("lives").state;
    assert_eq!((state.status.as_str(), state.exit_code), ("exited", 255));
    testing::wait::eventually("AutoRemove", || {
        bench.wait_on(bench.engine.container_inspect("vanishes", engine::Size::Omitted)).is_err()
    });
    bench.finish();
}
