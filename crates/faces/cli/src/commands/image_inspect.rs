//! `image inspect`: images in detail.

use super::check_name;
use crate::command::{Command, Words};
use crate::failure::Failure;
use crate::format;
use crate::inspect;
use crate::platform::Platform;
use crate::session::Session;
use flags::{Flag, Typed};
use serde_json::Value;

/// `image inspect`.
pub(crate) static IMAGE_INSPECT: Command = Command::new(
    "[OPTIONS] IMAGE [IMAGE...]",
    "Display detailed information on one or more images",
    Words::AtLeast(1),
    run,
)
.flags(&[&[
    Flag::text("format", format::INSPECT_HELP).short('f'),
    Flag::text(
        "platform",
        "Inspect a specific platform of the multi-platform image.\nIf the image or the server is not multi-platform capable, the command will error out if the platform does not match.\n'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)",
    )
    .since("1.49"),
]]);

/// One image's document.
pub(super) fn find(session: &Session, name: &str, platform: &str) -> Result<Value, client::Error> {
    let client = session.client().map_err(|failure| client::Error::Document(failure.text))?;
    client.get(&format!("/images/{name}/json")).query_some("platform", platform).send()?.value()
}

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let platform = match typed.text("platform") {
        "" => String::new(),
        text => Platform::parse(text).map_err(Failure::new)?.json(),
    };
    inspect::show(&typed.positionals, typed.text("format"), |name| {
        Ok(find(session, check_name("image", name)?, &platform)?)
    })
}
