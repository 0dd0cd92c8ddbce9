//! `create`.

use super::launch::{self, Mode};
use super::{Arguments, Command};
use crate::grammar::{Flag, Grammar};

const FLAGS: &[Flag] = &[
    launch::BUNDLE,
    launch::CONSOLE_SOCKET,
    launch::PIDFD_SOCKET,
    launch::PID_FILE,
    launch::NO_PIVOT,
    launch::NO_NEW_KEYRING,
    launch::PRESERVE_FDS,
];

pub(crate) static COMMAND: Command = Command {
    name: "create",
    help: "create a container",
    usage: "<container-id>",
    grammar: Grammar { flags: FLAGS, stops_at_word: false },
    arguments: Arguments::Exactly(1),
    run: |globals, asked, log| {
        launch::launch(globals, asked, log, Mode::Create)
            .map_err(|failure| failure.within("runc create failed"))
    },
};
