//! `network inspect`: networks in detail.

use super::check_name;
use crate::command::{Command, Words};
use crate::failure::Failure;
use crate::format;
use crate::inspect;
use crate::session::Session;
use flags::{Flag, Typed};
use serde_json::Value;

/// `network inspect`.
pub(crate) static NETWORK_INSPECT: Command = Command::new(
    "[OPTIONS] NETWORK [NETWORK...]",
    "Display detailed information on one or more networks",
    Words::AtLeast(1),
    run,
)
.flags(&[&[
    Flag::text("format", format::INSPECT_HELP).short('f'),
    Flag::switch("verbose", "Verbose output for diagnostics").short('v'),
]]);

/// One network's document.
pub(super) fn find(session: &Session, name: &str, verbose: bool) -> Result<Value, client::Error> {
    let client = session.client().map_err(|failure| client::Error::Document(failure.text))?;
    let call = client.get(&format!("/networks/{name}"));
    call.query_some("verbose", if verbose { "true" } else { "" }).send()?.value()
}

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let verbose = typed.is_on("verbose");
    inspect::show(&typed.positionals, typed.text("format"), |name| {
        Ok(find(session, check_name("network", name)?, verbose)?)
    })
}
