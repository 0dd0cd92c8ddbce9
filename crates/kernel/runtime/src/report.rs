//! What a child tells its parent between clone and exec: which numbered step failed, on which item, with which errno.
//!
//! Messages of 8 bytes over a socket that keeps their borders; the end of the socket means that exec succeeded (it is
//! close-on-exec) or that the child was killed.

use rustix::io::Errno;

/// The steps of a child, in the order they are mostly taken. The numbers are part of log lines: append only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Step {
    Session = 1,
    JoinNamespace,
    Hostname,
    Domainname,
    PrivateMounts,
    AttachRoot,
    MountTarget,
    MountInsideProc,
    Mount,
    EnterCgroup,
    CgroupNamespace,
    CgroupMount,
    DeviceFolder,
    Device,
    DeviceLink,
    OpenTerminal,
    Console,
    MaskedPath,
    ReadonlyPath,
    Sysctl,
    ReadonlyMount,
    ReadonlyRoot,
    PivotRoot,
    WorkFolder,
    ChangeFolder,
    Keyring,
    Streams,
    Personality,
    Label,
    BoundingSet,
    KeepCapabilities,
    Limit,
    User,
    FindProgram,
    NoNewPrivileges,
    CloseOnExec,
    Seccomp,
    Capabilities,
    AmbientSet,
    Execute,
    /// The parent went away or gave up; nobody is told.
    Abandoned,
    CreateContainerHook,
    StartContainerHook,
    Affinity,
    Scheduler,
    IoPriority,
    MemoryPolicy,
    Birth,
    Clocks,
    Root,
    Hide,
}

/// All steps, by number minus one.
const STEPS: [Step; 51] = [
    Step::Session,
    Step::JoinNamespace,
    Step::Hostname,
    Step::Domainname,
    Step::PrivateMounts,
    Step::AttachRoot,
    Step::MountTarget,
    Step::MountInsideProc,
    Step::Mount,
    Step::EnterCgroup,
    Step::CgroupNamespace,
    Step::CgroupMount,
    Step::DeviceFolder,
    Step::Device,
    Step::DeviceLink,
    Step::OpenTerminal,
    Step::Console,
    Step::MaskedPath,
    Step::ReadonlyPath,
    Step::Sysctl,
    Step::ReadonlyMount,
    Step::ReadonlyRoot,
    Step::PivotRoot,
    Step::WorkFolder,
    Step::ChangeFolder,
    Step::Keyring,
    Step::Streams,
    Step::Personality,
    Step::Label,
    Step::BoundingSet,
    Step::KeepCapabilities,
    Step::Limit,
    Step::User,
    Step::FindProgram,
    Step::NoNewPrivileges,
    Step::CloseOnExec,
    Step::Seccomp,
    Step::Capabilities,
    Step::AmbientSet,
    Step::Execute,
    Step::Abandoned,
    Step::CreateContainerHook,
    Step::StartContainerHook,
    Step::Affinity,
    Step::Scheduler,
    Step::IoPriority,
    Step::MemoryPolicy,
    Step::Birth,
    Step::Clocks,
    Step::Root,
    Step::Hide,
];

/// A step that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) step: Step,
    /// Which item of the plan's list, where the step has one.
    pub(crate) index: u16,
    pub(crate) errno: Errno,
}

impl Step {
    /// Turns an errno into a failure of this step.
    pub(crate) fn failed(self) -> impl Fn(Errno) -> Failure {
        self.failed_at(0)
    }

    /// The same for an item of a list.
    pub(crate) fn failed_at(self, index: usize) -> impl Fn(Errno) -> Failure {
        let index = u16::try_from(index).unwrap_or(u16::MAX);
        move |errno| Failure { step: self, index, errno }
    }
}

/// What a child says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Message {
    /// Nothing more will be done before the program.
    Failed(Failure),
    /// The master of its terminal comes with this message.
    Terminal,
    /// Everything is set up; waiting to be told to begin.
    Ready,
    /// The filter has a listener, which is this descriptor of the child.
    Listener(i32),
    /// The clone of a mount comes with this message, whose ids only the parent may map: which one of the plan.
    MapIds(u16),
    /// Everything is mounted, the root is still the old one: time for the hooks of the runtime.
    HooksDue,
    /// What comes next must not be before the links are there.
    LinksDue,
}

/// Length of a message.
pub(crate) const LENGTH: usize = 8;

impl Message {
    pub(crate) fn to_bytes(self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        match self {
            Self::Ready => bytes[0] = 1,
            Self::Terminal => bytes[0] = 2,
            Self::HooksDue => bytes[0] = 4,
            Self::LinksDue => bytes[0] = 7,
            Self::MapIds(index) => {
                bytes[0] = 6;
                bytes[2..4].copy_from_slice(&index.to_le_bytes());
            }
            Self::Listener(number) => {
                bytes[0] = 5;
                bytes[4..].copy_from_slice(&number.to_le_bytes());
            }
            Self::Failed(Failure { step, index, errno }) => {
                bytes[0] = 3;
                bytes[1] = step as u8;
                bytes[2..4].copy_from_slice(&index.to_le_bytes());
                bytes[4..].copy_from_slice(&errno.raw_os_error().to_le_bytes());
            }
        }
        bytes
    }

    pub(crate) fn from_bytes(bytes: [u8; LENGTH]) -> Option<Self> {
        let [kind, step, low, high, errno @ ..] = bytes;
        Some(match kind {
            1 => Self::Ready,
            2 => Self::Terminal,
            4 => Self::HooksDue,
            7 => Self::LinksDue,
            5 => Self::Listener(i32::from_le_bytes(errno)),
            6 => Self::MapIds(u16::from_le_bytes([low, high])),
            3 => Self::Failed(Failure {
                step: *STEPS.get(usize::from(step).checked_sub(1)?)?,
                index: u16::from_le_bytes([low, high]),
                errno: Errno::from_raw_os_error(i32::from_le_bytes(errno).clamp(1, 4095)),
            }),
            _ => return None,
        })
    }
}

/// What a parent says, one byte each: the cgroup exists and may be entered.
pub(crate) const CGROUP_IS_THERE: u8 = b'c';
/// The user namespace has its ids.
pub(crate) const IDS_ARE_MAPPED: u8 = b'i';
/// The ids of a mount are mapped.
pub(crate) const MOUNT_IS_MAPPED: u8 = b'm';
/// They cannot be.
pub(crate) const MOUNT_IS_NOT_MAPPED: u8 = b'n';
/// The caller has done its own work, and the container's links are there.
pub(crate) const LINKS_ARE_THERE: u8 = b'l';
/// The hooks of the runtime have run.
pub(crate) const HOOKS_DONE: u8 = b'h';
/// The program may begin.
pub(crate) const BEGIN: u8 = b'b';

/// An errno in the words that Go programs print, which clients of Docker match on.
pub(crate) fn words(errno: Errno) -> &'static str {
    match errno {
        Errno::PERM => "operation not permitted",
        Errno::NOENT => "no such file or directory",
        Errno::SRCH => "no such process",
        Errno::INTR => "interrupted system call",
        Errno::IO => "input/output error",
        Errno::NXIO => "no such device or address",
        Errno::TOOBIG => "argument list too long",
        Errno::NOEXEC => "exec format error",
        Errno::BADF => "bad file descriptor",
        Errno::AGAIN => "resource temporarily unavailable",
        Errno::NOMEM => "cannot allocate memory",
        Errno::ACCESS => "permission denied",
        Errno::FAULT => "bad address",
        Errno::BUSY => "device or resource busy",
        Errno::EXIST => "file exists",
        Errno::XDEV => "invalid cross-device link",
        Errno::NODEV => "no such device",
        Errno::NOTDIR => "not a directory",
        Errno::ISDIR => "is a directory",
        Errno::INVAL => "invalid argument",
        Errno::NFILE => "too many open files in system",
        Errno::MFILE => "too many open files",
        Errno::TXTBSY => "text file busy",
        Errno::FBIG => "file too large",
        Errno::NOSPC => "no space left on device",
        Errno::ROFS => "read-only file system",
        Errno::MLINK => "too many links",
        Errno::PIPE => "broken pipe",
        Errno::RANGE => "numerical result out of range",
        Errno::NAMETOOLONG => "file name too long",
        Errno::NOSYS => "function not implemented",
        Errno::NOTEMPTY => "directory not empty",
        Errno::LOOP => "too many levels of symbolic links",
        Errno::OPNOTSUPP => "operation not supported",
        Errno::USERS => "too many users",
        Errno::DQUOT => "disk quota exceeded",
        Errno::LIBBAD => "accessing a corrupted shared library",
        _ => "unexpected error of the kernel",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_survives_the_wire() {
        let failures = STEPS.iter().map(|step| Message::Failed(step.failed_at(700)(Errno::NOENT)));
        for message in failures.chain([
            Message::Ready,
            Message::Terminal,
            Message::HooksDue,
            Message::LinksDue,
            Message::Listener(70_000),
            Message::MapIds(700),
        ]) {
            assert_eq!(Message::from_bytes(message.to_bytes()), Some(message));
        }
        assert_eq!(Message::from_bytes([3, 0, 0, 0, 1, 0, 0, 0]), None);
        assert_eq!(Message::from_bytes([3, 99, 0, 0, 1, 0, 0, 0]), None);
        assert_eq!(Message::from_bytes([0; LENGTH]), None);
    }

    #[test]
    fn the_numbers_of_steps_are_their_places() {
        for (place, step) in STEPS.iter().enumerate() {
            assert_eq!(usize::from(*step as u8), place + 1);
        }
    }
}
