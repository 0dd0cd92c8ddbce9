//! Picks the role from `argv[0]` or the first word and hands over; no logic.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let called = words.next().unwrap_or_default();
    let called = std::path::Path::new(&called).file_name().unwrap_or_default();
    // First of all: a supervisor must not pay for what only the others need.
    if called == "gantry-shim" {
        return shim::main(std::env::args_os());
    }
    // Nor must a container that is started this way, and started often.
    if called == "runc" {
        return oci::main(std::env::args_os());
    }
    let second = std::env::args_os().nth(1);
    if second.is_some_and(|word| word == "runtime") {
        return oci::main(std::env::args_os().skip(1));
    }
    let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    match (called.to_str(), words.first().map(String::as_str)) {
        (Some("dockerd"), _) => daemon::main(daemon::Name::Dockerd, words),
        (Some("docker"), _) => cli::main(cli::Program::Docker, words),
        (_, Some("daemon")) => daemon::main(daemon::Name::Gantry, words[1..].to_vec()),
        _ => cli::main(cli::Program::Gantry, words),
    }
}
