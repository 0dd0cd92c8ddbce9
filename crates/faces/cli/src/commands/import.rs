//! `import`: an image from an archive of files.

use super::load;
use crate::command::{Command, Words};
use crate::failure::Failure;
use crate::output::Channel;
use crate::progress;
use crate::session::Session;
use flags::{Flag, Typed};
use reference::Reference;

/// `import`.
pub(crate) static IMPORT: Command = Command::new(
    "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
    "Import the contents from a tarball to create a filesystem image",
    Words::AtLeast(1),
    run,
)
.aliases("image import, import")
.starts_engine()
.flags(&[&[
    Flag::list("change", "Apply Dockerfile instruction to the created image").short('c'),
    Flag::text("message", "Set commit message for imported image").short('m'),
    Flag::text("platform", "Set platform if server is multi-platform capable").since("1.32"),
]]);

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let source = typed.positionals[0].as_str();
    let is_remote = source.starts_with("http://") || source.starts_with("https://");
    let file = if is_remote || source == "-" { None } else { Some(load::open(source)?) };
    let name = typed.positionals.get(1).map_or("", String::as_str);
    if !name.is_empty() {
        Reference::parse(name).map_err(|error| Failure::new(error.to_string()))?;
    }
    let platform = typed
        .given("platform")
        .map_or_else(|| std::env::var("DOCKER_DEFAULT_PLATFORM").unwrap_or_default(), str::to_owned);
    let mut call = session
        .client()?
        .post("/images/create")
        .query("fromSrc", if is_remote { source } else { "-" })
        .query_some("repo", name)
        .query_some("message", typed.text("message"))
        .query_some("platform", platform.to_lowercase());
    for change in typed.all("change") {
        call = call.query("changes", change);
    }
    let call = match file {
        Some(file) => call.stream("text/plain", file),
        None if is_remote => call,
        None => call.stream("text/plain", std::io::stdin()),
    };
    progress::show(call.send()?.into_body(), Channel::Out, &mut |_| {})
}
