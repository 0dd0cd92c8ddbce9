//! `acceptance [--area RUN]`: every row of the inventory through both command lines, and the table of it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

use crate::{project, setup};

/// The folder in which rows note how they ended; the harness reads this variable.
const REPORT: &str = "GANTRY_ROW_REPORT";
const FACES: [&str; 2] = ["docker", "gantry"];

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let area = match arguments {
        [] => None,
        [flag, area] if flag == "--area" => Some(area.as_str()),
        _ => bail!("usage: cargo xtask acceptance [--area RUN]"),
    };
    setup::run(&[])?;
    project::run("cargo", &["build", "--package", "gantry", "--features", "gantry/faults"])?;
    let report = project::root().join("target/acceptance");
    let _ = fs::remove_dir_all(&report);
    fs::create_dir_all(&report)?;
    let base = [
        "nextest",
        "run",
        "--no-fail-fast",
        "--package",
        "gantry",
        "--features",
        "gantry/faults",
        "--test",
        "acceptance",
    ];
    let plain = [
        "test",
        "--no-fail-fast",
        "--package",
        "gantry",
        "--features",
        "gantry/faults",
        "--test",
        "acceptance",
    ];
    let words: &[&str] = if project::has_cargo("nextest") { &base } else { &plain };
    let mut rows = project::command("cargo", words);
    let outcome = project::finish(rows.env(REPORT, &report));
    let table = read(&report, area)?;
    print!("{}", lines(&table));
    if area.is_none() {
        fs::write(project::root().join("docs/coverage.md"), document(&table))?;
    }
    outcome
}

/// Row to the outcome through each face.
type Table = BTreeMap<String, BTreeMap<String, String>>;

fn read(report: &Path, area: Option<&str>) -> Result<Table> {
    let mut table = Table::new();
    for entry in fs::read_dir(report)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((row, face)) = name.rsplit_once('.') else { continue };
        if area.is_some_and(|area| !row.starts_with(&format!("{area}-"))) {
            continue;
        }
        let text = fs::read_to_string(entry.path())?;
        let outcome = text.lines().next().unwrap_or("red").to_owned();
        table.entry(row.to_owned()).or_default().insert(face.to_owned(), outcome);
    }
    Ok(table)
}

fn outcome<'a>(faces: &'a BTreeMap<String, String>, face: &str) -> &'a str {
    faces.get(face).map_or("missing", String::as_str)
}

fn lines(table: &Table) -> String {
    let mut out = String::new();
    for (row, faces) in table {
        let _ = writeln!(
            out,
            "{row:<10} docker: {:<8} gantry: {}",
            outcome(faces, FACES[0]),
            outcome(faces, FACES[1])
        );
    }
    let _ = writeln!(out, "{}", counts(table));
    out
}

fn counts(table: &Table) -> String {
    let count = |wanted: &str| {
        let all = |faces: &&BTreeMap<String, String>| FACES.iter().all(|face| outcome(faces, face) == wanted);
        table.values().filter(all).count()
    };
    let (green, skipped) = (count("green"), count("skipped"));
    format!(
        "{} rows: {green} green through both clients, {skipped} skipped, {} red",
        table.len(),
        table.len() - green - skipped
    )
}

fn document(table: &Table) -> String {
    let mut out = format!(
        "# Acceptance, row by row\n\nWritten by `cargo xtask acceptance`. {}.\n\n| row | docker | gantry |\n|---|---|---|\n",
        counts(table)
    );
    for (row, faces) in table {
        let _ = writeln!(out, "| {row} | {} | {} |", outcome(faces, FACES[0]), outcome(faces, FACES[1]));
    }
    out
}
