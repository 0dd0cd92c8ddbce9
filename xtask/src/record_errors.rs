//! `record-errors`: what Docker 28.5 says to the wrong calls of `contracts/wrong-calls.txt`, stored as data.
//!
//! Run by hand; the tests compare Gantry with the committed record. The calls are made by the very test that
//! replays them, on a private host with Docker in Gantry's place, so that both see the same surroundings.

use anyhow::{Context, Result};

use crate::project;

const RECORD: &str = "contracts/docker-28.5-errors.json";

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let folder = arguments.first().context("name the folder with Docker's bin and sbin")?;
    let test = ["test", "-p", "gantry", "--test", "compat", "a_new_record_is_made"];
    let mut command = project::command("cargo", &test);
    command.env("GANTRY_REFERENCE", folder).env("GANTRY_RECORD_ERRORS", project::root().join(RECORD));
    project::finish(&mut command)?;
    println!("{RECORD}");
    Ok(())
}
