//! Help, laid out as runc's.

use std::fmt::Write;

use crate::commands::{self, Command};
use crate::grammar::{Flag, Takes};
use crate::{Failure, RUNC_VERSION, globals, output};

/// `--version`: the first line names the version of runc that this stands in for, since callers parse it.
pub(crate) fn version() -> String {
    format!("runc version {RUNC_VERSION}\ncommit: gantry\nspec: {}\n", oci_spec::runtime::OCI_VERSION)
}

/// `help [command]`.
pub(crate) fn topic(name: Option<&str>) -> Result<u8, Failure> {
    match name {
        None => output::text(&program()),
        Some(name) => match commands::find(name) {
            Some(found) => output::text(&command(found)),
            None => return Err(Failure { text: format!("No help topic for '{name}'"), code: 3 }),
        },
    }
    Ok(0)
}

/// Help of the program.
pub(crate) fn program() -> String {
    let mut text = format!(
        "NAME:\n   runc - Open Container Initiative runtime\n\nThe part of Gantry that runs containers from bundles, with the command line of runc.\n\nUSAGE:\n   runc [global options] command [command options] [arguments...]\n\nVERSION:\n   {RUNC_VERSION}\n\nCOMMANDS:\n"
    );
    let shown = commands::ALL.iter();
    let longest = shown.clone().map(|command| command.name.len()).max().unwrap_or(0);
    for command in shown {
        let _ = writeln!(text, "   {:longest$}  {}", command.name, command.help);
    }
    text.push_str("\nGLOBAL OPTIONS:\n");
    text.push_str(&options(globals::FLAGS));
    text
}

/// Help of a command.
pub(crate) fn command(command: &Command) -> String {
    let mut text = format!(
        "NAME:\n   runc {} - {}\n\nUSAGE:\n   runc {}{} {}\n",
        command.name,
        command.help,
        command.name,
        if command.grammar.flags.is_empty() { "" } else { " [command options]" },
        command.usage,
    );
    if !command.grammar.flags.is_empty() {
        text.push_str("\nOPTIONS:\n");
        text.push_str(&options(command.grammar.flags));
    }
    text
}

fn options(flags: &[Flag]) -> String {
    let name = |flag: &Flag| {
        let value = match flag.takes {
            Takes::Nothing => "",
            Takes::Text | Takes::Number => " value",
        };
        let one = |name: &&str| format!("{}{name}{value}", if name.len() == 1 { "-" } else { "--" });
        flag.names.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let shown = || flags.iter().filter(|flag| !flag.help.is_empty());
    let longest = shown().map(|flag| name(flag).len()).max().unwrap_or(0);
    let mut text = String::new();
    for flag in shown() {
        let _ = writeln!(text, "   {:longest$}  {}", name(flag), flag.help);
    }
    text
}
