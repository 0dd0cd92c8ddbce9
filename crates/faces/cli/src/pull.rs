//! Pulling an image, for `pull` and for commands that miss one.

use crate::auth;
use crate::failure::Failure;
use crate::output::Channel;
use crate::progress;
use crate::session::Session;
use reference::Reference;

/// Which versions of an image are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Versions {
    /// The one named.
    One,
    /// All tags of the repository.
    All,
}

/// Pulls `image` and shows the progress on `to`.
///
/// # Errors
/// The daemon's refusal, or the error that ended the pull.
pub(crate) fn pull(
    session: &Session,
    image: &Reference,
    versions: Versions,
    platform: &str,
    to: Channel,
) -> Result<(), Failure> {
    let auth = auth::for_image(&session.globals.config, image);
    let version = match (versions, image.digest(), image.tag()) {
        (Versions::All, ..) => String::new(),
        (Versions::One, Some(digest), _) => digest.to_string(),
        (Versions::One, None, tag) => tag.unwrap_or(reference::DEFAULT_TAG).to_owned(),
    };
    let answer = session
        .client()?
        .post("/images/create")
        .query("fromImage", image.name())
        .query_some("tag", version)
        .query_some("platform", platform.to_lowercase())
        .header("X-Registry-Auth", auth.to_header())
        .send()?;
    progress::show(answer.into_body(), to, &mut |_| {})
}
