//! Running a further process in a running container.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use cgroup::Group;
use mount::defence::Defence;
use oci_spec::runtime::{Linux, NamespaceKind, Process};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::{DumpableBehavior, dumpable_behavior};
use sys::credentials::set_dumpable;
use sys::process::{Birth, clone_process};

use crate::birth::{in_pid_namespace, open_namespace};
use crate::child::{Common, ExecChild as Joiner, run_exec};
use crate::create::available;
use crate::error::CreateError;
use crate::handshake::Ward;
use crate::label;
use crate::options::ExecOptions;
use crate::plan::{ProcessPlan, personality, text};
use crate::process::{Stdio, UserWish, find_user};
use crate::seccomp::Program;

/// How long the process may take to join, and to begin. The caller serves the container meanwhile to nobody else, and
/// a daemon takes a supervisor that is silent for ten seconds for lost.
const LIMIT: Duration = Duration::from_secs(4);

/// A process to run in a running container.
#[derive(Debug)]
pub struct ExecRequest<'a> {
    /// The container's first process.
    pub pid: u32,
    /// Its handle: the namespaces are joined through it.
    pub pidfd: BorrowedFd<'a>,
    /// What to run and how.
    pub process: &'a Process,
    /// A user by name, to be found in the container's files; overrides the ids of `process.user`.
    pub user: Option<UserWish<'a>>,
    /// Standard streams.
    pub stdio: Stdio,
    /// The container's control group.
    pub cgroup: Option<&'a cgroup::Group>,
    /// The compiled filter.
    pub seccomp: Option<&'a Program>,
    /// Rarer wishes.
    pub options: ExecOptions<'a>,
}

/// A process that runs in the container; a child of the caller, who reaps it.
#[derive(Debug)]
pub struct ExecChild {
    /// Its id in the caller's PID namespace.
    pub pid: u32,
    /// Its handle.
    pub pidfd: OwnedFd,
    /// The master side of its terminal.
    pub terminal: Option<OwnedFd>,
}

/// Joins all namespaces of the container (user and time namespaces when [`ExecOptions::linux`] has them) and its cgroup, and runs the program.
///
/// Must be called by a single-threaded process: the child runs on a copy of its memory. The container cannot look into
/// the child before the program begins: it is not dumpable.
///
/// # Errors
/// See [`CreateError`]. Nothing is left behind.
pub fn exec(request: ExecRequest<'_>) -> Result<ExecChild, CreateError> {
    let place = PathBuf::from(format!("/proc/{}", request.pid));
    let root =
        openat(CWD, place.join("root"), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| CreateError::step("cannot exec in a stopped container", errno))?;
    let user = find_user(root.as_fd(), request.user, request.process)?;
    // Whoever joins the host's namespace of mounts begins in the host's root.
    let shares_mounts = |linux: &Linux| linux.find_namespace(NamespaceKind::Mount).is_none();
    let root = Some(root).filter(|_| request.options.linux.is_some_and(shares_mounts));
    let mut process = ProcessPlan::new(request.process, &user, available()?)?;
    label::check(process.label.as_ref())?;
    let keyring = request.options.keyring_of.map(|id| text(&format!("_ses.{id}")));
    process.keyring = keyring.transpose()?;
    let linux = request.options.linux;
    process.personality = personality(linux)?;
    process.has_outer_limits = linux.is_some_and(|linux| linux.find_namespace(NamespaceKind::User).is_some());
    process.scheduling.add_cpus(request.process.exec_cpu_affinity.as_ref(), request.options.affinity)?;
    process.scheduling.add_memory(linux.and_then(|linux| linux.memory_policy.as_ref()))?;
    let (mut ours, theirs) =
        sys::socket::message_pair().map_err(|errno| CreateError::step("socketpair", errno))?;
    let tasks = request.cgroup.map(Group::tasks).unwrap_or_default();
    let folder = request.cgroup.map(Group::birthplace).transpose()?.flatten();
    let streams = request.stdio.into_streams()?;
    let common = Common {
        socket: theirs,
        process: &process,
        streams,
        filter: request.seccomp,
        tasks,
        preserved: request.options.preserved,
        gate: None,
    };
    let has = |kind| linux.is_some_and(|linux| linux.find_namespace(kind).is_some());
    let joiner = Joiner {
        common,
        container: request.pidfd,
        root,
        joins_user: has(NamespaceKind::User),
        joins_time: has(NamespaceKind::Time),
    };
    let birth = Birth { cgroup: folder.as_ref().map(AsFd::as_fd), ..Birth::default() };
    let pid_namespace = open_namespace(&place.join("ns/pid"))?;
    // Inherited by the child, and given back here: from its first instruction on, the container cannot trace it.
    let was_dumpable = matches!(dumpable_behavior(), Ok(DumpableBehavior::Dumpable));
    if Defence::Hidden.is_on() {
        set_dumpable(false).map_err(|errno| CreateError::step("cannot hide the joining process", errno))?;
    }
    let born = in_pid_namespace(Some(pid_namespace.as_fd()), || {
        clone_process(birth, || run_exec(&joiner, &mut ours))
    });
    if was_dumpable {
        let _ = set_dumpable(true);
    }
    let mut ward = Ward::new(born?, ours, LIMIT);
    if request.options.is_patient {
        ward.be_patient();
    }
    let tasks = joiner.into_rest();
    let from_child = |setback| CreateError::from_child(setback, None, &process, &tasks);
    ward.await_ready(request.options.listener, from_child)?;
    ward.apply(&process)?;
    ward.begin().map_err(from_child)?;
    let terminal = ward.terminal.take();
    let child = ward.release().ok_or(CreateError::Gone)?;
    Ok(ExecChild { pid: child.pid, pidfd: child.pidfd, terminal })
}
