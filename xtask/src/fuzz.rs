//! `fuzz [CASES]`: the property tests of every parser with many more cases than a test run has; a million by default.

use anyhow::Result;

use crate::project;

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let cases = arguments.first().map_or("1000000", String::as_str);
    let mut tests = project::command("cargo", &["test", "--release", "--workspace", "--lib"]);
    project::finish(tests.env("PROPTEST_CASES", cases).env("PROPTEST_MAX_SHRINK_ITERS", "10000"))
}
