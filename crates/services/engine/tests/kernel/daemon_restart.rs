//! Containers outlive the engine: it is killed, and what the next one finds is true.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

use engine::Engine;
use engine_api::container::RestartPolicy;
use engine_api::version::MAX;

use crate::Case;
use crate::bench::{Bench, config, import_busybox, request, runtime};

pub(crate) const CASES: &[Case] =
    &[("a_killed_engine_leaves_the_truth_behind", a_killed_engine_leaves_the_truth_behind)];

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
