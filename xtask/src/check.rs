//! `check`: what can be judged without running the product, cheapest first.

use anyhow::Result;

use crate::{project, tidy};

pub(crate) fn run(_: &[String]) -> Result<()> {
    project::run("cargo", &["fmt", "--all", "--check"])?;
    tidy::run(&[])?;
    if project::has("cargo-deny") {
        project::run("cargo", &["deny", "--offline", "check", "bans", "licenses", "sources"])?;
    } else {
        println!("cargo-deny is not installed: deny.toml was not checked (cargo install cargo-deny)");
    }
    clippy()?;
    let mut docs = project::command(
        "cargo",
        &["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"],
    );
    project::finish(docs.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links -C target-feature=+crt-static -C relocation-model=static"))
}

/// All targets, with the fault points in.
pub(crate) fn clippy() -> Result<()> {
    project::run(
        "cargo",
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--features",
            "gantry/faults",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ],
    )
}
