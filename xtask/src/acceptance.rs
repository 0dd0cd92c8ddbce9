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
    let table = Table::read(&report, area)?;
    print!("{}", table.lines());
    if area.is_none() {
        fs::write(project::root().join("docs/coverage.md"), table.document())?;
    }
    outcome?;
    match table.count(Outcome::Red) {
        0 => Ok(()),
        red => bail!("{red} rows are red"),
    }
}

/// The pieces of work whose rows must be green; each later one adds its name here.
const DONE: [&str; 2] = ["main", "runtime"];

/// How a row ended through one client, or through both.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Green,
    Skipped,
    /// Failed, or never run: a missing test is red.
    Red,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Skipped => "skipped",
            Self::Red => "red",
        }
    }
}

/// A row of the inventory that is due.
struct Row {
    id: String,
    item: String,
    /// In the order of [`FACES`].
    outcomes: [Outcome; 2],
}

impl Row {
    fn outcome(&self) -> Outcome {
        let worst = |wanted| self.outcomes.contains(&wanted).then_some(wanted);
        worst(Outcome::Red).or_else(|| worst(Outcome::Skipped)).unwrap_or(Outcome::Green)
    }
}

/// All rows that are due, and how many each later piece of work has.
struct Table {
    rows: Vec<Row>,
    later: BTreeMap<String, usize>,
}

impl Table {
    /// Joins the inventory (`contracts/rows.tsv`: row, owner, item) with what the rows noted in `report`.
    fn read(report: &Path, area: Option<&str>) -> Result<Self> {
        let mut table = Self { rows: Vec::new(), later: BTreeMap::new() };
        let inventory = fs::read_to_string(project::root().join("contracts/rows.tsv"))?;
        for line in inventory.lines().skip(1) {
            let mut columns = line.splitn(3, '\t');
            let (Some(id), Some(owner), Some(item)) = (columns.next(), columns.next(), columns.next()) else {
                bail!("contracts/rows.tsv: {line}");
            };
            if area.is_some_and(|area| !id.starts_with(&format!("{area}-"))) {
                continue;
            }
            if DONE.contains(&owner) {
                let outcomes = FACES.map(|face| noted(&report.join(format!("{id}.{face}"))));
                table.rows.push(Row { id: id.to_owned(), item: item.to_owned(), outcomes });
            } else {
                *table.later.entry(owner.to_owned()).or_default() += 1;
            }
        }
        Ok(table)
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.rows.iter().filter(|row| row.outcome() == outcome).count()
    }

    fn counts(&self) -> String {
        let [green, skipped, red] =
            [Outcome::Green, Outcome::Skipped, Outcome::Red].map(|which| self.count(which));
        format!("{} rows: {green} green through both clients, {skipped} skipped, {red} red", self.rows.len())
    }

    fn lines(&self) -> String {
        let mut out = String::new();
        for row in &self.rows {
            let [docker, gantry] = row.outcomes.map(Outcome::name);
            let _ = writeln!(out, "{:<9} docker: {docker:<8} gantry: {gantry:<8} {}", row.id, row.item);
        }
        let _ = writeln!(out, "{}", self.counts());
        out
    }

    fn document(&self) -> String {
        let mut out = format!(
            "# Acceptance, row by row\n\nWritten by `cargo xtask acceptance`: each row of the inventory that is due, through the stock `docker` client and \
             through `gantry`.\n\n{}.\n\n| row | item | docker | gantry |\n|---|---|---|---|\n",
            self.counts()
        );
        for row in &self.rows {
            let [docker, gantry] = row.outcomes.map(Outcome::name);
            let _ = writeln!(out, "| {} | {} | {docker} | {gantry} |", row.id, row.item);
        }
        let later: Vec<String> = self.later.iter().map(|(owner, count)| format!("{owner} {count}")).collect();
        let _ = writeln!(out, "\nNot due yet, by piece of work: {}.", later.join(", "));
        out
    }
}

/// What a row noted through one client.
fn noted(note: &Path) -> Outcome {
    let text = fs::read_to_string(note).unwrap_or_default();
    match text.lines().next() {
        Some("green") => Outcome::Green,
        Some("skipped") => Outcome::Skipped,
        _ => Outcome::Red,
    }
}
