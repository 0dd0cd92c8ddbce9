//! Asks git for the commit, where there is a git and a checkout; a source archive builds without.
#![expect(clippy::disallowed_methods, reason = "a build script asks git")]

use std::path::Path;
use std::process::Command;

fn main() {
    let git_folder = ask(&["rev-parse", "--absolute-git-dir"]);
    if let Some(folder) = &git_folder {
        // The log of HEAD changes with every commit; in a fresh clone it is there too.
        for name in ["HEAD", "logs/HEAD"] {
            let path = Path::new(folder).join(name);
            if path.exists() {
                println!("cargo:rerun-if-changed={}", path.display());
            }
        }
    }
    println!("cargo:rerun-if-changed=build.rs");
    println!(
        "cargo:rustc-env=BUILD_COMMIT={}",
        ask(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned())
    );
    println!(
        "cargo:rustc-env=BUILD_TIME={}",
        ask(&["log", "-1", "--format=%cd", "--date=format-local:%Y-%m-%dT%H:%M:%SZ"]).unwrap_or_default()
    );
}

fn ask(words: &[&str]) -> Option<String> {
    let output = Command::new("git").args(words).env("TZ", "UTC").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
