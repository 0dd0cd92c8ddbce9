//! `volume rm`: volumes and what they hold.

use super::check_name;
use crate::command::{Command, Words};
use crate::failure::Failure;
use crate::output;
use crate::session::Session;
use flags::{Flag, Typed};

/// `volume rm`.
pub(crate) static VOLUME_RM: Command =
    Command::new("[OPTIONS] VOLUME [VOLUME...]", "Remove one or more volumes", Words::AtLeast(1), run)
        .details("Remove one or more volumes. You cannot remove a volume that is in use by a container.")
        .aliases("volume rm, volume remove")
        .flags(&[&[Flag::switch("force", "Force the removal of one or more volumes")
            .short('f')
            .since("1.25")]]);

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let client = session.client()?;
    let mut failures = Vec::new();
    for name in &typed.positionals {
        let removed = check_name("volume", name).and_then(|name| {
            client
                .delete(&format!("/volumes/{name}"))
                .query_if("force", typed.is_on("force"))
                .send()?
                .bytes()?;
            Ok(())
        });
        match removed {
            Ok(()) => output::line(name),
            Err(failure) => failures.push(failure),
        }
    }
    Failure::join(failures)
}
