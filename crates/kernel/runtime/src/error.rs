//! Why a container or an exec could not be created, in runc's words where Docker shows them.

use std::error::Error;
use std::time::Duration;

use mount::path::Links;
use rustix::io::Errno;

use crate::handshake::Setback;
use crate::hooks::HookError;
use crate::plan::{ContainerPlan, Module, ProcessPlan, Program};
use crate::report::{Failure, Step, words};
use crate::user::UserError;

/// A failure of the system in the words that Go programs print: callers of runc match on them.
#[must_use]
pub fn reason(cause: &std::io::Error) -> String {
    match Errno::from_io_error(cause) {
        Some(errno) => words(errno).to_owned(),
        None => cause.to_string(),
    }
}

/// Why a container or an exec could not be created or started.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The program cannot be run: not found, a folder, not permitted.
    #[error("exec: {name:?}: {reason}")]
    Program {
        /// As asked for.
        name: String,
        /// In runc's words.
        reason: String,
        /// What a shell would answer: 127 not found, 126 not executable.
        exit_code: u8,
    },
    /// The user or a group is not in the container's files.
    #[error(transparent)]
    User(#[from] UserError),
    /// The control group could not be made.
    #[error(transparent)]
    Cgroup(#[from] cgroup::CgroupError),
    /// The root file system could not be mounted.
    #[error(transparent)]
    Overlay(#[from] mount::OverlayError),
    /// The document asks for something impossible or not supported.
    #[error("{0}")]
    Invalid(String),
    /// A step failed; `what` tells which in runc's words.
    #[error("{what}: {}", words(*errno))]
    Step {
        /// What was attempted.
        what: String,
        /// The kernel's reason.
        errno: Errno,
    },
    /// A program to run at a point of the container's life failed.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// An interface of the host's could not be moved.
    #[error("cannot move network device {name:?}")]
    NetDevice {
        /// Its name on the host.
        name: String,
        /// Why not.
        #[source]
        cause: netlink::route::MoveError,
    },
    /// The caller's own work failed.
    #[error(transparent)]
    WhileMounting(Box<dyn Error + Send + Sync>),
    /// The child ended without a report: killed, perhaps for lack of memory.
    #[error("container init was killed before it could begin")]
    Gone,
    /// The child hung: on a dead file server, in a frozen control group. It was killed.
    #[error("the container's process was not ready within {0:?}")]
    Late(Duration),
}

impl CreateError {
    /// The exit code Docker records for a container that could not begin: 127, 126, else 128.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Program { exit_code, .. } => *exit_code,
            Self::Step { errno: Errno::ACCESS, .. } => 126,
            Self::Step { errno: Errno::NOENT | Errno::NOTDIR, .. } => 127,
            _ => 128,
        }
    }

    pub(crate) fn step(what: impl Into<String>, errno: Errno) -> Self {
        Self::Step { what: what.into(), errno }
    }

    /// What kept a child from becoming ready, with the names from its plans.
    pub(crate) fn from_child(
        setback: Setback,
        container: Option<&ContainerPlan>,
        process: &ProcessPlan,
        tasks: &[std::ffi::CString],
    ) -> Self {
        let Failure { step, index, errno } = match setback {
            Setback::Reported(failure) => failure,
            Setback::Gone => return Self::Gone,
            Setback::Late(limit) => return Self::Late(limit),
        };
        let index = usize::from(index);
        let name = |list: Option<&[std::ffi::CString]>| {
            list.and_then(|list| list.get(index))
                .map(|one| one.to_string_lossy().into_owned())
                .unwrap_or_default()
        };
        let mount = container.and_then(|plan| plan.mounts.get(index));
        // procfs and sysfs: no link leads to them.
        let is_special = mount.is_some_and(|mount| mount.links == Links::Refuse);
        let mounting = |detail: &str| match mount {
            Some(mount) => {
                format!(
                    "error mounting {:?} to rootfs at {:?}{detail}",
                    mount.source, mount.shown_destination
                )
            }
            None => format!("error mounting{detail}"),
        };
        let what = match step {
            Step::FindProgram => return not_executable(&process.program, errno),
            Step::Abandoned => return Self::Gone,
            Step::CreateContainerHook => "error running createContainer hook".to_owned(),
            Step::StartContainerHook => "error running startContainer hook".to_owned(),
            Step::Affinity => "error setting CPU affinity".to_owned(),
            Step::Scheduler if errno == Errno::PERM => {
                "error setting scheduler: process scheduler can't be used together with AllowedCPUs"
                    .to_owned()
            }
            // Deadlines are kept on all CPUs or on none.
            Step::Scheduler if errno == Errno::PERM && container.is_some_and(|plan| plan.has_cpus) => {
                "error setting scheduler: process scheduler can't be used together with AllowedCPUs"
                    .to_owned()
            }
            Step::Scheduler => "error setting scheduler".to_owned(),
            Step::IoPriority => "error setting io priority".to_owned(),
            Step::MemoryPolicy => "error setting memory policy".to_owned(),
            Step::Birth => "error creating the container's process".to_owned(),
            Step::Clocks => "error setting the clocks of the time namespace".to_owned(),
            Step::Root => "error becoming root in the user namespace".to_owned(),
            Step::Hide => "cannot hide the process".to_owned(),
            Step::Session => "setsid".to_owned(),
            Step::JoinNamespace => "error joining namespaces".to_owned(),
            Step::Hostname => "sethostname".to_owned(),
            Step::Domainname => "setdomainname".to_owned(),
            Step::PrivateMounts => "error preparing rootfs: cannot set mount propagation".to_owned(),
            Step::AttachRoot => "error preparing rootfs: cannot mount it".to_owned(),
            Step::MountTarget if is_special && errno == Errno::NOTDIR => {
                mounting(": such a filesystem must be mounted on ordinary directory")
            }
            Step::MountTarget => mounting(": cannot make the mountpoint"),
            Step::MountInsideProc => mounting(": cannot be mounted because it is inside /proc"),
            Step::Mount | Step::CgroupMount => mounting(""),
            Step::EnterCgroup => format!("cannot enter cgroup by {}", name(Some(tasks))),
            Step::CgroupNamespace => "unable to unshare the cgroup namespace".to_owned(),
            Step::DeviceFolder | Step::Device => {
                let device = container.and_then(|plan| plan.devices.as_ref()?.get(index));
                format!(
                    "error creating device nodes: {}",
                    device.map_or("/dev", |device| device.path.as_str())
                )
            }
            Step::DeviceLink => "error setting up /dev symlinks".to_owned(),
            Step::OpenTerminal => "error opening a terminal in /dev/pts".to_owned(),
            Step::Console => "error mounting the terminal at /dev/console".to_owned(),
            Step::MaskedPath => {
                format!("can't mask path {:?}", name(container.map(|plan| plan.masked_paths.as_slice())))
            }
            Step::ReadonlyPath => {
                format!(
                    "can't make {:?} read-only",
                    name(container.map(|plan| plan.readonly_paths.as_slice()))
                )
            }
            Step::Sysctl => {
                let file = container.and_then(|plan| plan.sysctls.get(index));
                let file = file.map(|(file, _)| file.to_string_lossy().into_owned()).unwrap_or_default();
                format!("write sysctl key: open /proc/{file}")
            }
            Step::ReadonlyMount => mounting(": cannot make it read-only"),
            Step::ReadonlyRoot => "error setting rootfs as readonly".to_owned(),
            Step::PivotRoot => "error jailing process inside rootfs: pivot_root".to_owned(),
            Step::WorkFolder => format!("mkdir {}", process.folder.to_string_lossy()),
            Step::ChangeFolder => {
                format!("chdir to cwd ({:?}) set in config.json failed", process.folder.to_string_lossy())
            }
            Step::Keyring => "unable to join session keyring".to_owned(),
            Step::Streams => "cannot set up standard streams".to_owned(),
            Step::Personality => "unable to set personality".to_owned(),
            Step::Label => match process.label.as_ref().map(|label| label.module) {
                Some(Module::AppArmor) => "unable to apply apparmor profile".to_owned(),
                Some(Module::SeLinux) | None => "unable to apply the security label".to_owned(),
            },
            Step::BoundingSet | Step::KeepCapabilities | Step::Capabilities | Step::AmbientSet => {
                "unable to apply caps".to_owned()
            }
            Step::Limit => {
                let number = process.limits.get(index).map_or(0, |(number, ..)| *number);
                format!("error setting rlimits for ready process: error setting rlimit type {number}")
            }
            Step::User => "unable to setup user".to_owned(),
            Step::NoNewPrivileges => "prctl(SET_NO_NEW_PRIVS)".to_owned(),
            Step::CloseOnExec => "unable to close descriptors at exec".to_owned(),
            Step::Seccomp => "unable to init seccomp: error loading seccomp filter into kernel".to_owned(),
            Step::Execute => format!("exec {}", process.program.name),
        };
        Self::Step { what, errno }
    }
}

/// Why a program cannot be executed, in the words of Go's `exec.LookPath`.
fn not_executable(program: &Program, errno: Errno) -> CreateError {
    let name = program.name.clone();
    let (reason, exit_code) = match errno {
        _ if program.is_searched => ("executable file not found in $PATH".to_owned(), 127),
        // Nobody may execute a folder, says the kernel.
        Errno::ISDIR => (words(Errno::ACCESS).to_owned(), 126),
        Errno::ACCESS | Errno::PERM => (words(errno).to_owned(), 126),
        // Links of the kernel's are refused, which a reader understands best so.
        Errno::LOOP if name.starts_with("/proc/") => (words(Errno::ACCESS).to_owned(), 126),
        _ => (format!("stat {name}: {}", words(errno)), 127),
    };
    CreateError::Program { name, reason, exit_code }
}
