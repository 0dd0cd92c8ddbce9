//! `faults`: the walk of the fault points, random kills, full disks and leaks, alone.

use anyhow::Result;

use crate::{project, setup};

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    setup::run(&[])?;
    project::run("cargo", &["build", "--package", "gantry", "--features", "gantry/faults"])?;
    let mut words =
        vec!["test", "--package", "gantry", "--features", "gantry/faults", "--test", "faults", "--"];
    words.extend(arguments.iter().map(String::as_str));
    project::run("cargo", &words)
}
