//! The engine with real containers, in mount and network namespaces of its own. Needs root.
//!
//! The binary plays three roles: the test itself, the supervisor of containers (`gantry-shim`), and a daemon that
//! is killed while its containers run (`victim`).

#![allow(clippy::disallowed_methods, reason = "the test starts itself in namespaces of its own")]
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, reason = "this is a test")]

mod bench;
mod containers;
mod daemon_restart;
mod execs;
mod speed;
mod streams;

use std::path::Path;
use std::process::{Command, ExitCode};

use bench::Bench;

/// A test by name.
type Case = (&'static str, fn(&Bench));

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if Path::new(&arguments[0]).file_name().is_some_and(|name| name == shim::ROLE) {
        return shim::main(std::env::args_os());
    }
    match arguments.get(1).map(String::as_str) {
        Some("victim") => daemon_restart::play_victim(Path::new(&arguments[2])),
        Some("inside") => run(arguments.get(2).map_or("", String::as_str)),
        Some("--list") => list(),
        _ => enter_namespaces(&arguments),
    }
}

fn cases() -> Vec<Case> {
    [containers::CASES, execs::CASES, streams::CASES, daemon_restart::CASES, speed::CASES].concat()
}

/// What test runners ask for.
fn list() -> ExitCode {
    cases().iter().for_each(|(name, _)| println!("{name}: test"));
    ExitCode::SUCCESS
}

fn enter_namespaces(arguments: &[String]) -> ExitCode {
    let wanted = arguments.iter().skip(1).find(|word| !word.starts_with('-')).cloned().unwrap_or_default();
    let own = std::env::current_exe().expect("this program has a file");
    let status = Command::new("unshare")
        .args(["--mount", "--net", "--propagation", "private"])
        .arg(own)
        .args(["inside", &wanted])
        .status()
        .expect("util-linux is installed");
    if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(wanted: &str) -> ExitCode {
    let mut failed = 0;
    for (name, case) in cases().into_iter().filter(|(name, _)| name.contains(wanted)) {
        let began = std::time::Instant::now();
        let outcome = std::panic::catch_unwind(|| {
            let bench = Bench::new();
            case(&bench);
            bench.finish();
        });
        let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
        failed += usize::from(outcome.is_err());
        println!("test {name} ... {verdict} ({} ms)", began.elapsed().as_millis());
    }
    println!("{failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
