//! `test`: sets up what is missing, builds, and runs the tests. CI runs this word and nothing else.
//!
//! ```text
//! --fast    pure logic: the tests inside the crates
//! --kernel  also real namespaces, mounts, rules, processes
//! (none)    also the whole engine: acceptance rows, compatibility, faults
//! --full    the same with more and longer runs; what the virtual machine would show is counted there
//! ```

use std::time::Instant;

use anyhow::{Result, bail};

use crate::{project, setup};

/// The feature puts fault points into the binary under test; without it they are empty.
const FEATURES: [&str; 2] = ["--features", "gantry/faults"];

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let begun = Instant::now();
    setup::run(&[])?;
    // Tests start the built binary, so it comes first.
    project::run("cargo", &["build", "--package", "gantry", FEATURES[0], FEATURES[1]])?;
    let selection: &[&str] = match arguments.first().map(String::as_str) {
        None | Some("--full") => &["--workspace"],
        Some("--fast") => &["--workspace", "--lib"],
        Some("--kernel") => &["--workspace", "--exclude", "gantry"],
        Some("--vm") => {
            bail!("the virtual machine comes with the runtime's own suite; nothing here needs it")
        }
        Some(other) => bail!("unknown: {other}; one of --fast, --kernel, --full"),
    };
    let is_full = arguments.first().is_some_and(|word| word == "--full");
    let runner: &[&str] = match project::has_cargo("nextest") {
        true => &["nextest", "run", "--no-fail-fast"],
        false => &["test", "--no-fail-fast", "--tests", "--bins", "--lib"],
    };
    let words = [runner, selection, &FEATURES].concat();
    println!("$ cargo {}", words.join(" "));
    let mut tests = project::command("cargo", &words);
    if is_full {
        tests.env("GANTRY_KILLS", "200");
    }
    project::finish(&mut tests)?;
    println!("tests took {} s", begun.elapsed().as_secs());
    Ok(())
}
