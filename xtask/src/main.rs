//! The project's own commands: `cargo xtask <word>`. One file a word; nothing to install first.

#![allow(clippy::disallowed_methods, reason = "these commands drive cargo, apt and the tests")]
#![allow(clippy::print_stdout, reason = "their output is their purpose")]

mod contracts;
mod project;
mod record_errors;

use std::process::ExitCode;

/// One word of `cargo xtask`.
struct Word {
    name: &'static str,
    usage: &'static str,
    about: &'static str,
    run: fn(&[String]) -> anyhow::Result<()>,
}

const WORDS: &[Word] = &[
    Word {
        name: "contracts",
        usage: "",
        about: "strip the published Engine API documents to the contracts that answers are checked against",
        run: contracts::run,
    },
    Word {
        name: "record-errors",
        usage: "FOLDER",
        about: "make the wrong calls against the Docker in FOLDER (bin, sbin), and store its answers",
        run: record_errors::run,
    },
];

fn help() {
    println!("Usage: cargo xtask WORD [ARGUMENTS]\n");
    for word in WORDS {
        println!("  {:<44} {}", format!("{} {}", word.name, word.usage), word.about);
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, arguments)) = words.split_first() else {
        help();
        return ExitCode::FAILURE;
    };
    let Some(word) = WORDS.iter().find(|word| word.name == name) else {
        eprintln!("xtask: no such word: {name}\n");
        help();
        return ExitCode::FAILURE;
    };
    match (word.run)(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
