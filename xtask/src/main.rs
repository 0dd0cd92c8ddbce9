//! The project's own commands: `cargo xtask <word>`. One file a word; nothing to install first.

#![allow(clippy::disallowed_methods, reason = "these commands drive cargo, apt and the tests")]
#![allow(clippy::print_stdout, reason = "their output is their purpose")]

mod acceptance;
mod bench;
mod check;
mod contracts;
mod faults;
mod fuzz;
mod new_crate;
mod project;
mod record_errors;
mod report;
mod setup;
mod test;
mod tidy;
mod vm;

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
        name: "setup",
        usage: "",
        about: "install what the tests need (Debian packages)",
        run: setup::run,
    },
    Word { name: "check", usage: "", about: "formatter, tidy, deny, clippy, docs", run: check::run },
    Word { name: "tidy", usage: "", about: "the house rules that a program can judge", run: tidy::run },
    Word {
        name: "test",
        usage: "[--fast|--kernel|--full]",
        about: "setup, build, and the tests",
        run: test::run,
    },
    Word {
        name: "acceptance",
        usage: "[--area RUN]",
        about: "the inventory's rows through both clients; writes docs/coverage.md",
        run: acceptance::run,
    },
    Word { name: "faults", usage: "[FILTER]", about: "kills, full disks and leaks alone", run: faults::run },
    Word {
        name: "fuzz",
        usage: "[CASES]",
        about: "the parsers' property tests with a million cases",
        run: fuzz::run,
    },
    Word {
        name: "bench",
        usage: "[ARGUMENTS]",
        about: "the release build beside its peers",
        run: bench::run,
    },
    Word { name: "new-crate", usage: "<layer>/<name>", about: "a crate in its place", run: new_crate::run },
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
