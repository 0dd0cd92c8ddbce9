//! The child between clone and exec.
//!
//! Nothing here allocates, takes a lock or logs: it works off plans made before, and reports the step that failed.
//!
//! ```text
//! container                              exec
//!   join namespaces, host name             enter cgroup
//!   root file system (rootfs.rs)           join namespaces of the container
//!   enter cgroup, cgroup namespace         terminal
//!   terminal, protected paths, pivot
//!   ───────────────────── identity (identity.rs) ─────────────────────
//!   streams, label, user, program found, filter, capabilities → Ready ─ Begin → exec
//! ```

mod binds;
mod cgroups;
mod devices;
mod identity;
mod rootfs;
mod terminal;

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use mount::defence::Defence;
use mount::path::{self, Links};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{DupFlags, Errno, dup3};
use rustix::process::{chroot, fchdir, setsid, umask};
use rustix::thread::sched_setaffinity;
use sys::credentials::set_dumpable;
use sys::process::{
    Namespaces, close_between, close_from, end_on_signals, execute, join_namespace, reset_signals, unshare,
};

use crate::birth::OpenNamespaces;
use crate::handshake::Mapping;
use crate::hooks::CreateHooks;
use crate::options::RootChange;
use crate::plan::{BindPlan, ContainerPlan, MountKind, ProcessPlan};
use crate::process::{LineEnds, WindowSize};
use crate::report::{
    BEGIN, CGROUP_IS_THERE, Failure, HOOKS_DONE, IDS_ARE_MAPPED, LINKS_ARE_THERE, Message, Step, words,
};
use crate::seccomp;

pub(crate) use binds::change_clone;
pub(crate) use cgroups::CgroupView;
use identity::Prepared;
pub(crate) use rootfs::PreparedMount;

/// Exit code of a child whose program could not be executed, as runc's.
const CANNOT_EXECUTE: i32 = 255;

/// What both kinds of children need.
#[derive(Debug)]
pub(crate) struct Common<'a> {
    /// The child's end.
    pub(crate) socket: OwnedFd,
    pub(crate) process: &'a ProcessPlan,
    pub(crate) streams: Streams,
    pub(crate) filter: Option<&'a seccomp::Program>,
    /// `tasks` files of the cgroup (v1), as the host names them.
    pub(crate) tasks: Vec<CString>,
    /// What to read one byte from before the program begins.
    pub(crate) gate: Option<OwnedFd>,
    /// How many descriptors from number 3 on the program inherits.
    pub(crate) preserved: u32,
}

/// Where standard streams come from.
#[derive(Debug)]
pub(crate) enum Streams {
    Inherit,
    Given([OwnedFd; 3]),
    Terminal(Option<WindowSize>, LineEnds),
}

/// A child that becomes a container.
#[derive(Debug)]
pub(crate) struct ContainerChild<'a> {
    pub(crate) common: Common<'a>,
    pub(crate) plan: &'a ContainerPlan,
    pub(crate) namespaces: OpenNamespaces,
    /// Devices of the host, cloned, in the order of the plan; none where they are made.
    pub(crate) devices: Vec<OwnedFd>,
    /// The root file system, attached nowhere.
    pub(crate) root: OwnedFd,
    /// In the order of the plan.
    pub(crate) mounts: Vec<PreparedMount>,
    /// The container's control groups, to be seen in `/sys/fs/cgroup`.
    pub(crate) cgroup_views: Vec<CgroupView>,
    /// Whether the parent will say when the cgroup is there.
    pub(crate) waits_for_cgroup: bool,
    pub(crate) hooks: Option<CreateHooks>,
    pub(crate) root_change: RootChange,
    /// Where the host's procfs and sysfs are, when its root stays covered.
    pub(crate) covered: Vec<CString>,
    /// Where the root file system is attached, for hooks to find it; absent is on top of the old root.
    pub(crate) root_place: Option<CString>,
}

impl ContainerChild<'_> {
    /// What the parent still needs: the root, and names for messages. The child's ends are closed, so that its own end
    /// is seen.
    pub(crate) fn into_rest(self) -> Rest {
        let mappings = self.plan.mounts.iter().zip(self.mounts).enumerate();
        let mappings = mappings.filter_map(|(index, (plan, prepared))| match (&plan.kind, prepared) {
            (MountKind::Bind(BindPlan { ids: Some((_, reach)), .. }), PreparedMount::Ids(namespace)) => {
                Some(Mapping { index, reach: *reach, namespace })
            }
            _ => None,
        });
        Rest { mappings: mappings.collect(), root: self.root, tasks: self.common.tasks, hooks: self.hooks }
    }
}

/// What is left of a child's plan for its parent.
#[derive(Debug)]
pub(crate) struct Rest {
    pub(crate) root: OwnedFd,
    pub(crate) tasks: Vec<CString>,
    pub(crate) hooks: Option<CreateHooks>,
    pub(crate) mappings: Vec<Mapping>,
}

impl ExecChild<'_> {
    /// The same: names for messages.
    pub(crate) fn into_rest(self) -> Vec<CString> {
        self.common.tasks
    }
}

/// A child that joins a container.
#[derive(Debug)]
pub(crate) struct ExecChild<'a> {
    pub(crate) common: Common<'a>,
    /// The container's first process.
    pub(crate) container: BorrowedFd<'a>,
    /// Its root, where its namespace of mounts is the host's.
    pub(crate) root: Option<OwnedFd>,
    /// Whether it has a user namespace.
    pub(crate) joins_user: bool,
    /// Whether it has a time namespace.
    pub(crate) joins_time: bool,
}

/// The body of a container's child; gives its exit code where exec did not happen.
pub(crate) fn run_container(child: &ContainerChild<'_>, theirs: &mut OwnedFd) -> i32 {
    forget_parents_end(&child.common, theirs);
    finish(&child.common, set_up_container(child), Some(child))
}

/// The body of an exec's child.
pub(crate) fn run_exec(child: &ExecChild<'_>, theirs: &mut OwnedFd) -> i32 {
    forget_parents_end(&child.common, theirs);
    finish(&child.common, set_up_exec(child), None)
}

/// Replaces the child's copy of its parent's end by its own: else it would never see that the parent is gone.
fn forget_parents_end(common: &Common<'_>, theirs: &mut OwnedFd) {
    let _ = dup3(&common.socket, theirs, DupFlags::CLOEXEC);
}

fn set_up_container<'a>(child: &'a ContainerChild<'_>) -> Result<Prepared<'a>, Failure> {
    begin_life()?;
    if child.common.gate.is_some() {
        // Nobody may ever open the gate; as pid 1 it would not even hear of a wish to end.
        end_on_signals();
    }
    // Alone in its PID namespace until its program begins, nobody there can look into it.
    let is_alone = child.plan.namespaces.new.contains(Namespaces::PID) && child.common.gate.is_none();
    if !is_alone && Defence::Hidden.is_on() {
        set_dumpable(false).map_err(Step::Hide.failed())?;
    }
    // The host's procfs is out of sight later.
    let label = identity::open_label(child.common.process)?;
    let namespaces = &child.plan.namespaces;
    let has_vanguard = namespaces.needs_vanguard();
    for (index, (kind, namespace)) in child.namespaces.joins.iter().enumerate() {
        if !has_vanguard || *kind == Namespaces::MOUNT {
            join_namespace(namespace.as_fd(), *kind).map_err(Step::JoinNamespace.failed_at(index))?;
        }
    }
    if namespaces.ids.is_some() && hear(child.common.socket.as_fd()) != Some(IDS_ARE_MAPPED) {
        return Err(Step::Abandoned.failed()(Errno::CANCELED));
    }
    if namespaces.has_user() {
        become_root().map_err(Step::Root.failed())?;
    }
    if let Some(name) = &child.plan.hostname {
        rustix::system::sethostname(name.as_bytes()).map_err(Step::Hostname.failed())?;
    }
    if let Some(name) = &child.plan.domainname {
        rustix::system::setdomainname(name.as_bytes()).map_err(Step::Domainname.failed())?;
    }
    let mut cgroup = CgroupDoor { child, is_open: false };
    let terminal = rootfs::build(child, &mut cgroup)?;
    identity::prepare(&child.common, terminal, label)
}

fn set_up_exec<'a>(child: &'a ExecChild<'_>) -> Result<Prepared<'a>, Failure> {
    begin_life()?;
    let label = identity::open_label(child.common.process)?;
    if let Some(cpus) = &child.common.process.scheduling.first_cpus {
        sched_setaffinity(None, cpus).map_err(Step::Affinity.failed())?;
    }
    enter(&child.common.tasks)?;
    let kinds =
        [Namespaces::MOUNT, Namespaces::UTS, Namespaces::IPC, Namespaces::NETWORK, Namespaces::CGROUP];
    let mut kinds = kinds.into_iter().fold(Namespaces::NONE, Namespaces::and);
    if child.joins_time {
        kinds = kinds.and(Namespaces::TIME);
    }
    join_namespace(child.container, kinds).map_err(Step::JoinNamespace.failed())?;
    if let Some(root) = &child.root {
        let entered = fchdir(root).and_then(|()| chroot(c"."));
        entered.map_err(Step::PivotRoot.failed())?;
    }
    // The last one: some of the others may be the host's.
    if child.joins_user {
        join_namespace(child.container, Namespaces::USER).map_err(Step::JoinNamespace.failed())?;
        become_root().map_err(Step::Root.failed())?;
    }
    let terminal = match &child.common.streams {
        Streams::Terminal(size, line_ends) => {
            let root = openat(CWD, c"/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .map_err(Step::OpenTerminal.failed())?;
            Some(terminal::open(root.as_fd(), *size, *line_ends, child.common.socket.as_fd())?)
        }
        _ => None,
    };
    identity::prepare(&child.common, terminal, label)
}

/// What a process has to leave behind of its parent.
fn begin_life() -> Result<(), Failure> {
    reset_signals();
    if Defence::OwnSession.is_on() {
        setsid().map_err(Step::Session.failed())?;
    }
    umask(Mode::empty());
    Ok(())
}

/// Whoever comes into a user namespace is nobody there.
fn become_root() -> Result<(), Errno> {
    sys::credentials::become_user(0, 0, &[])
}

/// Tells the parent how it went, waits for the word to begin, and executes.
fn finish(
    common: &Common<'_>,
    outcome: Result<Prepared<'_>, Failure>,
    container: Option<&ContainerChild<'_>>,
) -> i32 {
    let Prepared { program, listener } = match outcome {
        Ok(prepared) => prepared,
        Err(failure) => {
            tell(common.socket.as_fd(), Message::Failed(failure));
            return 1;
        }
    };
    tell(common.socket.as_fd(), Message::Ready);
    if hear(common.socket.as_fd()) != Some(BEGIN) {
        return 1;
    }
    drop(listener);
    // Whoever said so may be gone by now, and cannot be told anything.
    if let Some(gate) = &common.gate {
        close_rest(common.preserved, gate.as_fd(), container.and_then(|container| container.hooks.as_ref()));
        if hear(gate.as_fd()).is_none() {
            return 1;
        }
    }
    let tell_last = |failure| {
        if common.gate.is_none() {
            tell(common.socket.as_fd(), Message::Failed(failure));
        }
    };
    if let Some(hooks) = container.and_then(|container| container.hooks.as_ref()) {
        let list = &hooks.start_container;
        if let Err(index) = hooks.created.run(list, 0..list.hooks.len(), Some(own_pid())) {
            complain(&[b"error running startContainer hook\n"]);
            tell_last(Step::StartContainerHook.failed_at(index)(Errno::CANCELED));
            return 1;
        }
    }
    let errno = execute(program, &common.process.arguments, &common.process.environment);
    complain(&[b"exec ", program.to_bytes(), b": ", words(errno).as_bytes(), b"\n"]);
    tell_last(Step::Execute.failed()(errno));
    CANNOT_EXECUTE
}

/// The container has begun: its own stderr is where runc and Docker show what becomes of it.
fn complain(parts: &[&[u8]]) {
    for part in parts {
        let _ = rustix::io::write(rustix::stdio::stderr(), part);
    }
}

/// Lets go of what the caller had open: the wait at the gate may be long, and whoever gave it locks, pipes and files
/// waits for their end. Only what is still needed is kept; nothing else is used or closed again before exec.
fn close_rest(preserved: u32, gate: BorrowedFd<'_>, hooks: Option<&CreateHooks>) {
    let number = |fd: BorrowedFd<'_>| u32::try_from(fd.as_raw_fd()).unwrap_or(0);
    let mut kept = [number(gate); 5];
    if let Some(hooks) = hooks {
        for (place, fd) in kept.iter_mut().zip(hooks.created.files()) {
            *place = number(fd);
        }
    }
    kept.sort_unstable();
    let mut first = preserved.saturating_add(3);
    for fd in kept {
        if fd > first {
            let _ = close_between(first, fd - 1);
        }
        first = first.max(fd.saturating_add(1));
    }
    let _ = close_from(first);
}

/// As the container's PID namespace has it, which is what its hooks see.
fn own_pid() -> u32 {
    rustix::process::getpid().as_raw_nonzero().get().unsigned_abs()
}

/// Before the pivot: lets the runtime's hooks run, then those of the container.
fn pass_hooks(child: &ContainerChild<'_>) -> Result<(), Failure> {
    let Some(hooks) = &child.hooks else { return Ok(()) };
    let socket = child.common.socket.as_fd();
    tell(socket, Message::HooksDue);
    if hear(socket) != Some(HOOKS_DONE) {
        return Err(Step::Abandoned.failed()(Errno::CANCELED));
    }
    let list = &hooks.create_container;
    if list.hooks.is_empty() {
        return Ok(());
    }
    fchdir(&child.root).map_err(Step::CreateContainerHook.failed())?;
    let outcome = hooks.creating.run(list, 0..list.hooks.len(), Some(own_pid()));
    outcome.map_err(|index| Step::CreateContainerHook.failed_at(index)(Errno::CANCELED))
}

/// Waits until the container's links are there, if it has settings for links: setting them up changes some, too.
fn await_links(child: &ContainerChild<'_>) -> Result<(), Failure> {
    if !child.plan.has_link_sysctls {
        return Ok(());
    }
    let socket = child.common.socket.as_fd();
    tell(socket, Message::LinksDue);
    match hear(socket) {
        Some(LINKS_ARE_THERE) => Ok(()),
        _ => Err(Step::Abandoned.failed()(Errno::CANCELED)),
    }
}

/// Plain write(2), which no sensible filter forbids: this may run under the container's.
fn tell(socket: BorrowedFd<'_>, message: Message) {
    let _ = rustix::io::write(socket, &message.to_bytes());
}

/// One word of the parent; nothing when it is gone.
fn hear(socket: BorrowedFd<'_>) -> Option<u8> {
    let mut word = [0; 1];
    loop {
        match rustix::io::read(socket, &mut word) {
            Ok(1) => return Some(word[0]),
            Err(Errno::INTR) => {}
            _ => return None,
        }
    }
}

/// The cgroup, which the parent makes while the child mounts: waited for as late as possible.
pub(crate) struct CgroupDoor<'a> {
    child: &'a ContainerChild<'a>,
    is_open: bool,
}

impl CgroupDoor<'_> {
    /// Waits for the group, enters it, and leaves for a cgroup namespace rooted in it. Once.
    fn pass(&mut self) -> Result<(), Failure> {
        if std::mem::replace(&mut self.is_open, true) {
            return Ok(());
        }
        let common = &self.child.common;
        if self.child.waits_for_cgroup && hear(common.socket.as_fd()) != Some(CGROUP_IS_THERE) {
            return Err(Step::Abandoned.failed()(Errno::CANCELED));
        }
        // The root of a user namespace may not enter by itself; its parent did it.
        if !self.child.plan.namespaces.has_user() {
            enter(&common.tasks)?;
        }
        if self.child.plan.namespaces.has_own_cgroup {
            unshare(Namespaces::CGROUP).map_err(Step::CgroupNamespace.failed())?;
        }
        Ok(())
    }
}

/// Enters cgroups v1 by writing `0` to each `tasks` file: the only way without the kernel's global lock.
fn enter(tasks: &[CString]) -> Result<(), Failure> {
    for (index, file) in tasks.iter().enumerate() {
        let failed = Step::EnterCgroup.failed_at(index);
        let file =
            openat(CWD, file.as_c_str(), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).map_err(&failed)?;
        rustix::io::write(&file, b"0").map_err(&failed)?;
    }
    Ok(())
}

/// Opens a folder inside a root, by no link that the kernel invents.
fn open_folder(root: BorrowedFd<'_>, folder: &CStr) -> Result<OwnedFd, Errno> {
    path::open(root, folder, OFlags::PATH | OFlags::DIRECTORY, Links::Follow)
}
