//! `volume inspect`: volumes in detail.

use super::check_name;
use crate::command::{Command, Words};
use crate::failure::Failure;
use crate::format;
use crate::inspect;
use crate::session::Session;
use flags::{Flag, Typed};
use serde_json::Value;

/// `volume inspect`.
pub(crate) static VOLUME_INSPECT: Command = Command::new(
    "[OPTIONS] VOLUME [VOLUME...]",
    "Display detailed information on one or more volumes",
    Words::AtLeast(1),
    run,
)
.flags(&[&[Flag::text("format", format::INSPECT_HELP).short('f')]]);

/// One volume's document.
pub(super) fn find(session: &Session, name: &str) -> Result<Value, client::Error> {
    let client = session.client().map_err(|failure| client::Error::Document(failure.text))?;
    client.get(&format!("/volumes/{name}")).send()?.value()
}

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    inspect::show(&typed.positionals, typed.text("format"), |name| {
        Ok(find(session, check_name("volume", name)?)?)
    })
}
