//! `rm`: containers that nobody needs any more.

use crate::command::{Command, Words};
use crate::failure::Failure;
use crate::parallel;
use crate::session::Session;
use flags::{Flag, Typed};

/// `rm`.
pub(crate) static RM: Command = Command::new(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Remove one or more containers",
    Words::AtLeast(1),
    run,
)
.aliases("container rm, container remove, rm")
.flags(&[&[
    Flag::switch("force", "Force the removal of a running container (uses SIGKILL)").short('f'),
    Flag::switch("link", "Remove the specified link").short('l'),
    Flag::switch("volumes", "Remove anonymous volumes associated with the container").short('v'),
]]);

/// What the daemon's answer says when there is no such container.
const MISSING: &str = "No such container";

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let client = session.client()?;
    let force = typed.is_on("force");
    let remove = |name: &str| {
        let name = name.trim_matches('/');
        if name.is_empty() {
            return Err(Failure::new("container name cannot be empty"));
        }
        let call = client
            .delete(&format!("/containers/{name}"))
            .query_if("force", force)
            .query_if("link", typed.is_on("link"))
            .query_if("v", typed.is_on("volumes"));
        call.send()?.bytes()?;
        Ok(())
    };
    parallel::for_each_but(&typed.positionals, remove, |failure| {
        (force && failure.text.contains(MISSING)).then(|| failure.text.clone())
    })
}
