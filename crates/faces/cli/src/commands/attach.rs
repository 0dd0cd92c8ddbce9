//! `attach`: the streams of a container that runs.

use super::{check_name, run};
use crate::command::{Command, Words};
use crate::detach;
use crate::failure::Failure;
use crate::session::Session;
use crate::signals::{self, Handling, Target};
use crate::streams::{self, Attachment, Ended};
use crate::terminal;
use crate::wait;
use client::Client;
use engine_api::container::{ContainerInspectResponse, WaitCondition};
use flags::{Flag, Typed};

/// `attach`.
pub(crate) static ATTACH: Command = Command::new(
    "[OPTIONS] CONTAINER",
    "Attach local standard input, output, and error streams to a running container",
    Words::Exactly(1),
    attach,
)
.aliases("container attach, attach")
.flags(&[&[
    Flag::text("detach-keys", "Override the key sequence for detaching a container"),
    Flag::switch("no-stdin", "Do not attach STDIN"),
    Flag::switch("sig-proxy", "Proxy all received signals to the process").default("true"),
]]);

/// The container, if it can be attached to.
fn inspect(client: &Client, name: &str) -> Result<ContainerInspectResponse, Failure> {
    let container: ContainerInspectResponse =
        client.get(&format!("/containers/{name}/json")).send()?.json()?;
    let state = &container.state;
    if !state.running {
        return Err(Failure::new("You cannot attach to a stopped container, start it first"));
    }
    if state.paused {
        return Err(Failure::new("You cannot attach to a paused container, unpause it first"));
    }
    if state.restarting {
        return Err(Failure::new("You cannot attach to a restarting container, wait until it is running"));
    }
    Ok(container)
}

fn attach(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let client = session.client()?;
    let name = check_name("container", &typed.positionals[0])?;
    let wait = wait::begin(client, name, WaitCondition::NotRunning);
    let container = inspect(client, name)?;
    let tty = container.config.tty;
    let wants_stdin = !typed.is_on("no-stdin");
    streams::check_terminal(wants_stdin, tty)?;
    let keys = match typed.text("detach-keys") {
        "" => session.globals.config.detach_keys.as_str(),
        keys => keys,
    };
    let attachment = Attachment {
        stdin: wants_stdin && container.config.open_stdin,
        stdout: true,
        stderr: true,
        tty,
        detach_keys: detach::keys(keys),
    };
    let handling = if typed.is_on("sig-proxy") && !tty { Handling::Forward } else { Handling::End };
    let watch = (handling == Handling::Forward || tty).then(|| signals::collect(handling));
    let process = run::attach(client, &container.id, &attachment, keys)
        .map_err(|error| session.explain_hijack(error))?;
    // It may have ended since; then nobody would end the attachment.
    inspect(client, name)?;
    let target = Target::Container(container.id.clone());
    let resizes = tty && terminal::is_stdout();
    if let Some(watch) = watch {
        watch.start(client, target.clone(), handling, resizes);
    }
    if let (true, Some(size)) = (resizes, terminal::size()) {
        // A change of size makes a shell draw its prompt again; so change it, and then back.
        drop(signals::resize_to(
            client,
            &target,
            size.rows.saturating_add(1),
            size.columns.saturating_add(1),
        ));
        signals::resize_first(client, &target);
    }
    if streams::copy(process, &attachment)? == Ended::Detached {
        return Err(Failure::new("read escape sequence"));
    }
    match wait.finish() {
        0 => Ok(()),
        code => Err(Failure::exit(code)),
    }
}
