//! Measures the system call filter: `cargo run --release -p runtime --example filter`.
//!
//! Compiles Docker's default profile again and again, and installs it in a fresh thread each time; prints medians.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::thread;
use std::time::{Duration, Instant};

use runtime::seccomp::{Host, Profile, Program, compile};

fn main() {
    let capabilities = ["CAP_CHOWN".to_owned()];
    let profile = Profile::docker_default().unwrap();
    let seccomp = profile.resolve(&Host::here(&capabilities)).unwrap();
    let first = Instant::now();
    let program = compile(&seccomp).unwrap();
    println!("{} instructions, compiled first in {:?}", program.len(), first.elapsed());
    println!("compiled in {:?}", median(|| drop(compile(&seccomp).unwrap())));
    sys::credentials::set_no_new_privileges().unwrap();
    let mut installs: Vec<_> = (0..200).map(|_| install(program.clone())).collect();
    installs.sort();
    println!("installed in {:?}", installs[installs.len() / 2]);
}

fn median(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<_> = (0..200)
        .map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

/// The filter stays with the thread, and goes with it.
fn install(program: Program) -> Duration {
    let installing = move || {
        let begun = Instant::now();
        program.install().unwrap();
        begun.elapsed()
    };
    thread::spawn(installing).join().unwrap()
}
