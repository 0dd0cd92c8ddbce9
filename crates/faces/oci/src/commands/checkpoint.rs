//! `checkpoint` and `restore`: known, and refused.

use super::{Arguments, Command};
use crate::Failure;
use crate::grammar::Grammar;

pub(crate) static CHECKPOINT: Command = Command {
    name: "checkpoint",
    help: "checkpoint a running container (not supported yet)",
    usage: "<container-id>",
    grammar: Grammar { flags: &[], stops_at_word: false },
    arguments: Arguments::AtLeast(0),
    run: |_, _, _| Err(Failure::new("checkpoint is not supported yet")),
};

pub(crate) static RESTORE: Command = Command {
    name: "restore",
    help: "restore a container from a previous checkpoint (not supported yet)",
    usage: "<container-id>",
    grammar: Grammar { flags: &[], stops_at_word: false },
    arguments: Arguments::AtLeast(0),
    run: |_, _, _| Err(Failure::new("restore is not supported yet")),
};
