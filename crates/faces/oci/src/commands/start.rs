//! `start`.

use super::{Arguments, Command, name};
use crate::grammar::Grammar;

pub(crate) static COMMAND: Command = Command {
    name: "start",
    help: "executes the user defined process in a created container",
    usage: "<container-id>",
    grammar: Grammar { flags: &[], stops_at_word: false },
    arguments: Arguments::Exactly(1),
    run: |globals, asked, _| {
        globals.home().find(name(asked)?)?.start()?;
        Ok(0)
    },
};
