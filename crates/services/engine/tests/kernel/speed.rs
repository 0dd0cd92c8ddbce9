//! How long the verbs take; printed, and bounded loosely, since tests run on busy machines.

use std::time::{Duration, Instant};

use engine_api::exec::ExecStartRequest;

use crate::Case;
use crate::bench::{Bench, request};

pub(crate) const CASES: &[Case] = &[("a_run_takes_a_few_milliseconds", a_run_takes_a_few_milliseconds)];

const ROUNDS: usize = 20;

fn a_run_takes_a_few_milliseconds(bench: &Bench) {
    let mut phases = vec![vec![]; 5];
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let id = bench.create(&["true"]);
        let created = Instant::now();
        bench.start(&id);
        let started = Instant::now();
        bench.wait(&id);
        let ended = Instant::now();
        bench.remove(&id, false).unwrap();
        let removed = Instant::now();
        let times = [created - began, started - created, ended - started, removed - ended, removed - began];
        phases.iter_mut().zip(times).for_each(|(phase, time)| phase.push(time));
    }
    let names = ["create", "start", "wait", "remove", "all"];
    for (name, times) in names.iter().zip(&mut phases) {
        println!("  {name:8} median {:?}", median(times));
    }
    let mut execs = vec![];
    let id = bench.create_with("", request(&["sleep", "100"])).unwrap();
    bench.start(&id);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let wish =
            engine_api::exec::ExecCreateRequest { cmd: Some(vec!["true".to_owned()]), ..Default::default() };
        bench.wait_on(async {
            let exec = bench.engine.exec_create(&id, wish).await.unwrap().id;
            bench
                .engine
                .exec_start(&exec, ExecStartRequest::default())
                .await
                .unwrap()
                .detach()
                .await
                .unwrap();
        });
        execs.push(began.elapsed());
    }
    println!("  exec     median {:?}", median(&mut execs));
    let began = Instant::now();
    bench.remove(&id, true).unwrap();
    println!("  rm -f    {:?}", began.elapsed());
    assert!(median(&mut phases[4]) < Duration::from_millis(200));
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}
