//! How a container's child is born: directly, or by a process that goes ahead into namespaces.
//!
//! ```text
//! parent ─┬─ vanguard: joins by path, sets clocks, joins the user namespace ─ bears the child ─ ends
//!         └─ child (a sibling of the vanguard): new namespaces, owned by its user namespace
//! ```
//! What belongs to the host can only be joined before the user namespace, and what the child is born with belongs to
//! the user namespace only when that comes first. Clocks can be set before anybody lives in a time namespace.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use sys::process::{Birth, Child, Namespaces, clone_process, join_namespace, unshare};

use crate::error::CreateError;
use crate::plan::{IdMaps, NamespacePlan};
use crate::report::{Failure, LENGTH, Message, Step};

/// Namespaces to join, opened.
#[derive(Debug, Default)]
pub(crate) struct OpenNamespaces {
    /// In the order to join them.
    pub(crate) joins: Vec<(Namespaces, OwnedFd)>,
    pub(crate) pid: Option<OwnedFd>,
    pub(crate) user: Option<OwnedFd>,
}

impl OpenNamespaces {
    /// Those of the plan, and the network that is there already.
    pub(crate) fn open(plan: &NamespacePlan, network: Option<&OwnedFd>) -> Result<Self, CreateError> {
        let one = |path: &Option<_>| path.as_deref().map(open_namespace).transpose();
        let ready = network.map(|network| {
            let own = fcntl_dupfd_cloexec(network, 3).map_err(|errno| CreateError::step("dup", errno))?;
            Ok((Namespaces::NETWORK, own))
        });
        let joins = plan.joins.iter().map(|(kind, path)| Ok((*kind, open_namespace(path)?)));
        Ok(Self {
            // That of mounts is the last of the plan's.
            joins: ready.into_iter().chain(joins).collect::<Result<_, CreateError>>()?,
            pid: one(&plan.pid)?,
            user: one(&plan.user)?,
        })
    }
}

/// Clones a child with the namespaces of the plan. `opened` are those to join; where a vanguard goes ahead, it has joined
/// them, and the child must not.
pub(crate) fn bear(
    plan: &NamespacePlan,
    opened: &OpenNamespaces,
    cgroup: Option<BorrowedFd<'_>>,
    body: impl FnOnce() -> i32,
) -> Result<Child, CreateError> {
    let birth = Birth { namespaces: plan.new, cgroup, is_sibling: false };
    if !plan.needs_vanguard() {
        let pid = opened.pid.as_ref().map(AsFd::as_fd);
        return in_pid_namespace(pid, || clone_process(birth, body));
    }
    let failed = |errno| CreateError::step("error creating the container's process", errno);
    let (ours, theirs) = sys::socket::message_pair().map_err(failed)?;
    let vanguard = clone_process(Birth::default(), || {
        let outcome = go_ahead(plan, opened).and_then(|()| {
            clone_process(Birth { is_sibling: true, ..birth }, body).map_err(Step::Birth.failed())
        });
        let _ = match outcome {
            Ok(child) => sys::socket::send(theirs.as_fd(), &child.pid.to_ne_bytes(), &[child.pidfd.as_fd()]),
            Err(failure) => sys::socket::send(theirs.as_fd(), &Message::Failed(failure).to_bytes(), &[]),
        };
        0
    })
    .map_err(failed)?;
    drop(theirs);
    let (mut bytes, mut pidfd) = ([0; LENGTH], None);
    let received = sys::socket::receive(ours.as_fd(), &mut bytes, |fd| pidfd = Some(fd));
    let _ = waitid(WaitId::PidFd(vanguard.pidfd.as_fd()), WaitIdOptions::EXITED);
    match (received, pidfd) {
        (Ok(4), Some(pidfd)) => {
            let [a, b, c, d, ..] = bytes;
            Ok(Child { pid: u32::from_ne_bytes([a, b, c, d]), pidfd })
        }
        (Ok(LENGTH), _) => match Message::from_bytes(bytes) {
            Some(Message::Failed(Failure { step, errno, .. })) => Err(CreateError::step(
                match step {
                    Step::Clocks => "error setting the clocks of the time namespace",
                    Step::JoinNamespace => "error joining namespaces",
                    _ => "error creating the container's process",
                },
                errno,
            )),
            _ => Err(CreateError::Gone),
        },
        _ => Err(CreateError::Gone),
    }
}

/// The vanguard's way, without allocating.
fn go_ahead(plan: &NamespacePlan, opened: &OpenNamespaces) -> Result<(), Failure> {
    for (index, (kind, namespace)) in opened.joins.iter().enumerate() {
        // The child itself joins that of mounts: the host's files are needed until then.
        if *kind != Namespaces::MOUNT {
            join_namespace(namespace.as_fd(), *kind).map_err(Step::JoinNamespace.failed_at(index))?;
        }
    }
    if let Some(namespace) = &opened.pid {
        join_namespace(namespace.as_fd(), Namespaces::PID).map_err(Step::JoinNamespace.failed())?;
    }
    if let Some(lines) = &plan.clocks {
        let failed = Step::Clocks.failed();
        unshare(Namespaces::TIME).map_err(&failed)?;
        if !lines.is_empty() {
            let flags = OFlags::WRONLY | OFlags::CLOEXEC;
            let file = openat(CWD, c"/proc/self/timens_offsets", flags, Mode::empty()).map_err(&failed)?;
            rustix::io::write(&file, lines).map_err(&failed)?;
        }
    }
    if let Some(namespace) = &opened.user {
        join_namespace(namespace.as_fd(), Namespaces::USER).map_err(Step::JoinNamespace.failed())?;
    }
    Ok(())
}

/// Runs `clone` with children born in another PID namespace.
pub(crate) fn in_pid_namespace(
    namespace: Option<BorrowedFd<'_>>,
    clone: impl FnOnce() -> Result<Child, Errno>,
) -> Result<Child, CreateError> {
    let failed = |errno| CreateError::step("error creating the container's process", errno);
    let Some(namespace) = namespace else { return clone().map_err(failed) };
    let own = open_namespace(Path::new("/proc/self/ns/pid"))?;
    let joining = |errno| CreateError::step("error joining the pid namespace", errno);
    join_namespace(namespace, Namespaces::PID).map_err(joining)?;
    let born = clone();
    // Children to come are ours again.
    join_namespace(own.as_fd(), Namespaces::PID).map_err(joining)?;
    born.map_err(failed)
}

/// Opens a namespace's file.
pub(crate) fn open_namespace(path: &Path) -> Result<OwnedFd, CreateError> {
    openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| CreateError::step(format!("error opening namespace {}", path.display()), errno))
}

/// Says which ids a new user namespace has: only its parent may.
pub(crate) fn map_ids(pid: u32, maps: &IdMaps) -> Result<(), CreateError> {
    for (name, lines) in [("uid_map", &maps.users), ("gid_map", &maps.groups)] {
        fs::write(format!("/proc/{pid}/{name}"), lines).map_err(|cause| {
            let errno = Errno::from_io_error(&cause).unwrap_or(Errno::IO);
            CreateError::step(format!("failed to write {name}"), errno)
        })?;
    }
    Ok(())
}

/// A user namespace of nobody's, for mounts whose ids are mapped.
pub(crate) fn make_user_namespace(maps: &IdMaps) -> Result<OwnedFd, CreateError> {
    let failed = |errno| CreateError::step("error making a user namespace", errno);
    let (ours, theirs) = sys::socket::message_pair().map_err(failed)?;
    let birth = Birth { namespaces: Namespaces::USER, ..Birth::default() };
    let mut ours = ours;
    let child = clone_process(birth, || {
        // Its copy of the other end goes, so that it ends with its parent.
        let _ = rustix::io::dup3(&theirs, &mut ours, rustix::io::DupFlags::CLOEXEC);
        let _ = rustix::io::read(&theirs, &mut [0; 1]);
        0
    })
    .map_err(failed)?;
    drop(theirs);
    let namespace = map_ids(child.pid, maps)
        .and_then(|()| open_namespace(Path::new(&format!("/proc/{}/ns/user", child.pid))));
    drop(ours);
    let _ = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED);
    namespace
}
