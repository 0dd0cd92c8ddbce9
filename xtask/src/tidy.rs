//! `tidy`: the house rules that a program can judge.
//!
//! Arrows between crates point down, and inside a layer follow its order; files open with a comment; `unsafe` stays in `sys`; no
//! dumping-ground names; paths named in traces and the README exist; decisions are numbered; each fault point is in the list.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::project;

/// From the lowest to the highest.
pub(crate) const LAYERS: [&str; 5] = ["language", "kernel", "stores", "services", "faces"];

/// The order inside a layer; a crate may use those before it. What is not listed comes last and alone.
const ORDER: &[(&str, &[&str])] = &[
    (
        "language",
        &["units", "reference", "oci-spec", "engine-api", "log-format", "flags", "template", "build-info"],
    ),
    ("kernel", &["sys", "mount", "cgroup", "netlink", "network", "runtime", "container", "shim"]),
    ("stores", &["db", "images", "volumes", "logs"]),
    ("services", &["engine"]),
    ("faces", &["api", "client", "cli", "daemon", "oci"]),
];

const DUMPING_GROUNDS: [&str; 8] = ["util", "utils", "helper", "helpers", "common", "misc", "stuff", "mod"];

pub(crate) fn run(_: &[String]) -> Result<()> {
    let mut complaints = arrows()?;
    for file in sources()? {
        complaints.extend(judge_file(&file)?);
    }
    complaints.extend(named_paths("docs/traces")?);
    complaints.extend(decisions()?);
    complaints.extend(fault_points()?);
    if complaints.is_empty() {
        return Ok(());
    }
    bail!("the house rules are broken:\n  {}", complaints.join("\n  "));
}

/// Compares each dependency between our crates with their layers.
fn arrows() -> Result<Vec<String>> {
    let output = project::command("cargo", &["metadata", "--format-version", "1", "--no-deps"]).output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
    let rank_of: BTreeMap<&str, (usize, usize)> = packages.iter().filter_map(rank).collect();
    let mut complaints = Vec::new();
    for package in &packages {
        let Some(name) = package["name"].as_str() else { continue };
        let Some(own) = rank_of.get(name) else { continue };
        for dependency in
            package["dependencies"].as_array().into_iter().flatten().filter(|one| one["kind"].is_null())
        {
            let Some(other) = dependency["name"].as_str() else { continue };
            if rank_of.get(other).is_some_and(|below| below >= own) {
                complaints.push(format!("{name} → {other}: this arrow points up"));
            }
        }
    }
    Ok(complaints)
}

/// A crate's layer and place in it; nothing for the binary, tests and xtask, which may use all.
fn rank(package: &Value) -> Option<(&str, (usize, usize))> {
    let name = package["name"].as_str()?;
    let manifest = Path::new(package["manifest_path"].as_str()?);
    let layer = manifest.parent()?.parent()?.file_name()?.to_str()?;
    let at = LAYERS.iter().position(|known| *known == layer)?;
    let order = ORDER.iter().find(|(known, _)| *known == layer).map(|(_, order)| *order)?;
    Some((name, (at, order.iter().position(|known| *known == name).unwrap_or(order.len()))))
}

/// Every Rust file that git knows or would add.
fn sources() -> Result<Vec<PathBuf>> {
    let output = project::command("git", &["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"])
        .output()?;
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(names.lines().map(PathBuf::from).filter(|path| project::root().join(path).exists()).collect())
}

fn judge_file(path: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(project::root().join(path))?;
    let shown = path.display();
    let mut complaints = Vec::new();
    if !text.starts_with("//!") {
        complaints.push(format!("{shown}: does not open with its purpose (//! …)"));
    }
    let is_dump = |part: &std::ffi::OsStr| {
        DUMPING_GROUNDS.iter().any(|name| Path::new(part).file_stem().is_some_and(|stem| stem == *name))
    };
    if path.iter().any(is_dump) {
        complaints.push(format!("{shown}: a name that says nothing"));
    }
    // Put together, so that this file does not find itself.
    let note = ["// ", "SAFETY"].concat();
    if text.contains(&note) && !path.starts_with("crates/kernel/sys") {
        complaints.push(format!("{shown}: unsafe code belongs into crates/kernel/sys"));
    }
    // A test that waits for time to pass is slow on a good day and wrong on a bad one.
    let is_test = path.iter().any(|part| part == "tests") || path.starts_with("crates/testing");
    if is_test && text.contains(&["thread::", "sleep("].concat()) {
        complaints.push(format!("{shown}: sleeps; wait for an event with a deadline (testing::wait)"));
    }
    Ok(complaints)
}

/// Paths in back quotes that look like ours must exist.
fn named_paths(folder: &str) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    let traces = fs::read_dir(project::root().join(folder))
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .map(|entry| entry.path());
    for document in traces.chain([project::root().join("README.md")]) {
        let text = fs::read_to_string(&document)?;
        for name in text
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|name| name.starts_with("crates/") || name.starts_with("bin/"))
        {
            let path = name.split(['*', ' ', ':']).next().unwrap_or(name);
            if !project::root().join(path).exists() {
                complaints.push(format!("{}: {path} does not exist", document.display()));
            }
        }
    }
    Ok(complaints)
}

fn decisions() -> Result<Vec<String>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(project::root().join("docs/decisions"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        match name.get(..3).and_then(|number| number.parse::<u32>().ok()) {
            Some(number) => numbers.push(number),
            None => return Ok(vec![format!("docs/decisions/{name}: begins with no number")]),
        }
    }
    numbers.sort_unstable();
    let expected: Vec<u32> = (1..).take(numbers.len()).collect();
    Ok(if numbers == expected {
        vec![]
    } else {
        vec![format!("docs/decisions: numbers {numbers:?} have a gap or stand twice")]
    })
}

/// Each `fault::point("name")` stands in the list that the tests walk.
fn fault_points() -> Result<Vec<String>> {
    let engine = project::root().join("crates/services/engine/src");
    let list = fs::read_to_string(engine.join("fault.rs"))?;
    let mut complaints = Vec::new();
    for path in sources()?.into_iter().filter(|path| path.starts_with("crates/services/engine/src")) {
        let text = fs::read_to_string(project::root().join(&path))?;
        for point in text.split("fault::point(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            if !list.contains(&format!("\"{point}\",")) {
                complaints.push(format!("{}: fault point {point} is not in the list", path.display()));
            }
        }
    }
    Ok(complaints)
}
