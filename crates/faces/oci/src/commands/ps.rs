//! `ps`.

mod table;

use runtime::error::reason;

use super::{Arguments, Command, name};
use crate::globals::Globals;
use crate::grammar::{Asked, Grammar, text};
use crate::{Failure, output};

pub(crate) static COMMAND: Command = Command {
    name: "ps",
    help: "ps displays the processes running inside a container",
    usage: "<container-id> [ps options]",
    grammar: Grammar {
        flags: &[text(&["format", "f"], "select one of: table or json (default: \"table\")")],
        stops_at_word: true,
    },
    arguments: Arguments::AtLeast(1),
    run: |globals, asked, _| ps(globals, asked),
};

fn ps(globals: &Globals, asked: &Asked) -> Result<u8, Failure> {
    let container = globals.home().find(name(asked)?)?;
    let pids = container.group()?.pids()?;
    match asked.given("format").unwrap_or("table") {
        "json" => {
            output::text(&format!("{}\n", serde_json::to_string(&pids)?));
            return Ok(0);
        }
        "table" => {}
        _ => return Err(Failure::new("invalid format option")),
    }
    let options = &asked.words[1..];
    output::text(&if options.is_empty() { table::of(&pids) } else { choose(&run(options)?, &pids)? });
    Ok(0)
}

/// The table of the program `ps`, asked for by its own options, which are endless.
#[allow(clippy::disallowed_methods, reason = "the command hands its options to this very program")]
fn run(options: &[String]) -> Result<String, Failure> {
    let mut command = std::process::Command::new("ps");
    if options.is_empty() {
        command.arg("-ef");
    }
    let done = command
        .args(options)
        .output()
        .map_err(|cause| Failure::new(format!("exec: \"ps\": {}", reason(&cause))))?;
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    if !done.status.success() {
        let error = String::from_utf8_lossy(&done.stderr);
        return Err(Failure::new(format!("{}: {text}{error}", done.status)));
    }
    Ok(text)
}

/// The head and the rows of these processes.
fn choose(table: &str, pids: &[u32]) -> Result<String, Failure> {
    let mut lines = table.lines();
    let head = lines.next().unwrap_or_default();
    let column = head
        .split_ascii_whitespace()
        .position(|title| title == "PID")
        .ok_or_else(|| Failure::new("couldn't find PID field in ps output"))?;
    let is_ours = |line: &&str| {
        let pid = line.split_ascii_whitespace().nth(column).and_then(|field| field.parse().ok());
        pid.is_some_and(|pid| pids.contains(&pid))
    };
    let rows = std::iter::once(head).chain(lines.filter(is_ours));
    Ok(rows.map(|row| format!("{row}\n")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rows_of_the_container_are_kept() {
        let table = "UID  PID CMD\nroot   1 init\nroot  17 sleep 1\n";
        assert_eq!(choose(table, &[17]).unwrap(), "UID  PID CMD\nroot  17 sleep 1\n");
        assert!(choose("UID CMD\n", &[17]).is_err());
    }
}
