//! `fuzz [CASES]`: the property tests of every parser with many more cases than a test run has; a million by default.

use anyhow::Result;

use crate::project;
use crate::test::{Count, run_counted};

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    counted(&["--release"], arguments.first().map_or("1000000", String::as_str))?.1
}

/// Runs them, and counts the tests.
pub(crate) fn counted(profile: &[&str], cases: &str) -> Result<(Count, Result<()>)> {
    let mut tests = project::command("cargo", &[&["test", "--workspace", "--lib"], profile].concat());
    run_counted(tests.env("PROPTEST_CASES", cases).env("PROPTEST_MAX_SHRINK_ITERS", "10000"))
}
