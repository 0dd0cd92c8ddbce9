//! `test`: sets up what is missing, builds, and runs the tests. CI runs this word and nothing else.
//!
//! ```text
//! --fast    pure logic: the tests inside the crates
//! --kernel  also real namespaces, mounts, rules, processes
//! (none)    also the whole engine: acceptance rows, compatibility, faults
//! --full    the same with more and longer runs, and a report of it: docs/reports/full.md
//! --vm      what needs cgroup v2, AppArmor or systemd, in a virtual machine
//! ```

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Result, anyhow, bail};

use crate::{fuzz, project, report, setup, vm};

/// The feature puts fault points into the binary under test; without it they are empty.
const FEATURES: [&str; 2] = ["--features", "gantry/faults"];

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let word = arguments.first().map(String::as_str);
    let selection: &[&str] = match word {
        None | Some("--full") => &["--workspace"],
        Some("--fast") => &["--workspace", "--lib"],
        Some("--kernel") => &["--workspace", "--exclude", "gantry"],
        Some("--vm") => &[],
        Some(other) => bail!("unknown: {other}; one of --fast, --kernel, --full, --vm"),
    };
    setup::run(&[])?;
    // Tests start the built binary, so it comes first.
    project::run("cargo", &["build", "--package", "gantry", FEATURES[0], FEATURES[1]])?;
    if word == Some("--full") {
        return full();
    }
    let part = match word {
        Some("--vm") => Part::of("the virtual machine", vm::run)?,
        _ => Part::of("tests", || tests(selection, &[]))?,
    };
    println!("tests took {} s", part.seconds);
    println!("{} passed, {} failed", part.count.passed, part.count.failed);
    part.outcome
}

/// Everything, and a report of it. A part that fails does not keep the next from running.
fn full() -> Result<()> {
    let parts = [
        Part::of("tests, with 500 kills at random moments", || {
            tests(&["--workspace"], &[("GANTRY_KILLS", "500")])
        })?,
        Part::of("the virtual machine: cgroup v2 with AppArmor, and systemd", vm::run)?,
        Part::of("property tests with 10,000 cases each", || fuzz::counted(&[], "10000"))?,
    ];
    report::write(&parts)?;
    parts.into_iter().try_for_each(|part| part.outcome)
}

/// One part of a run, and how it ended.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) count: Count,
    pub(crate) seconds: u64,
    pub(crate) outcome: Result<()>,
}

impl Part {
    fn of(name: &'static str, run: impl FnOnce() -> Result<(Count, Result<()>)>) -> Result<Self> {
        let begun = Instant::now();
        let (count, outcome) = run()?;
        Ok(Self { name, count, seconds: begun.elapsed().as_secs(), outcome })
    }
}

fn tests(selection: &[&str], environment: &[(&str, &str)]) -> Result<(Count, Result<()>)> {
    let runner: &[&str] = match project::has_cargo("nextest") {
        true => &["nextest", "run", "--no-fail-fast"],
        false => &["test", "--no-fail-fast", "--tests", "--bins", "--lib"],
    };
    let words = [runner, selection, &FEATURES].concat();
    println!("$ cargo {}", words.join(" "));
    run_counted(project::command("cargo", &words).envs(environment.iter().copied()))
}

/// How many tests ended how.
#[derive(Default)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Count {
    /// Adds a line that a runner printed, if it is a summary.
    pub(crate) fn add_line(&mut self, line: &str) {
        // A test on a private host shows the summary of its inner run when it fails: indented or not, it says 1 failed.
        if line.starts_with("test result:") || line.trim_start().starts_with("Summary [") {
            self.add(line);
        }
    }

    /// Adds what a runner's summary says: libtest's for one binary, nextest's for all.
    fn add(&mut self, line: &str) {
        let number_before = |word: &str| {
            let before = line.split(word).next().filter(|before| before.len() < line.len())?;
            before.trim_end().rsplit(|letter: char| !letter.is_ascii_digit()).next()?.parse::<u64>().ok()
        };
        if line.contains("test result:") || line.contains("tests run:") {
            self.passed += number_before(" passed").unwrap_or(0);
            self.failed += number_before(" failed").unwrap_or(0) + number_before(" timed out").unwrap_or(0);
        }
    }
}

/// Runs the tests, shows what they print as they print it, and counts.
pub(crate) fn run_counted(tests: &mut Command) -> Result<(Count, Result<()>)> {
    // nextest speaks on standard error, libtest on standard output: both go through one pipe.
    let (reader, writer) = std::io::pipe()?;
    let mut child = tests.stdout(writer.try_clone()?).stderr(writer).spawn()?;
    // The command keeps its own copies of the pipe's end until it is told otherwise.
    tests.stdout(Stdio::null()).stderr(Stdio::null());
    let mut count = Count::default();
    for line in BufReader::new(reader).lines() {
        let line = line.unwrap_or_default();
        count.add_line(&line);
        println!("{line}");
    }
    let status = child.wait()?;
    let outcome = if status.success() { Ok(()) } else { Err(anyhow!("the tests ended with {status}")) };
    Ok((count, outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_runners_summaries_are_counted() {
        let mut count = Count::default();
        count.add("test result: FAILED. 7 passed; 2 failed; 0 ignored; 0 measured; 9 filtered out; finished in 63.17s");
        count.add(
            "     Summary [  65.041s] 300 tests run: 295 passed (1 slow), 4 failed, 1 timed out, 2 skipped",
        );
        assert_eq!((count.passed, count.failed), (302, 7));
    }
}
