//! What a supervisor costs while nothing happens.

use shim::Framing;

use crate::ends::shim_pid;
use crate::harness::{Place, demultiplex, eventually, everything, launch, read_until, say};

/// Kilobytes of memory that only this process has, without pages of its file: those count as dirty and private as well
/// while a file that was just linked is not on the disk yet.
fn private_kilobytes(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let field = |name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    field("Anonymous:")
}

#[test]
fn an_idle_supervisor_has_little_memory_of_its_own_even_after_a_busy_time() {
    let place = Place::new();
    let mut plan = place.plan(&["cat"]);
    plan.stdin = shim::StdinWish::Open;
    let mut running = launch(&plan);
    let pid = shim_pid(&place);
    let settles = |limit| eventually("memory is let go", || private_kilobytes(pid) <= limit);
    settles(160);
    let mut client = running.attach(everything(Framing::Raw));
    for _ in 0..200 {
        say(&mut client, &format!("{}\n", "x".repeat(10_000)));
        read_until(&mut client, "\n");
    }
    for number in 0..5 {
        let mut exec = running.exec(&format!("e{number}"), place.process(&["echo", "x"]));
        demultiplex(&mut exec);
    }
    settles(160);
    running.signal(9);
    running.wait();
}
