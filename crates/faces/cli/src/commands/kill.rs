//! `kill`: a signal for containers.

use super::check_name;
use crate::command::{Command, Words};
use crate::failure::Failure;
use crate::parallel;
use crate::session::Session;
use flags::{Flag, Typed};

/// `kill`.
pub(crate) static KILL: Command = Command::new(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Kill one or more running containers",
    Words::AtLeast(1),
    run,
)
.aliases("container kill, kill")
.flags(&[&[Flag::text("signal", "Signal to send to the container").short('s')]]);

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let client = session.client()?;
    parallel::for_each(&typed.positionals, |name| {
        let name = check_name("container", name)?;
        let call =
            client.post(&format!("/containers/{name}/kill")).query_some("signal", typed.text("signal"));
        call.send()?.bytes()?;
        Ok(())
    })
}
