//! `unpause`: containers whose processes go on.

use super::check_name;
use crate::command::{Command, Words};
use crate::failure::Failure;
use crate::parallel;
use crate::session::Session;
use flags::Typed;

/// `unpause`.
pub(crate) static UNPAUSE: Command = Command::new(
    "CONTAINER [CONTAINER...]",
    "Unpause all processes within one or more containers",
    Words::AtLeast(1),
    run,
)
.aliases("container unpause, unpause");

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let client = session.client()?;
    parallel::for_each(&typed.positionals, |name| {
        let name = check_name("container", name)?;
        client.post(&format!("/containers/{name}/unpause")).send()?.bytes()?;
        Ok(())
    })
}
