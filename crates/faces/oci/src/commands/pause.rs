//! `pause` and `resume`.

use super::{Arguments, Command, name};
use crate::grammar::Grammar;

pub(crate) static PAUSE: Command = Command {
    name: "pause",
    help: "pause suspends all processes inside the container",
    usage: "<container-id>",
    grammar: Grammar { flags: &[], stops_at_word: false },
    arguments: Arguments::Exactly(1),
    run: |globals, asked, _| {
        globals.home().find(name(asked)?)?.pause()?;
        Ok(0)
    },
};

pub(crate) static RESUME: Command = Command {
    name: "resume",
    help: "resumes all processes that have been previously paused",
    usage: "<container-id>",
    grammar: Grammar { flags: &[], stops_at_word: false },
    arguments: Arguments::Exactly(1),
    run: |globals, asked, _| {
        globals.home().find(name(asked)?)?.resume()?;
        Ok(0)
    },
};
