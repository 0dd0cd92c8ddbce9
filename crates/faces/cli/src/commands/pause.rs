//! `pause`: containers whose processes stand still.

use super::check_name;
use crate::command::{Command, Words};
use crate::failure::Failure;
use crate::parallel;
use crate::session::Session;
use flags::Typed;

/// `pause`.
pub(crate) static PAUSE: Command = Command::new(
    "CONTAINER [CONTAINER...]",
    "Pause all processes within one or more containers",
    Words::AtLeast(1),
    run,
)
.aliases("container pause, pause");

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let client = session.client()?;
    parallel::for_each(&typed.positionals, |name| {
        let name = check_name("container", name)?;
        client.post(&format!("/containers/{name}/pause")).send()?.bytes()?;
        Ok(())
    })
}
