//! Brings a container or an exec to life with the runtime library.

use std::error::Error;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use cgroup::Group;
use network::EndpointPlan;
use oci_spec::runtime::{NamespaceKind, Process, Spec};
use runtime::seccomp::Program;
use runtime::{
    CreateError, CreateOptions, CreateRequest, ExecRequest, LineEnds, Stdio, UserWish as RuntimeUser,
    WindowSize,
};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::client::{SOCKET, open_dir, socket_address};
use crate::groundwork::Ground;
use crate::log::{self, Log};
use crate::protocol::{ExecOptions, Launch, NetworkWish, Refusal, RefusalKind, Started, StdinWish, UserWish};
use crate::streams::{Ends, Streams};

/// A container that runs.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) started: Started,
    pub(crate) pidfd: OwnedFd,
    pub(crate) group: Option<Group>,
    /// Keeps the root file system mounted; let go after the exit was reported.
    pub(crate) rootfs_mount: Option<OwnedFd>,
    pub(crate) streams: Streams,
    pub(crate) log: Log,
    pub(crate) listener: OwnedFd,
    pub(crate) endpoints: Vec<EndpointPlan>,
    pub(crate) filter: Option<Program>,
    /// What it was made from; taken by whoever writes it down.
    pub(crate) spec: Option<Spec>,
    /// Whether the end of the first process is the end of all of them.
    pub(crate) has_own_pids: bool,
}

/// Starts the container that `launch` describes.
///
/// What needs no container (log, socket) and what needs only its namespaces (network) is done while the child mounts.
///
/// The last thing before the program runs is to ask whether it `is_wanted`: a daemon that was killed meanwhile may
/// already have come back, found no socket and taken the container for stopped. One that comes back later finds the
/// socket, which is there by then.
pub(crate) fn start(
    mut ground: Ground,
    launch: &Launch,
    is_wanted: &dyn Fn() -> bool,
) -> Result<Container, Refusal> {
    let process = ground.spec().process.as_ref();
    let has_own_pids = has_own_pids(ground.spec());
    let (stdio, ours) = make_stdio(process, launch.stdin).map_err(|error| refuse_io("make pipes", error))?;
    let user = launch.user.as_ref().map(user_wish);
    let mut side = None;
    let advance = ground.take_advance();
    let request = CreateRequest {
        id: ground.id(),
        spec: ground.spec(),
        rootfs: ground.rootfs(),
        user,
        stdio,
        cgroup: ground.plan(),
        seccomp: ground.filter(),
        gate: None,
        options: CreateOptions { advance, ..CreateOptions::default() },
    };
    let mut created = runtime::create(request, &mut |newborn| {
        attach_network(&launch.network, newborn)?;
        side = Some((Log::open(&launch.log)?, listen_in(&launch.exec_dir)?));
        Ok(())
    })
    .map_err(|error| refuse(&error))?;
    let group = created.cgroup.take();
    let begun = match is_wanted() {
        true => begin(&mut created, ours, launch.stdin),
        false => Err(Refusal::new(RefusalKind::Failed, "the daemon that asked for it is gone")),
    };
    let (streams, (log, listener)) = match begun.and_then(|streams| Ok((streams, side.ok_or_else(no_side)?)))
    {
        Ok(parts) => parts,
        Err(refusal) => {
            // Dropping ends the child that has not begun; its group can go then.
            drop(created);
            if let Some(group) = group {
                let _ = group.remove();
            }
            return Err(refusal);
        }
    };
    let endpoints = match &launch.network {
        NetworkWish::Endpoints(endpoints) => endpoints.clone(),
        NetworkWish::Untouched | NetworkWish::Loopback => Vec::new(),
    };
    Ok(Container {
        started: Started { pid: created.pid, start_time: created.start_time, started_at: log::now() },
        rootfs_mount: created.rootfs_mount.take(),
        pidfd: created.pidfd,
        group,
        streams,
        log,
        listener,
        endpoints,
        spec: Some(std::mem::take(ground.spec_mut())),
        filter: ground.into_filter(),
        has_own_pids,
    })
}

fn no_side() -> Refusal {
    Refusal::new(RefusalKind::Failed, "the container was created without its log")
}

fn begin(created: &mut runtime::Created, ours: Option<Ends>, stdin: StdinWish) -> Result<Streams, Refusal> {
    let ends = ours.or_else(|| created.terminal.take().map(Ends::Terminal)).unwrap_or(Ends::None);
    let streams = Streams::new(ends, stdin).map_err(|error| refuse_io("watch streams", error))?;
    created.start().map_err(|error| refuse(&error))?;
    Ok(streams)
}

/// A process that was started in a running container.
#[derive(Debug)]
pub(crate) struct ExecProcess {
    pub(crate) started: Started,
    pub(crate) pidfd: OwnedFd,
    pub(crate) streams: Streams,
}

/// Starts a further process in `container`.
pub(crate) fn exec(container: &Container, options: &ExecOptions) -> Result<ExecProcess, Refusal> {
    let wants_input = options.client.as_ref().is_some_and(|client| client.stdin);
    let stdin = if wants_input { StdinWish::Once } else { StdinWish::Closed };
    let (stdio, ours) = if options.client.is_none() && !options.process.terminal {
        (Stdio::Null, Some(Ends::None))
    } else {
        make_stdio(Some(&options.process), stdin).map_err(|error| refuse_io("make pipes", error))?
    };
    let child = runtime::exec(ExecRequest {
        pid: container.started.pid,
        pidfd: container.pidfd.as_fd(),
        process: &options.process,
        user: options.user.as_ref().map(user_wish),
        stdio,
        cgroup: container.group.as_ref(),
        seccomp: container.filter.as_ref(),
        options: runtime::ExecOptions::default(),
    })
    .map_err(|error| refuse(&error))?;
    let ends = ours.or_else(|| child.terminal.map(Ends::Terminal)).unwrap_or(Ends::None);
    let started =
        Started { pid: child.pid, start_time: start_time(child.pid).unwrap_or(0), started_at: log::now() };
    let streams = Streams::new(ends, stdin).map_err(|error| refuse_io("watch streams", error))?;
    Ok(ExecProcess { started, pidfd: child.pidfd, streams })
}

fn has_own_pids(spec: &Spec) -> bool {
    let linux = spec.linux.as_ref();
    linux.and_then(|linux| linux.find_namespace(NamespaceKind::Pid)).is_some_and(|own| own.path.is_empty())
}

fn user_wish(wish: &UserWish) -> RuntimeUser<'_> {
    RuntimeUser { user: &wish.name, additional_groups: &wish.groups }
}

/// The streams of a new process: what it gets, and our ends unless a terminal is made on the way.
fn make_stdio(process: Option<&Process>, stdin: StdinWish) -> rustix::io::Result<(Stdio, Option<Ends>)> {
    if let Some(process) = process.filter(|process| process.terminal) {
        let size = process.console_size.map(|size| WindowSize {
            rows: u16::try_from(size.height).unwrap_or(u16::MAX),
            columns: u16::try_from(size.width).unwrap_or(u16::MAX),
        });
        return Ok((Stdio::Terminal { size, line_ends: LineEnds::Return }, None));
    }
    let (stdin, our_stdin) = match stdin {
        StdinWish::Closed => (None, None),
        StdinWish::Open | StdinWish::Once => {
            let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
            (Some(read), Some(write))
        }
    };
    let (our_stdout, stdout) = pipe_with(PipeFlags::CLOEXEC)?;
    let (our_stderr, stderr) = pipe_with(PipeFlags::CLOEXEC)?;
    let ours = Ends::Pipes { stdin: our_stdin, stdout: our_stdout, stderr: our_stderr };
    Ok((Stdio::Pipes { stdin, stdout, stderr }, Some(ours)))
}

fn attach_network(
    wish: &NetworkWish,
    newborn: &runtime::Newborn<'_>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    match wish {
        NetworkWish::Untouched => {}
        NetworkWish::Loopback => network::loopback_up(newborn.net_namespace()?.as_fd())?,
        NetworkWish::Endpoints(endpoints) => {
            let namespace = newborn.net_namespace()?;
            for endpoint in endpoints {
                network::attach(endpoint, namespace.as_fd())?;
            }
        }
    }
    Ok(())
}

/// Listens on the container's socket. One that is left over from an earlier run is replaced.
fn listen_in(exec_dir: &Path) -> rustix::io::Result<OwnedFd> {
    let dir = open_dir(exec_dir)?;
    let _ = rustix::fs::unlinkat(&dir, SOCKET, rustix::fs::AtFlags::empty());
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    bind(&socket, &socket_address(dir.as_fd())?)?;
    listen(&socket, 64)?;
    Ok(socket)
}

/// Field 22 of `/proc/PID/stat`. The name in field 2 may contain anything, so counting begins after its bracket.
fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

pub(crate) fn refuse(error: &CreateError) -> Refusal {
    let (step, errno) = match error {
        CreateError::Step { what, errno } => (what.clone(), Some(errno.raw_os_error())),
        CreateError::Program { .. } => ("exec".to_owned(), None),
        CreateError::User(_) => ("user".to_owned(), None),
        CreateError::Cgroup(_) => ("cgroup".to_owned(), None),
        CreateError::Overlay(error) => ("overlay".to_owned(), Some(error.errno.raw_os_error())),
        CreateError::Invalid(_) => ("spec".to_owned(), None),
        CreateError::Hook(_) => ("hook".to_owned(), None),
        CreateError::NetDevice { .. } | CreateError::WhileMounting(_) => ("network".to_owned(), None),
        CreateError::Gone | CreateError::Late(_) => ("init".to_owned(), None),
    };
    Refusal {
        kind: RefusalKind::Start,
        message: chain(error),
        step: Some(step),
        errno,
        exit_code: Some(i32::from(error.exit_code())),
    }
}

fn refuse_io(step: &str, errno: rustix::io::Errno) -> Refusal {
    Refusal {
        kind: RefusalKind::Start,
        message: format!("cannot {step}: {}", plain(&errno.to_string())),
        step: Some(step.to_owned()),
        errno: Some(errno.raw_os_error()),
        exit_code: Some(128),
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = plain(&error.to_string());
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = plain(&error.to_string());
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

/// The kernel's words as other programs of this field print them: `permission denied`, without the number.
fn plain(text: &str) -> String {
    let Some((words, _)) = text.split_once(" (os error ") else { return text.to_owned() };
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_in_one_line_without_numbers() {
        let error = CreateError::Step { what: "mount proc".into(), errno: rustix::io::Errno::PERM };
        assert_eq!(refuse(&error).message, "mount proc: operation not permitted");
        assert_eq!(refuse(&error).errno, Some(1));
    }

    #[test]
    fn the_start_time_of_this_process_is_known() {
        assert!(start_time(std::process::id()).unwrap() > 0);
        assert_eq!(start_time(u32::MAX), None);
    }
}
