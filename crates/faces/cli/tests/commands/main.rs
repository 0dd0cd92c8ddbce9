//! Whole commands against an engine that answers from a script: what is shown, and with which exit code.
//!
//! The test binary runs itself again as the program: what a test sees is what a user sees.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod engine;
mod lists;
mod processes;
mod transfers;

use engine::Engine;
use std::io::Write as _;
use std::process::{Command, Stdio};

const WORDS: &str = "GANTRY_TEST_WORDS";
/// Parts the test harness's own output from the program's.
const MARK: char = '\u{1}';

/// What a command did.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    error: String,
}

impl Ran {
    /// The page of a manual: stdout, stderr, exit code.
    fn page(&self) -> String {
        format!("{}--\n{}== {}\n", self.out, self.error, self.code)
    }
}

/// Runs `line` as `docker` or `gantry` (its first word) against `engine`, with `input` on stdin.
fn run_with(engine: &Engine, line: &str, input: &[u8]) -> Ran {
    #[expect(clippy::disallowed_methods, reason = "the test starts itself as the program")]
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "acts_as_the_program", "--nocapture", "--test-threads=1"])
        .env(WORDS, line)
        .env("DOCKER_HOST", engine.address())
        .env("DOCKER_CONFIG", engine.folder())
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A program that reads no input may be gone already.
    let _ = stdin.write_all(input);
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    Ran {
        code: output.status.code().unwrap(),
        out: out.split_once(MARK).map_or(String::new(), |(_, own)| own.to_owned()),
        error: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn run(engine: &Engine, line: &str) -> Ran {
    run_with(engine, line, b"")
}

#[test]
fn acts_as_the_program() {
    let Ok(line) = std::env::var(WORDS) else { return };
    print!("{MARK}");
    std::io::stdout().flush().unwrap();
    let mut words = line.split('|').map(str::to_owned);
    let program = cli::Program::from_argument(&words.next().unwrap());
    let code = cli::main(program, words.collect());
    // ExitCode tells its number to the system alone.
    let number = (0..=255_u8).find(|number| std::process::ExitCode::from(*number) == code).unwrap();
    std::process::exit(i32::from(number));
}
