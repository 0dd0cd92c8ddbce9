//! `pull`: images from a registry.

use crate::command::{Command, Words};
use crate::failure::Failure;
use crate::output::{self, Channel};
use crate::pull::{self, Versions};
use crate::session::Session;
use flags::{Flag, Typed};
use reference::Reference;

/// `pull`.
pub(crate) static PULL: Command =
    Command::new("[OPTIONS] NAME[:TAG|@DIGEST]", "Download an image from a registry", Words::Exactly(1), run)
        .aliases("image pull, pull")
        .starts_engine()
        .flags(&[&[
            Flag::switch("all-tags", "Download all tagged images in the repository").short('a'),
            Flag::switch("disable-content-trust", "Skip image verification").default("true"),
            Flag::text("platform", "Set platform if server is multi-platform capable").since("1.32"),
            Flag::switch("quiet", "Suppress verbose output").short('q'),
        ]]);

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let named = Reference::parse(&typed.positionals[0]).map_err(|error| Failure::new(error.to_string()))?;
    let quiet = typed.is_on("quiet");
    let (image, versions) = match (typed.is_on("all-tags"), named.is_name_only()) {
        (true, false) => return Err(Failure::new("tag can't be used with --all-tags/-a")),
        (true, true) => (named, Versions::All),
        (false, false) => (named, Versions::One),
        (false, true) => {
            if !quiet {
                output::line(&format!("Using default tag: {}", reference::DEFAULT_TAG));
            }
            (named.or_latest(), Versions::One)
        }
    };
    let platform = typed
        .given("platform")
        .map_or_else(|| std::env::var("DOCKER_DEFAULT_PLATFORM").unwrap_or_default(), str::to_owned);
    let shown = if quiet { Channel::Nowhere } else { Channel::Out };
    pull::pull(session, &image, versions, &platform, shown)?;
    output::line(&image.to_string());
    Ok(())
}
