//! `run`: create, start and, unless detached, wait.

use super::launch::{self, Mode};
use super::{Arguments, Command};
use crate::grammar::{Flag, Grammar, number, switch, text};

const FLAGS: &[Flag] = &[
    text(&["bundle", "b"], "path to the root of the bundle directory, defaults to the current directory"),
    text(
        &["console-socket"],
        "path to an AF_UNIX socket which will receive a file descriptor referencing the master end of the console's pseudoterminal",
    ),
    text(
        &["pidfd-socket"],
        "path to an AF_UNIX socket which will receive a file descriptor referencing the init process",
    ),
    switch(&["detach", "d"], "detach from the container's process"),
    switch(&["keep"], "do not delete the container after it exits"),
    text(&["pid-file"], "specify the file to write the process id to"),
    switch(&["no-subreaper"], "disable the use of the subreaper used to reap reparented processes"),
    switch(&["no-pivot"], "do not use pivot root to jail process inside rootfs"),
    switch(&["no-new-keyring"], "do not create a new session keyring for the container"),
    number(
        &["preserve-fds"],
        "pass N additional file descriptors to the container (stdio + $LISTEN_FDS + N in total)",
    ),
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
