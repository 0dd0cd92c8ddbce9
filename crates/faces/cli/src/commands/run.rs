//! `run`: create, attach, start, wait.
//!
//! ```text
//! create ─▶ attach ─▶ wait (registered) ─▶ start ─▶ copy streams ─▶ exit code of the wait
//! ```
//!
//! The attachment comes before the start so that no output is lost, and the wait so that no exit is.

use super::create;
use crate::command::{Command, Words};
use crate::container::Wish;
use crate::detach;
use crate::failure::{Failure, NOT_EXECUTABLE, NOT_FOUND, USAGE};
use crate::output;
use crate::session::Session;
use crate::signals::{self, Handling, Target};
use crate::streams::{self, Attachment, Ended};
use crate::terminal;
use crate::wait;
use client::{Client, Hijacked};
use engine_api::container::WaitCondition;
use flags::{Flag, Typed};
use std::sync::Arc;

/// `run`.
pub(crate) static RUN: Command = Command::new(
    "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    "Create and run a new container from an image",
    Words::AtLeast(1),
    run,
)
.aliases("container run, run")
.flags(&TABLES)
.flags_first()
.starts_engine();

const TABLES: [&[Flag]; crate::container::TABLES.len() + 2] = create::with_shared(&[
    Flag::switch("detach", "Run container in background and print container ID").short('d'),
    Flag::text("detach-keys", "Override the key sequence for detaching a container"),
    Flag::text("pull", r#"Pull image before running ("always", "missing", "never")"#).default("missing"),
    Flag::switch("sig-proxy", "Proxy received signals to the process").default("true"),
]);

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let mut wish = create::parse(session, typed, "run")?;
    if !typed.is_on("detach") {
        streams::check_terminal(wish.config.attach_stdin, wish.config.tty)?;
    } else if typed.has("attach") {
        return Err(Failure::new("conflicting options: cannot specify both --attach and --detach"));
    } else {
        detach_streams(&mut wish);
    }
    let attachment = attachment(session, typed, &wish);
    let removes = wish.host.auto_remove;
    let forwards = typed.is_on("sig-proxy");
    let failed = |failure: Failure| explain(session, failure);
    let id = create::create(session, typed, wish).map_err(failed)?;
    let client = session.client()?;
    let attaches = attachment.stdin || attachment.stdout || attachment.stderr;
    if !attaches {
        output::line(&id);
        return start(client, &id).map_err(|error| failed(error.into()));
    }
    let handling = if forwards { Handling::Forward } else { Handling::End };
    let resizes = attachment.tty && terminal::is_stdout();
    let watch = (forwards || attachment.tty).then(|| signals::collect(handling));
    let process = attach(client, &id, &attachment, &keys_text(session, typed))
        .map_err(|error| session.explain_hijack(error))?;
    let condition = if removes { WaitCondition::Removed } else { WaitCondition::NextExit };
    let wait = wait::begin(client, &id, condition);
    let target = Target::Container(id.clone());
    if let Some(watch) = watch {
        watch.start(client, target.clone(), handling, resizes);
    }
    if let Err(error) = start(client, &id) {
        drop(process);
        if removes {
            wait.finish();
        }
        return Err(failed(error.into()));
    }
    if resizes {
        signals::resize_first(client, &target);
    }
    if streams::copy(process, &attachment)? == Ended::Detached {
        return Ok(());
    }
    match wait.finish() {
        0 => Ok(()),
        code => Err(Failure::exit(code)),
    }
}

fn detach_streams(wish: &mut Wish) {
    let config = &mut wish.config;
    (config.attach_stdin, config.attach_stdout, config.attach_stderr) = (false, false, false);
    config.stdin_once = false;
}

fn keys_text(session: &Session, typed: &Typed) -> String {
    match typed.text("detach-keys") {
        "" => session.globals.config.detach_keys.clone(),
        keys => keys.to_owned(),
    }
}

fn attachment(session: &Session, typed: &Typed, wish: &Wish) -> Attachment {
    Attachment {
        stdin: wish.config.attach_stdin,
        stdout: wish.config.attach_stdout,
        stderr: wish.config.attach_stderr,
        tty: wish.config.tty,
        detach_keys: detach::keys(&keys_text(session, typed)),
    }
}

/// Takes a connection over for the container's streams.
pub(super) fn attach(
    client: &Client,
    id: &str,
    attachment: &Attachment,
    keys: &str,
) -> Result<Hijacked, client::Error> {
    client
        .post(&format!("/containers/{id}/attach"))
        .query("stream", "1")
        .query_if("stdin", attachment.stdin)
        .query_if("stdout", attachment.stdout)
        .query_if("stderr", attachment.stderr)
        .query_some("detachKeys", keys)
        .header("Content-Type", "text/plain")
        .hijack()
}

/// Starts the container.
pub(super) fn start(client: &Arc<Client>, id: &str) -> Result<(), client::Error> {
    client.post(&format!("/containers/{id}/start")).send()?.bytes().map(drop)
}

/// The exit code of a run that failed: 127 if the command is not there, 126 if it cannot be executed, else 125.
fn explain(session: &Session, failure: Failure) -> Failure {
    let has = |signs: &[&str]| signs.iter().any(|sign| failure.text.contains(sign));
    let code = if has(&[
        "executable file not found",
        "no such file or directory",
        "system cannot find the file specified",
    ]) {
        NOT_FOUND
    } else if has(&["permission denied", "is a directory"]) {
        NOT_EXECUTABLE
    } else {
        USAGE
    };
    let helped = create::with_help(session, &failure.text, "run");
    Failure { text: helped.text, hint: failure.hint, code }
}
