//! `container inspect`: containers in detail.

use super::check_name;
use crate::command::{Command, Words};
use crate::failure::Failure;
use crate::format;
use crate::inspect;
use crate::session::Session;
use flags::{Flag, Typed};
use serde_json::Value;

/// `container inspect`.
pub(crate) static CONTAINER_INSPECT: Command = Command::new(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Display detailed information on one or more containers",
    Words::AtLeast(1),
    run,
)
.flags(&[&[
    Flag::text("format", format::INSPECT_HELP).short('f'),
    Flag::switch("size", "Display total file sizes").short('s'),
]]);

/// One container's document.
pub(super) fn find(session: &Session, name: &str, with_size: bool) -> Result<Value, client::Error> {
    let client = session.client().map_err(|failure| client::Error::Document(failure.text))?;
    client.get(&format!("/containers/{name}/json")).query_if("size", with_size).send()?.value()
}

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let with_size = typed.is_on("size");
    inspect::show(&typed.positionals, typed.text("format"), |name| {
        Ok(find(session, check_name("container", name)?, with_size)?)
    })
}
