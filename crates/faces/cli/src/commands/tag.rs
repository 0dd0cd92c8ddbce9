//! `tag`: another name for an image.

use crate::command::{Command, Words};
use crate::failure::{Failure, fail};
use crate::session::Session;
use flags::{Typed, quote};
use reference::{AnyReference, ParseError, Reference};

/// `tag`.
pub(crate) static TAG: Command = Command::new(
    "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
    "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
    Words::Exactly(2),
    run,
)
.aliases("image tag, tag")
.flags_first();

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let (source, target) = (&typed.positionals[0], &typed.positionals[1]);
    let refused = |text: &str, error: ParseError| {
        fail!("Error parsing reference: {} is not a valid repository/tag: {error}", quote(text))
    };
    AnyReference::parse(source).map_err(|error| refused(source, error))?;
    let image = Reference::parse(target).map_err(|error| refused(target, error))?;
    if image.digest().is_some() {
        return Err(Failure::new("refusing to create a tag with a digest reference"));
    }
    let image = image.or_latest();
    let call = session.client()?.post(&format!("/images/{source}/tag")).query("repo", image.name());
    call.query_some("tag", image.tag().unwrap_or_default()).send()?.bytes()?;
    Ok(())
}
