//! `rename`: another name for a container.

use crate::command::{Command, Words};
use crate::failure::{Failure, fail};
use crate::session::Session;
use flags::Typed;

/// `rename`.
pub(crate) static RENAME: Command =
    Command::new("CONTAINER NEW_NAME", "Rename a container", Words::Exactly(2), run)
        .aliases("container rename, rename");

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let (old, new) = (typed.positionals[0].trim(), typed.positionals[1].trim());
    if old.is_empty() || new.is_empty() {
        return Err(Failure::new("Error: Neither old nor new names may be empty"));
    }
    let renamed = session.client()?.post(&format!("/containers/{old}/rename")).query("name", new).send();
    if let Err(error) = renamed.and_then(|answer| answer.bytes()) {
        Failure::from(error).show(session.program);
        return Err(fail!("Error: failed to rename container named {old}"));
    }
    Ok(())
}
