//! `load`: images from an archive.

use crate::command::{Command, Words};
use crate::failure::{Failure, fail};
use crate::keyvalue::open_error;
use crate::output::{Bytes, Channel};
use crate::platform::Platform;
use crate::progress;
use crate::session::Session;
use crate::streams;
use crate::terminal;
use flags::{Flag, Typed};
use std::fs::File;
use std::path::Path;

/// `load`.
pub(crate) static LOAD: Command = Command::new(
    "[OPTIONS]",
    "Load an image from a tar archive or STDIN",
    Words::None,
    run,
)
.aliases("image load, load")
.starts_engine()
.flags(&[&[
    Flag::text("input", "Read from tar archive file, instead of STDIN").short('i'),
    Flag::text(
        "platform",
        r#"Load only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")"#,
    )
    .since("1.48"),
    Flag::switch("quiet", "Suppress the load output").short('q'),
]]);

/// Opens a file to send.
pub(super) fn open(path: &str) -> Result<File, Failure> {
    File::open(path).map_err(|error| Failure::new(open_error(Path::new(path), &error)))
}

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let file = match typed.text("input") {
        "" if terminal::is_stdin() => {
            return Err(Failure::new("requested load from stdin, but stdin is empty"));
        }
        "" => None,
        path => Some(open(path)?),
    };
    let platform = match typed.text("platform") {
        "" => String::new(),
        text => Platform::parse(text).map_err(|error| fail!("invalid platform: {error}"))?.json(),
    };
    let is_quiet = typed.is_on("quiet") || !terminal::is_stdout();
    let call = session
        .client()?
        .post("/images/load")
        .query("quiet", if is_quiet { "1" } else { "0" })
        .query_some("platform", platform);
    let call = match file {
        Some(file) => call.stream("application/x-tar", file),
        None => call.stream("application/x-tar", std::io::stdin()),
    };
    let answer = call.send()?;
    if answer.header("Content-Type") == Some("application/json") {
        return progress::show(answer.into_body(), Channel::Out, &mut |_| {});
    }
    let copied = streams::copy_bytes(&mut answer.into_body(), &mut Bytes(Channel::Out));
    copied.map_err(|error| Failure::new(error.to_string()))
}
