//! `inspect`: anything in detail: a container, else an image, else a network, else a volume.

use super::{check_name, container_inspect, image_inspect, network_inspect, volume_inspect};
use crate::command::{Command, Words};
use crate::failure::{Failure, fail};
use crate::format;
use crate::inspect;
use crate::output;
use crate::session::Session;
use flags::{Flag, Typed, quote};
use serde_json::Value;

/// `inspect`.
pub(crate) static INSPECT: Command = Command::new(
    "[OPTIONS] NAME|ID [NAME|ID...]",
    "Return low-level information on Docker objects",
    Words::AtLeast(1),
    run,
)
.flags(&[&[
    Flag::text("format", format::INSPECT_HELP).short('f'),
    Flag::switch("size", "Display total file sizes if the type is container").short('s'),
    Flag::text("type", "Only inspect objects of the given type"),
]]);

const KINDS: &[&str] =
    &["config", "container", "image", "network", "node", "plugin", "secret", "service", "task", "volume"];

/// The kinds that a name is looked up among, in this order.
const SEARCHED: &[&str] = &["container", "image", "network", "volume", "plugin"];

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let kind = typed.text("type");
    let kinds = KINDS.join("\", \"");
    if typed.has("type") && kind.is_empty() {
        return Err(fail!("type is empty: must be one of \"{kinds}\""));
    }
    if !kind.is_empty() && !KINDS.contains(&kind) {
        return Err(fail!("unknown type: {}: must be one of \"{kinds}\"", quote(kind)));
    }
    let with_size = typed.is_on("size");
    inspect::show(&typed.positionals, typed.text("format"), |name| {
        let searched = if kind.is_empty() { SEARCHED } else { &[kind][..] };
        for candidate in searched {
            match find(session, candidate, name, with_size) {
                Ok(found) => {
                    if with_size && *candidate != "container" {
                        output::error_line(&format!("WARNING: --size ignored for {candidate}"));
                    }
                    return Ok(found);
                }
                Err(error) if kind.is_empty() && is_elsewhere(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(fail!("Error: No such object: {name}"))
    })
}

/// Whether the error only says that the object is of another kind.
fn is_elsewhere(error: &client::Error) -> bool {
    let text = error.to_string();
    error.is_not_found() || text.contains("not supported") || text.contains("invalid reference format")
}

fn find(session: &Session, kind: &str, name: &str, with_size: bool) -> Result<Value, client::Error> {
    let name = check_name(kind, name).map_err(|failure| client::Error::Document(failure.text))?;
    let other = |path: String| {
        let client = session.client().map_err(|failure| client::Error::Document(failure.text))?;
        client.get(&path).send()?.value()
    };
    match kind {
        "container" => container_inspect::find(session, name, with_size),
        "image" => image_inspect::find(session, name, ""),
        "network" => network_inspect::find(session, name, false),
        "volume" => volume_inspect::find(session, name),
        "plugin" => other(format!("/plugins/{name}/json")),
        kind => other(format!("/{kind}s/{name}")),
    }
}
