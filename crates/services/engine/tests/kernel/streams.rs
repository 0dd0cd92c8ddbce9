//! Attached clients: before the start, with input, and reading the log as it grows.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use engine::{AttachOptions, LogsOptions};

use crate::Case;
use crate::bench::{Bench, PATIENCE, request, unframe};

pub(crate) const CASES: &[Case] = &[
    (
        "a_client_that_attached_before_the_start_misses_nothing",
        a_client_that_attached_before_the_start_misses_nothing,
    ),
    ("a_start_waits_for_the_attach_that_came_before_it", a_start_waits_for_the_attach_that_came_before_it),
    (
        "a_start_does_not_wait_for_an_attach_that_was_given_up",
        a_start_does_not_wait_for_an_attach_that_was_given_up,
    ),
    ("input_reaches_the_process_and_its_end_does_too", input_reaches_the_process_and_its_end_does_too),
    ("a_follower_gets_the_last_line_and_then_the_end", a_follower_gets_the_last_line_and_then_the_end),
];

fn attach(bench: &Bench, id: &str, options: AttachOptions) -> UnixStream {
    let (ours, theirs) = UnixStream::pair().unwrap();
    bench.wait_on(async {
        let ticket = bench.engine.container_attach(id, options).await.unwrap();
        ticket.connect(theirs.into(), vec![]).await.unwrap();
    });
    ours.set_read_timeout(Some(PATIENCE)).unwrap();
    ours
}

fn output() -> AttachOptions {
    AttachOptions { stdout: true, stderr: true, stream: true, ..AttachOptions::default() }
}

fn a_client_that_attached_before_the_start_misses_nothing(bench: &Bench) {
    let id = bench.create(&["sh", "-c", "echo first; echo last"]);
    let mut client = attach(bench, &id, output());
    bench.start(&id);
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).unwrap();
    assert_eq!(unframe(&bytes), "first\nlast\n");
    let mut late = attach(bench, &id, AttachOptions { logs: true, stream: false, ..output() });
    let mut bytes = Vec::new();
    late.read_to_end(&mut bytes).unwrap();
    assert_eq!(unframe(&bytes), "first\nlast\n");
}

/// A client sends its start once it has read the head of the attach's answer; its socket is still on its way then.
fn a_start_waits_for_the_attach_that_came_before_it(bench: &Bench) {
    let id = bench.create(&["echo", "quick"]);
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(PATIENCE)).unwrap();
    bench.wait_on(async {
        let ticket = bench.engine.container_attach(&id, output()).await.unwrap();
        let connect = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            ticket.connect(theirs.into(), vec![]).await
        };
        let (started, connected) = tokio::join!(bench.engine.container_start(&id), connect);
        started.unwrap();
        connected.unwrap();
    });
    let mut bytes = Vec::new();
    ours.read_to_end(&mut bytes).unwrap();
    assert_eq!(unframe(&bytes), "quick\n");
}

fn a_start_does_not_wait_for_an_attach_that_was_given_up(bench: &Bench) {
    let id = bench.create(&["true"]);
    bench.wait_on(async {
        drop(bench.engine.container_attach(&id, output()).await.unwrap());
        let begin = Instant::now();
        bench.engine.container_start(&id).await.unwrap();
        assert!(begin.elapsed() < Duration::from_millis(1500), "{:?}", begin.elapsed());
    });
    assert_eq!(bench.wait(&id), 0);
}

fn input_reaches_the_process_and_its_end_does_too(bench: &Bench) {
    let mut wanted = request(&["cat"]);
    wanted.config.open_stdin = true;
    wanted.config.stdin_once = true;
    let id = bench.create_with("", wanted).unwrap();
    let mut client = attach(bench, &id, AttachOptions { stdin: true, ..output() });
    bench.start(&id);
    client.write_all(b"echo me").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).unwrap();
    assert_eq!(unframe(&bytes), "echo me");
    assert_eq!(bench.wait(&id), 0);
}

fn a_follower_gets_the_last_line_and_then_the_end(bench: &Bench) {
    let id = bench.run(&["sh", "-c", "echo one; sleep 0.3; echo two; sleep 0.3; echo three"]);
    let options = LogsOptions { stdout: true, follow: true, ..LogsOptions::default() };
    let text = bench.wait_on(async {
        let mut stream = bench.engine.container_logs(&id, options).await.unwrap();
        let mut bytes = Vec::new();
        while let Some(block) = stream.next().await {
            bytes.extend(block.unwrap());
        }
        unframe(&bytes)
    });
    assert_eq!(text, "one\ntwo\nthree\n");
}
