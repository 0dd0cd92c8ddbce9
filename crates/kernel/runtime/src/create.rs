//! Creating and starting a container.

use std::error::Error;
use std::ffi::{CString, OsStr};
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use cgroup::Version;
use oci_spec::runtime::Spec;
use rustix::io::Errno;
use sys::process::Namespaces;

use crate::birth::{self, OpenNamespaces};
use crate::child::{Common, ContainerChild, Rest, run_container};
use crate::error::CreateError;
use crate::handshake::{Pause, Setback, Ward};
use crate::hooks::{CreateHooks, HookKind};
use crate::label;
use crate::options::{CreateOptions, Keyring, RootChange};
use crate::plan::{ContainerPlan, NamespacePlan, ProcessPlan, personality, text};
use crate::prepare::{GroupGuard, devices, prepare, views};
use crate::process::{Stdio, UserWish, find_user};
use crate::report::{BEGIN, CGROUP_IS_THERE, Failure, HOOKS_DONE, IDS_ARE_MAPPED, Step};
use crate::rootfs::{HostMount, Rootfs, covered, root_place};
use crate::seccomp::Program;

/// How long a child may take to set itself up, and to begin: less than a daemon waits for a container's start, so
/// that it learns the reason.
const LIMIT: Duration = Duration::from_secs(45);

/// A container to create.
#[derive(Debug)]
pub struct CreateRequest<'a> {
    /// Its id: names the session keyring, and stands in messages.
    pub id: &'a str,
    /// What to run and how.
    pub spec: &'a Spec,
    /// The root file system; `spec.root.path` is not looked at.
    pub rootfs: &'a Rootfs,
    /// A user by name, to be found in the container's files; overrides the ids of `spec.process.user`.
    pub user: Option<UserWish<'a>>,
    /// Standard streams.
    pub stdio: Stdio,
    /// The control group; absent leaves the container in the caller's.
    pub cgroup: Option<&'a cgroup::Plan>,
    /// The compiled filter; `spec.linux.seccomp` is not looked at.
    pub seccomp: Option<&'a Program>,
    /// A pipe from which the container reads one byte before it begins: see [`Created::leave`].
    pub gate: Option<OwnedFd>,
    /// Rarer wishes.
    pub options: CreateOptions<'a>,
}

/// The caller's own work while the child mounts.
pub type Meanwhile<'a> = dyn FnMut(&Newborn<'_>) -> Result<(), Box<dyn Error + Send + Sync>> + 'a;

/// A child that has its namespaces and is busy mounting.
#[derive(Debug)]
pub struct Newborn<'a> {
    /// Its id in the caller's PID namespace.
    pub pid: u32,
    /// Its handle.
    pub pidfd: BorrowedFd<'a>,
    /// The namespace that was made for it in advance; it may not have joined it yet.
    network: Option<OwnedFd>,
}

impl Newborn<'_> {
    /// Opens its network namespace. When the container joins that of another, this may still be the caller's.
    ///
    /// # Errors
    /// When `/proc` does not show the child.
    pub fn net_namespace(&self) -> std::io::Result<OwnedFd> {
        if let Some(network) = &self.network {
            return network.try_clone();
        }
        Ok(fs::File::open(format!("/proc/{}/ns/net", self.pid))?.into())
    }
}

/// A created container: everything is set up, the program has not begun. Dropping it before `start` ends it.
#[derive(Debug)]
pub struct Created {
    /// The first process, in the caller's PID namespace.
    pub pid: u32,
    /// Its handle: readable when it has ended.
    pub pidfd: OwnedFd,
    /// Clock ticks since boot at which it began (field 22 of `/proc/pid/stat`); makes the pid unique.
    pub start_time: u64,
    /// The master side of its terminal; taken by the caller.
    pub terminal: Option<OwnedFd>,
    /// Keeps the root file system mounted: close it after the exit was reported.
    pub rootfs_mount: Option<OwnedFd>,
    /// The control group it is in; the caller removes it after the end.
    pub cgroup: Option<cgroup::Group>,
    /// The child until it begins.
    ward: Option<Ward>,
    hooks: Option<CreateHooks>,
}

impl Created {
    /// Lets the program begin; returns when it has.
    ///
    /// A program that cannot be executed after all (a wrong format, a missing interpreter) is a container that has begun
    /// and ends with 255, with the reason in its stderr, as under runc.
    ///
    /// # Errors
    /// [`CreateError::Gone`] when it was started before, [`CreateError::Late`] when it hangs, [`CreateError::Hook`].
    pub fn start(&mut self) -> Result<(), CreateError> {
        let mut ward = self.ward.take().ok_or(CreateError::Gone)?;
        match ward.begin() {
            Ok(()) => {}
            Err(Setback::Late(limit)) => return Err(CreateError::Late(limit)),
            Err(Setback::Reported(Failure { step: Step::StartContainerHook, index, .. })) => {
                let hooks = self.hooks.as_ref().ok_or(CreateError::Gone)?;
                let error = hooks.created.explain(HookKind::StartContainer, usize::from(index));
                return Err(CreateError::Hook(error));
            }
            Err(Setback::Gone | Setback::Reported(_)) => return Err(CreateError::Gone),
        }
        // The caller holds the handle by which it is reaped.
        drop(ward.release());
        Ok(())
    }

    /// Leaves the container waiting at its gate: it lives on without its creator, and begins when somebody writes a byte
    /// into the gate. The gate is closed when the program has begun. Without a gate it begins now.
    ///
    /// # Errors
    /// [`CreateError::Gone`] when it was started before.
    pub fn leave(&mut self) -> Result<(), CreateError> {
        let ward = self.ward.take().ok_or(CreateError::Gone)?;
        // What was said is heard after our own end, too.
        ward.say(BEGIN);
        drop(ward.release());
        Ok(())
    }
}

/// Creates a container: a process with its namespaces, root file system, cgroup and limits, waiting before exec.
///
/// `while_mounting` runs in the caller as soon as the namespaces exist, in parallel to the mounting.
/// Must be called by a single-threaded process: the child runs on a copy of its memory.
///
/// # Errors
/// See [`CreateError`]. Nothing is left behind: the child is reaped, the cgroup removed.
pub fn create(
    mut request: CreateRequest<'_>,
    while_mounting: &mut Meanwhile<'_>,
) -> Result<Created, CreateError> {
    let advance = std::mem::take(&mut request.options.advance);
    let mut cgroup = GroupGuard(advance.group);
    let mut plan = ContainerPlan::new(request.spec, request.rootfs.path())?;
    let network =
        advance.network.filter(|_| plan.net_devices.is_empty() && plan.namespaces.takes_ready_network());
    let process = request
        .spec
        .process
        .as_ref()
        .ok_or_else(|| CreateError::Invalid("process property must not be empty".to_owned()))?;
    if plan.has_mount_label {
        label::check_selinux()?;
    }
    let root = match advance.root {
        Some(root) => root,
        None => request.rootfs.mount_with(plan.root_propagation)?,
    };
    let user = find_user(root.as_fd(), request.user, process)?;
    let mut process = ProcessPlan::new(process, &user, available()?)?;
    label::check(process.label.as_ref())?;
    process.keyring = match request.options.keyring {
        Keyring::Own => Some(text(&format!("_ses.{}", request.id))?),
        Keyring::Callers => None,
    };
    let linux = request.spec.linux.as_ref();
    process.personality = personality(linux)?;
    process.has_outer_limits = plan.namespaces.has_user();
    process.scheduling.reset_cpus(request.options.affinity);
    process.scheduling.add_memory(linux.and_then(|linux| linux.memory_policy.as_ref()))?;
    let (ours, theirs) =
        sys::socket::message_pair().map_err(|errno| CreateError::step("socketpair", errno))?;
    let group = request.cgroup.map(cgroup::Plan::group);
    let root_place = root_place(request.rootfs, request.spec.hooks.is_some(), &plan)?;
    let mut leftover = HostMount::new(&root_place, root.as_fd(), &plan);
    let child = ContainerChild {
        plan: &plan,
        namespaces: OpenNamespaces::open(&plan.namespaces, network.as_ref())?,
        devices: devices(&plan)?,
        mounts: plan
            .mounts
            .iter()
            .map(|mount| prepare(root.as_fd(), mount, &plan.namespaces))
            .collect::<Result<_, _>>()?,
        cgroup_views: group.as_ref().map(|group| views(group, &plan)).transpose()?.unwrap_or_default(),
        waits_for_cgroup: group.as_ref().is_some_and(|group| group.version() == Version::V1),
        common: Common {
            socket: theirs,
            process: &process,
            streams: request.stdio.into_streams()?,
            filter: request.seccomp,
            tasks: group.as_ref().map(cgroup::Group::tasks).unwrap_or_default(),
            gate: request.gate,
            preserved: request.options.preserved,
        },
        root_place,
        hooks: CreateHooks::new(request.id, request.spec, request.options.bundle, &process.environment)?,
        covered: match request.options.root {
            RootChange::Cover if plan.namespaces.has_mounts => covered(&plan)?,
            _ => Vec::new(),
        },
        root_change: request.options.root,
        root,
    };
    let mut ward = bear(&child, request.cgroup, &mut cgroup, ours)?;
    if request.options.is_patient {
        ward.be_patient();
    }
    let Rest { root, tasks, hooks, mappings } = child.into_rest();
    ward.mappings = mappings;
    let from_child = |setback| match (setback, &hooks) {
        (Setback::Reported(Failure { step: Step::CreateContainerHook, index, .. }), Some(hooks)) => {
            CreateError::Hook(hooks.creating.explain(HookKind::CreateContainer, usize::from(index)))
        }
        _ => CreateError::from_child(setback, Some(&plan), &process, &tasks),
    };
    let outsider = Outsider {
        tasks: if plan.namespaces.has_user() { &tasks } else { &[] },
        enters_unified: plan.namespaces.needs_vanguard()
            || request.cgroup.is_some_and(|plan| plan.unit.is_some()),
    };
    let meanwhile = while_mounted(&mut ward, request.cgroup, &mut cgroup, outsider, network, while_mounting);
    if let Err(error) = meanwhile {
        // A child that is gone is a reason for the other failure, and says more.
        return Err(ward.reported_failure().map_or(error, |failure| from_child(Setback::Reported(failure))));
    }
    if !plan.net_devices.is_empty() {
        move_devices(&plan, ward.pid())?;
    }
    if let Some(hooks) = &hooks {
        ward.be_patient();
        if ward.await_pause().map_err(from_child)? == Pause::Hooks {
            hooks.run_in_runtime(ward.pid())?;
            ward.say(HOOKS_DONE);
        }
    }
    ward.await_ready(request.options.listener, from_child)?;
    ward.apply(&process)?;
    leftover.keep();
    Ok(Created { hooks, ..created(ward, root, cgroup)? })
}

/// Gives the container its interfaces of the host's.
fn move_devices(plan: &ContainerPlan, pid: u32) -> Result<(), CreateError> {
    // The child may still be on its way into a namespace of others.
    let joined = plan.namespaces.joins.iter().find(|(kind, _)| *kind == Namespaces::NETWORK);
    let namespace = match joined {
        Some((_, path)) => birth::open_namespace(path)?,
        None => birth::open_namespace(Path::new(&format!("/proc/{pid}/ns/net")))?,
    };
    for (name, inside) in &plan.net_devices {
        netlink::route::move_link(name, namespace.as_fd(), inside)
            .map_err(|cause| CreateError::NetDevice { name: name.clone(), cause })?;
    }
    Ok(())
}

/// What the child cannot do to enter its cgroup.
#[derive(Debug, Clone, Copy)]
struct Outsider<'a> {
    /// The root of a user namespace may not write there.
    tasks: &'a [CString],
    /// It could not be born there.
    enters_unified: bool,
}

/// Work of the parent that the child does not wait for, or not at once.
fn while_mounted(
    ward: &mut Ward,
    plan: Option<&cgroup::Plan>,
    guard: &mut GroupGuard,
    outsider: Outsider<'_>,
    network: Option<OwnedFd>,
    while_mounting: &mut Meanwhile<'_>,
) -> Result<(), CreateError> {
    if let Some(plan) = plan.filter(|plan| plan.version == Version::V1) {
        if guard.0.is_none() {
            guard.0 = Some(plan.apply()?);
        }
        if let Some(group) = guard.0.as_ref().filter(|_| outsider.enters_unified) {
            group.enter_unified(ward.pid())?;
        }
        for file in outsider.tasks {
            let path = OsStr::from_bytes(file.to_bytes());
            fs::write(path, ward.pid().to_string()).map_err(|cause| {
                let errno = Errno::from_io_error(&cause).unwrap_or(Errno::IO);
                CreateError::step(format!("cannot enter cgroup by {}", path.display()), errno)
            })?;
        }
        ward.say(CGROUP_IS_THERE);
    }
    let Some(child) = ward.child() else { return Err(CreateError::Gone) };
    let newborn = Newborn { pid: child.pid, pidfd: child.pidfd.as_fd(), network };
    while_mounting(&newborn).map_err(CreateError::WhileMounting)
}

fn created(mut ward: Ward, root: OwnedFd, cgroup: GroupGuard) -> Result<Created, CreateError> {
    let failed = |errno| CreateError::step("dup", errno);
    let child = ward.child().ok_or(CreateError::Gone)?;
    Ok(Created {
        pid: child.pid,
        pidfd: child
            .pidfd
            .try_clone()
            .map_err(|cause| failed(Errno::from_io_error(&cause).unwrap_or(Errno::MFILE)))?,
        start_time: start_time(child.pid).ok_or(CreateError::Gone)?,
        terminal: ward.terminal.take(),
        rootfs_mount: Some(root),
        cgroup: cgroup.keep().map(|mut group| {
            group.settle();
            group
        }),
        ward: Some(ward),
        hooks: None,
    })
}

/// Clones the child, on v2 born in its cgroup, and gives it its ids.
fn bear(
    child: &ContainerChild<'_>,
    cgroup: Option<&cgroup::Plan>,
    guard: &mut GroupGuard,
    mut ours: OwnedFd,
) -> Result<Ward, CreateError> {
    let namespaces = &child.plan.namespaces;
    let folder = birthplace(cgroup, guard, namespaces)?;
    let folder = folder.as_ref().map(AsFd::as_fd);
    let born = birth::bear(namespaces, &child.namespaces, folder, || run_container(child, &mut ours));
    if let (Err(_), Some(plan), None) = (&born, cgroup, &guard.0) {
        let _ = plan.group().remove();
    }
    let ward = Ward::new(born?, ours, LIMIT);
    if let Some(maps) = &namespaces.ids {
        birth::map_ids(ward.pid(), maps)?;
        ward.say(IDS_ARE_MAPPED);
    }
    Ok(ward)
}

/// Where the child is born so that it is in its group from the first: that is free, and moving it is not.
fn birthplace(
    cgroup: Option<&cgroup::Plan>,
    guard: &mut GroupGuard,
    namespaces: &NamespacePlan,
) -> Result<Option<OwnedFd>, CreateError> {
    let Some(plan) = cgroup else { return Ok(None) };
    match &guard.0 {
        Some(group) => Ok(group.birthplace()?),
        None if plan.version == Version::V2 => Ok(guard.0.insert(plan.apply()?).birthplace()?),
        // The vanguard has left the user namespace that may use the folder.
        None if namespaces.needs_vanguard() => Ok(None),
        None => Ok(plan.make_birthplace()?),
    }
}

pub(crate) fn available() -> Result<sys::credentials::CapabilitySet, CreateError> {
    let own = sys::credentials::capabilities().map_err(|errno| CreateError::step("capget", errno))?;
    Ok(own.permitted)
}

/// Field 22 of `/proc/pid/stat`, behind the name in brackets, which may hold anything.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}
