//! `run`: create, start and, unless detached, wait.

use super::launch::{self, Mode};
use super::{Arguments, Command};
use crate::grammar::{Flag, Grammar, switch};

const FLAGS: &[Flag] = &[
    launch::BUNDLE,
    launch::CONSOLE_SOCKET,
    launch::PIDFD_SOCKET,
    switch(&["detach", "d"], "detach from the container's process"),
    switch(&["keep"], "do not delete the container after it exits"),
    launch::PID_FILE,
    switch(&["no-subreaper"], "disable the use of the subreaper used to reap reparented processes"),
    launch::NO_PIVOT,
    launch::NO_NEW_KEYRING,
    launch::PRESERVE_FDS,
];

pub(crate) static COMMAND: Command = Command {
    name: "run",
    help: "create and run a container",
    usage: "<container-id>",
    grammar: Grammar { flags: FLAGS, stops_at_word: false },
    arguments: Arguments::Exactly(1),
    run: |globals, asked, log| {
        let mode = if asked.is_on("detach") { Mode::Detached } else { Mode::Foreground };
        launch::launch(globals, asked, log, mode).map_err(|failure| failure.within("runc run failed"))
    },
};
