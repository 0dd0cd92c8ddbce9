//! `wait`: the exit codes of containers, when they end.

use super::check_name;
use crate::command::{Command, Words};
use crate::failure::Failure;
use crate::output;
use crate::session::Session;
use engine_api::container::ContainerWaitResponse;
use flags::Typed;

/// `wait`.
pub(crate) static WAIT: Command = Command::new(
    "CONTAINER [CONTAINER...]",
    "Block until one or more containers stop, then print their exit codes",
    Words::AtLeast(1),
    run,
)
.aliases("container wait, wait");

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let client = session.client()?;
    let mut failures = Vec::new();
    for name in &typed.positionals {
        let ended = check_name("container", name).and_then(|name| {
            let answer = client.post(&format!("/containers/{name}/wait")).send()?;
            Ok(answer.json::<ContainerWaitResponse>()?)
        });
        match ended {
            Ok(ended) => output::line(&ended.status_code.to_string()),
            Err(failure) => failures.push(failure),
        }
    }
    Failure::join(failures)
}
