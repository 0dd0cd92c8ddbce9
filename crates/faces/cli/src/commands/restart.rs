//! `restart`: containers stopped and started again.

use super::{check_name, stop};
use crate::command::{Command, Words};
use crate::failure::Failure;
use crate::output;
use crate::session::Session;
use flags::Typed;

/// `restart`.
pub(crate) static RESTART: Command = Command::new(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Restart one or more containers",
    Words::AtLeast(1),
    run,
)
.aliases("container restart, restart")
.flags(&[stop::FLAGS]);

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    stop::check(typed)?;
    let client = session.client()?;
    let mut failures = Vec::new();
    for name in &typed.positionals {
        let restarted = check_name("container", name).and_then(|name| {
            stop::request(client, typed, name, "restart").send()?.bytes()?;
            Ok(())
        });
        match restarted {
            Ok(()) => output::line(name),
            Err(failure) => failures.push(failure),
        }
    }
    Failure::join(failures)
}
