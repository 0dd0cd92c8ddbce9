//! `start`: containers that were created or have ended.

use super::{check_name, run};
use crate::command::{Command, Words};
use crate::detach;
use crate::failure::{Failure, fail};
use crate::output;
use crate::session::Session;
use crate::signals::{self, Handling, Target};
use crate::streams::{self, Attachment, Ended};
use crate::terminal;
use crate::wait;
use engine_api::container::{ContainerInspectResponse, WaitCondition};
use flags::{Flag, Typed};

/// `start`.
pub(crate) static START: Command = Command::new(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Start one or more stopped containers",
    Words::AtLeast(1),
    start,
)
.aliases("container start, start")
.flags(&[&[
    Flag::switch("attach", "Attach STDOUT/STDERR and forward signals").short('a'),
    Flag::switch("interactive", "Attach container's STDIN").short('i'),
    Flag::text("detach-keys", "Override the key sequence for detaching a container"),
    Flag::text("checkpoint", "Restore from this checkpoint").experimental(),
    Flag::text("checkpoint-dir", "Use a custom checkpoint storage directory").experimental(),
]]);

fn start(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let names = &typed.positionals;
    if typed.is_on("attach") || typed.is_on("interactive") {
        return match names.as_slice() {
            [name] => start_attached(session, typed, name),
            _ => Err(Failure::new("you cannot start and attach multiple containers at once")),
        };
    }
    if !typed.text("checkpoint").is_empty() {
        return match names.as_slice() {
            [name] => start_one(session, typed, name),
            _ => Err(Failure::new("you cannot restore multiple containers at once")),
        };
    }
    let mut failed: Vec<&str> = Vec::new();
    for name in names {
        match start_one(session, typed, name) {
            Ok(()) => output::line(name),
            Err(failure) => {
                failure.show(session.program);
                failed.push(name);
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(fail!("Error: failed to start containers: {}", failed.join(", ")))
}

fn start_one(session: &Session, typed: &Typed, name: &str) -> Result<(), Failure> {
    let name = check_name("container", name)?;
    let call = session
        .client()?
        .post(&format!("/containers/{name}/start"))
        .query_some("checkpoint", typed.text("checkpoint"))
        .query_some("checkpoint-dir", typed.text("checkpoint-dir"));
    call.send()?.bytes()?;
    Ok(())
}

fn start_attached(session: &Session, typed: &Typed, name: &str) -> Result<(), Failure> {
    let name = check_name("container", name)?;
    let client = session.client()?;
    let container: ContainerInspectResponse =
        client.get(&format!("/containers/{name}/json")).send()?.json()?;
    let (id, tty) = (&container.id, container.config.tty);
    let keys = match typed.text("detach-keys") {
        "" => session.globals.config.detach_keys.as_str(),
        keys => keys,
    };
    let attachment = Attachment {
        stdin: typed.is_on("interactive") && container.config.open_stdin,
        stdout: true,
        stderr: true,
        tty,
        detach_keys: detach::keys(keys),
    };
    let handling = if tty { Handling::End } else { Handling::Forward };
    let watch = signals::collect(handling);
    let process =
        run::attach(client, id, &attachment, keys).map_err(|error| session.explain_hijack(error))?;
    let removes = container.host_config.auto_remove;
    let condition = if removes { WaitCondition::Removed } else { WaitCondition::NextExit };
    let wait = wait::begin(client, id, condition);
    let target = Target::Container(id.clone());
    let resizes = tty && terminal::is_stdout();
    watch.start(client, target.clone(), handling, resizes);
    if let Err(failure) = start_one(session, typed, id) {
        drop(process);
        if removes {
            wait.finish();
        }
        return Err(failure);
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
