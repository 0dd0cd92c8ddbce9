//! The daemon's command line: flags, daemon.json, sockets, start and stop of engine and API.
//!
//! ```text
//!  words ─▶ options (table) ─┐
//!                            ├─▶ values (who said what) ─▶ settings (what it means) ─▶ run
//!  daemon.json ─▶ file ──────┘
//! ```
//!
//! It decides nothing about containers: settings become an `EngineConfig`, and the engine does the rest.

mod address;
mod check;
mod file;
mod guard;
mod listeners;
mod log;
mod notify;
mod options;
mod run;
mod settings;
mod values;

use flags::{Grammar, Positionals, options_text};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// The name that the daemon was called by; it decides a few defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// `gantry daemon`.
    Gantry,
    /// `dockerd`.
    Dockerd,
}

impl Name {
    fn command(self) -> &'static str {
        match self {
            Name::Gantry => "gantry daemon",
            Name::Dockerd => "dockerd",
        }
    }
}

/// Runs the daemon with the words behind its name, until it is asked to stop.
pub fn main(name: Name, words: Vec<String>) -> ExitCode {
    match start(name, words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "{failure}");
            ExitCode::FAILURE
        }
    }
}

fn start(name: Name, words: Vec<String>) -> Result<(), String> {
    let command = name.command();
    let typed = Grammar::new(options::TABLES, Positionals::Interspersed)
        .parse(words)
        .map_err(|cause| format!("{cause}\nSee '{command} --help'."))?;
    if typed.wants_help {
        let home = std::env::var("HOME").unwrap_or_else(|_| "/root".to_owned());
        let unified = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
        let columns = rustix::termios::tcgetwinsize(std::io::stdin());
        let columns = columns.map_or(80, |size| usize::from(size.ws_col));
        return say(&help(name, &settings::shown_defaults(name, &home, unified), columns));
    }
    if typed.is_on("version") {
        return say(&format!("Gantry version {}, build {}\n", env!("CARGO_PKG_VERSION"), build_info::COMMIT));
    }
    for notice in &typed.notices {
        let _ = writeln!(std::io::stderr(), "{notice}");
    }
    if !typed.positionals.is_empty() {
        return Err(format!("\"{command}\" accepts no arguments.\nSee '{command} --help'."));
    }
    let values = file::merge(typed)?;
    let settings = settings::Settings::new(name, &values)?;
    if values.is_on("validate") {
        let _ = writeln!(std::io::stderr(), "configuration OK");
        return Ok(());
    }
    run::run(settings)
}

fn say(text: &str) -> Result<(), String> {
    std::io::stdout().write_all(text.as_bytes()).map_err(|cause| cause.to_string())
}

fn help(name: Name, defaults: &[(&str, String)], columns: usize) -> String {
    let options = options_text(options::SHOWN_TABLES, defaults, columns);
    let usage =
        format!("\nUsage:\t{} [OPTIONS]\n\nA self-sufficient runtime for containers.\n", name.command());
    format!("{usage}\nOptions:\n{}\n", options.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_reads_like_dockers() {
        let ours = help(Name::Dockerd, &settings::shown_defaults(Name::Dockerd, "/root", false), 80);
        let theirs = include_str!("../tests/dockerd-28.5-help.txt");
        for (number, (ours, theirs)) in ours.lines().zip(theirs.lines()).enumerate() {
            assert_eq!(ours, theirs, "line {}", number + 1);
        }
        assert_eq!(ours.lines().count(), theirs.lines().count());
    }

    #[test]
    fn wrong_words_are_refused() {
        let words =
            |words: &[&str]| start(Name::Dockerd, words.iter().map(|word| (*word).to_owned()).collect());
        assert_eq!(words(&["--nope"]).unwrap_err(), "unknown flag: --nope\nSee 'dockerd --help'.");
        let refusal = words(&["--mtu", "x"]).unwrap_err();
        assert!(
            refusal.starts_with("invalid argument \"x\" for \"--mtu\" flag: strconv.ParseInt: parsing \"x\"")
        );
        assert!(words(&["x"]).unwrap_err().starts_with("\"dockerd\" accepts no arguments."));
    }
}
