//! `network rm`: networks that nobody uses.

use super::check_name;
use crate::command::{Command, Words};
use crate::failure::Failure;
use crate::output;
use crate::session::Session;
use flags::{Flag, Typed};

/// `network rm`.
pub(crate) static NETWORK_RM: Command =
    Command::new("NETWORK [NETWORK...]", "Remove one or more networks", Words::AtLeast(1), run)
        .aliases("network rm, network remove")
        .flags(&[&[Flag::switch("force", "Do not error if the network does not exist").short('f')]]);

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let client = session.client()?;
    let mut all_removed = true;
    for name in &typed.positionals {
        let path = format!("/networks/{}", check_name("network", name)?);
        match client.delete(&path).send().and_then(|answer| answer.bytes()) {
            Ok(_) => output::line(name),
            Err(error) if typed.is_on("force") && error.is_not_found() => {}
            Err(error) => {
                Failure::from(error).show(session.program);
                all_removed = false;
            }
        }
    }
    if all_removed { Ok(()) } else { Err(Failure::new("exit status 1")) }
}
