//! `new-crate <layer>/<name>`: a crate in its place, with the sentence to fill in.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::{project, tidy};

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let place = arguments.first().context("usage: cargo xtask new-crate <layer>/<name>")?;
    let (layer, name) = place.split_once('/').context("the place is <layer>/<name>")?;
    if !tidy::LAYERS.contains(&layer) {
        bail!("no such layer: {layer}; one of {}", tidy::LAYERS.join(", "));
    }
    let folder = project::root().join("crates").join(layer).join(name);
    if folder.exists() {
        bail!("{place} is there already");
    }
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("src/lib.rs"), "//! What it is; what it must not know.\n")?;
    fs::write(folder.join("Cargo.toml"), manifest(name))?;
    println!(
        "{place}: write its sentence into lib.rs, Cargo.toml and docs/architecture.md, and add it to the workspace's dependencies"
    );
    Ok(())
}

fn manifest(name: &str) -> String {
    let inherited = ["version", "edition", "rust-version", "license"]
        .map(|key| format!("{key}.workspace = true\n"))
        .concat();
    format!(
        "[package]\nname = \"{name}\"\ndescription = \"\"\n{inherited}publish = false\n\n[dependencies]\n\n[lints]\nworkspace = true\n"
    )
}
