//! `bench [ARGUMENTS]`: the release build beside its peers, where the benchmark is present next to the checkout.

use anyhow::{Context, Result};

use crate::project;

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let compare =
        project::shared("bench/compare.py").context("there is no ../shared/bench beside this checkout")?;
    project::run("cargo", &["build", "--release", "--package", "gantry"])?;
    let mut words = vec![compare.to_string_lossy().into_owned()];
    words.extend(arguments.iter().cloned());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    project::run("python3", &words)
}
