//! `list`.

use std::io::ErrorKind;

use container::ContainerError;
use runtime::error::reason;

use super::state::Shown;
use super::{Arguments, Command};
use crate::globals::Globals;
use crate::grammar::{Asked, Grammar, switch, text};
use crate::{Failure, output, table};

pub(crate) static COMMAND: Command = Command {
    name: "list",
    help: "lists containers started by runc with the given root",
    usage: "",
    grammar: Grammar {
        flags: &[
            text(&["format", "f"], "select one of: table or json (default: \"table\")"),
            switch(&["quiet", "q"], "display only container IDs"),
        ],
        stops_at_word: false,
    },
    arguments: Arguments::Exactly(0),
    run: |globals, asked, _| list(globals, asked),
};

fn list(globals: &Globals, asked: &Asked) -> Result<u8, Failure> {
    let all = gather(globals)?;
    if asked.is_on("quiet") {
        output::text(&all.iter().map(|one| format!("{}\n", one.id)).collect::<String>());
        return Ok(0);
    }
    match asked.given("format").unwrap_or("table") {
        "table" => {
            let head = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned).to_vec();
            let row = |one: &Shown| {
                let pid = one.pid.to_string();
                vec![
                    one.id.clone(),
                    pid,
                    one.status.to_owned(),
                    one.bundle.clone(),
                    one.created.clone(),
                    one.owner.clone(),
                ]
            };
            let rows: Vec<_> = std::iter::once(head).chain(all.iter().map(row)).collect();
            output::text(&table::set(&rows));
        }
        // Go writes a list that was never filled so.
        "json" if all.is_empty() => output::text("null\n"),
        "json" => output::text(&format!("{}\n", serde_json::to_string(&all)?)),
        _ => return Err(Failure::new("invalid format option")),
    }
    Ok(0)
}

fn gather(globals: &Globals) -> Result<Vec<Shown>, Failure> {
    let home = globals.home();
    let names = match home.names() {
        Err(cause) if cause.kind() == ErrorKind::NotFound && !globals.is_root_given => return Ok(Vec::new()),
        Err(cause) => {
            return Err(Failure::new(format!("open {}: {}", globals.root.display(), reason(&cause))));
        }
        Ok(names) => names,
    };
    let mut all = Vec::new();
    for (name, uid) in names {
        match home.find(&name).map_err(Failure::from).and_then(|one| Shown::new(&one, owner(uid))) {
            Ok(shown) => all.push(shown),
            Err(failure) if failure.text == ContainerError::Missing.to_string() => {}
            Err(failure) => output::error(&format!("load container {name}: {}\n", failure.text)),
        }
    }
    Ok(all)
}

/// The user's name on this host, or `#` and the number.
fn owner(uid: u32) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut rows = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = rows.find(|row| row.get(2).and_then(|field| field.parse().ok()) == Some(uid));
    found.and_then(|row| row.first().map(ToString::to_string)).unwrap_or_else(|| format!("#{uid}"))
}
