//! `logs`: what a container has said.

use super::check_name;
use crate::command::{Command, Words};
use crate::failure::{Failure, fail};
use crate::output::{Bytes, Channel};
use crate::session::Session;
use crate::streams;
use crate::zone;
use engine_api::container::ContainerInspectResponse;
use flags::{Flag, Typed};
use std::io;
use std::time::SystemTime;

/// `logs`.
pub(crate) static LOGS: Command =
    Command::new("[OPTIONS] CONTAINER", "Fetch the logs of a container", Words::Exactly(1), run)
        .aliases("container logs, logs")
        .flags(&[&[
            Flag::switch("details", "Show extra details provided to logs"),
            Flag::switch("follow", "Follow log output").short('f'),
            Flag::text(
                "since",
                r#"Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)"#,
            ),
            Flag::text("tail", "Number of lines to show from the end of the logs").short('n').default("all"),
            Flag::switch("timestamps", "Show timestamps").short('t'),
            Flag::text(
                "until",
                r#"Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)"#,
            )
            .since("1.35"),
        ]]);

/// The time that `--since` or `--until` means, as the API takes it; nothing for nothing.
pub(super) fn moment(text: &str) -> Result<String, String> {
    // A moment in the API's own form goes as it is; so does 0, which is no duration here.
    if text.is_empty() || units::time::parse_unix(text).is_some() {
        return Ok(text.to_owned());
    }
    let now = SystemTime::now();
    let moment = units::time::parse_moment(text, now, zone::offset_at(now).seconds)?;
    Ok(units::time::format_unix(moment))
}

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let client = session.client()?;
    let time =
        |flag: &str| moment(typed.text(flag)).map_err(|error| fail!("invalid value for \"{flag}\": {error}"));
    let name = check_name("container", &typed.positionals[0])?;
    let answer = client
        .get(&format!("/containers/{name}/logs"))
        .query("stdout", "1")
        .query("stderr", "1")
        .query_some("since", time("since")?)
        .query_some("until", time("until")?)
        .query_if("timestamps", typed.is_on("timestamps"))
        .query_if("details", typed.is_on("details"))
        .query_if("follow", typed.is_on("follow"))
        .query("tail", typed.text("tail"))
        .send()?;
    let has_frames = match answer.header("Content-Type") {
        Some("application/vnd.docker.multiplexed-stream") => true,
        Some("application/vnd.docker.raw-stream") => false,
        _ => {
            let call = client.get(&format!("/containers/{name}/json"));
            !call.send()?.json::<ContainerInspectResponse>()?.config.tty
        }
    };
    let mut body = answer.into_body();
    let copied = if has_frames {
        client::demultiplex(&mut body, &mut Bytes(Channel::Out), &mut Bytes(Channel::Error))
    } else {
        streams::copy_bytes(&mut body, &mut Bytes(Channel::Out))
    };
    copied.map_err(|error: io::Error| Failure::new(error.to_string()))
}
