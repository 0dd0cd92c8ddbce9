//! `start`.

use std::os::fd::AsFd;

use container::NOTIFY;

use super::{Arguments, Command, name};
use crate::grammar::Grammar;
use crate::notify::{self, Notify};

pub(crate) static COMMAND: Command = Command {
    name: "start",
    help: "executes the user defined process in a created container",
    usage: "<container-id>",
    grammar: Grammar { flags: &[], stops_at_word: false },
    arguments: Arguments::Exactly(1),
    run: |globals, asked, _| {
        let container = globals.home().find(name(asked)?)?;
        // Made by a create that had a service manager to notify, as we have.
        let host = notify::host().filter(|_| container.folder().join(NOTIFY).is_dir());
        let notify = host.map(|host| Notify::bind(container.folder(), host)).transpose()?;
        container.start()?;
        if let (Some(notify), Some(process)) = (notify, container.process()) {
            notify.relay(process.as_fd(), container.record.init_process_pid)?;
        }
        Ok(0)
    },
};
