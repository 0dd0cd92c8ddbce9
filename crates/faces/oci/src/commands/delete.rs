//! `delete`.

use super::{Arguments, Command, name};
use crate::grammar::{Grammar, switch};

pub(crate) static COMMAND: Command = Command {
    name: "delete",
    help: "delete any resources held by the container often used with detached container",
    usage: "<container-id>",
    grammar: Grammar {
        flags: &[switch(
            &["force", "f"],
            "forcibly deletes the container if it is still running (uses SIGKILL)",
        )],
        stops_at_word: false,
    },
    arguments: Arguments::Exactly(1),
    run: |globals, asked, _| {
        globals.home().delete(name(asked)?, asked.is_on("force"))?;
        Ok(0)
    },
};
