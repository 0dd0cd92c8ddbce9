//! `exec`: a further process in a container that runs.

use super::check_name;
use crate::command::{Command, Words};
use crate::detach;
use crate::failure::{Failure, fail};
use crate::keyvalue::{self, BareKey};
use crate::session::Session;
use crate::signals::{self, Handling, Target};
use crate::streams::{self, Attachment, Ended};
use crate::terminal;
use client::Response;
use engine_api::exec::{ExecCreateRequest, ExecCreateResponse, ExecInspectResponse, ExecStartRequest};
use flags::{Flag, Typed};

/// `exec`.
pub(crate) static EXEC: Command = Command::new(
    "[OPTIONS] CONTAINER COMMAND [ARG...]",
    "Execute a command in a running container",
    Words::AtLeast(2),
    exec,
)
.aliases("container exec, exec")
.flags_first()
.flags(&[&[
    Flag::switch("detach", "Detached mode: run command in the background").short('d'),
    Flag::text("detach-keys", "Override the key sequence for detaching a container"),
    Flag::list("env", "Set environment variables").short('e').check(keyvalue::check_variable).since("1.25"),
    Flag::list("env-file", "Read in a file of environment variables").since("1.25"),
    Flag::switch("interactive", "Keep STDIN open even if not attached").short('i'),
    Flag::switch("privileged", "Give extended privileges to the command"),
    Flag::switch("tty", "Allocate a pseudo-TTY").short('t'),
    Flag::text("user", "Username or UID (format: \"<name|uid>[:<group|gid>]\")").short('u'),
    Flag::text("workdir", "Working directory inside the container").short('w').since("1.35"),
]]);

fn parse(session: &Session, typed: &Typed) -> Result<ExecCreateRequest, Failure> {
    let mut env = Vec::new();
    for file in typed.all("env-file") {
        env.extend(keyvalue::read_file(file, BareKey::Variable).map_err(Failure::new)?);
    }
    env.extend(typed.all("env").into_iter().map(keyvalue::variable));
    let attaches = !typed.is_on("detach");
    let keys = match typed.text("detach-keys") {
        "" => session.globals.config.detach_keys.as_str(),
        keys => keys,
    };
    Ok(ExecCreateRequest {
        user: typed.text("user").to_owned(),
        privileged: typed.is_on("privileged"),
        tty: typed.is_on("tty"),
        attach_stdin: attaches && typed.is_on("interactive"),
        attach_stdout: attaches,
        attach_stderr: attaches,
        detach_keys: keys.to_owned(),
        env: (!env.is_empty()).then_some(env),
        working_dir: typed.text("workdir").to_owned(),
        cmd: Some(typed.positionals[1..].to_vec()),
        ..ExecCreateRequest::default()
    })
}

fn exec(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let mut request = parse(session, typed)?;
    let client = session.client()?;
    let name = check_name("container", &typed.positionals[0])?;
    if let (false, Err(refused)) =
        (typed.is_on("detach"), streams::check_terminal(request.attach_stdin, request.tty))
    {
        // That there is no such container is the more important news.
        client.get(&format!("/containers/{name}/json")).send()?;
        return Err(refused);
    }
    request.console_size = request.tty.then(|| {
        let size = terminal::size();
        size.map_or([0, 0], |size| [u32::from(size.rows), u32::from(size.columns)])
    });
    let created: ExecCreateResponse =
        client.post(&format!("/containers/{name}/exec")).json(&request).send()?.json()?;
    if created.id.is_empty() {
        return Err(Failure::new("exec ID empty"));
    }
    let id = created.id;
    let start = ExecStartRequest {
        detach: typed.is_on("detach"),
        tty: request.tty,
        console_size: request.console_size,
    };
    let call = client.post(&format!("/exec/{id}/start")).json(&start);
    if start.detach {
        call.send()?.bytes()?;
        return Ok(());
    }
    let watch = request.tty.then(|| signals::collect(Handling::End));
    let process = call.hijack().map_err(|error| session.explain_hijack(error))?;
    let target = Target::Exec(id.clone());
    let resizes = request.tty && terminal::is_stdin();
    if let Some(watch) = watch {
        watch.start(client, target.clone(), Handling::End, resizes);
    }
    if resizes {
        signals::resize_first(client, &target);
    }
    let attachment = Attachment {
        stdin: request.attach_stdin,
        stdout: true,
        stderr: true,
        tty: request.tty,
        detach_keys: detach::keys(&request.detach_keys),
    };
    if streams::copy(process, &attachment)? == Ended::Detached {
        return Err(Failure::new("read escape sequence"));
    }
    let ended =
        client.get(&format!("/exec/{id}/json")).send().and_then(Response::json::<ExecInspectResponse>);
    match ended {
        Ok(ended) if ended.exit_code.unwrap_or(0) == 0 => Ok(()),
        Ok(ended) => Err(Failure::exit(ended.exit_code.unwrap_or(0))),
        // The daemon went away; how the process ended is not known.
        Err(error) if error.is_connection() => Err(Failure::exit(-1)),
        Err(error) => Err(fail!("{error}")),
    }
}
