//! `stop`: containers asked to end, and killed if they don't.

use super::check_name;
use crate::command::{Command, Words};
use crate::failure::Failure;
use crate::parallel;
use crate::session::Session;
use client::{Client, Error, Request};
use flags::{Flag, Typed};

/// `stop`.
pub(crate) static STOP: Command = Command::new(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Stop one or more running containers",
    Words::AtLeast(1),
    run,
)
.aliases("container stop, stop")
.flags(&[FLAGS]);

/// The flags of `stop` and `restart`.
pub(super) const FLAGS: &[Flag] = &[
    Flag::text("signal", "Signal to send to the container").short('s'),
    Flag::int("time", "Seconds to wait before killing the container (deprecated: use --timeout)")
        .deprecated("use --timeout instead"),
    Flag::int("timeout", "Seconds to wait before killing the container").short('t'),
];

/// Refuses a time given under both names.
pub(super) fn check(typed: &Typed) -> Result<(), Failure> {
    if typed.has("time") && typed.has("timeout") {
        return Err(Failure::new("conflicting options: cannot specify both --timeout and --time"));
    }
    Ok(())
}

/// `POST /containers/{name}/{verb}` with the flags of `stop` and `restart`.
pub(super) fn request<'c>(client: &'c Client, typed: &Typed, name: &str, verb: &str) -> Request<'c> {
    let time = ["timeout", "time"].into_iter().find(|flag| typed.has(flag));
    let call = client.post(&format!("/containers/{name}/{verb}")).query_some("signal", typed.text("signal"));
    match time {
        Some(flag) => call.query("t", typed.int(flag).to_string()),
        None => call,
    }
}

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    check(typed)?;
    let client = session.client()?;
    parallel::for_each(&typed.positionals, |name| {
        let name = check_name("container", name)?;
        let stopped = request(client, typed, name, "stop").send();
        stopped.and_then(|answer| answer.bytes()).map(drop).map_err(|error: Error| error.into())
    })
}
