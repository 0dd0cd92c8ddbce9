//! What a create and an exec have in common: streams, user, signals.

use std::os::fd::{BorrowedFd, OwnedFd};

use oci_spec::runtime::{self as oci};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::process::Signal;

use crate::child::Streams;
use crate::error::CreateError;
use crate::user::{self, User};

/// Size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSize {
    /// Rows.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
}

/// Where the standard streams of a process go.
#[derive(Debug)]
pub enum Stdio {
    /// Those of the caller.
    Inherit,
    /// `/dev/null`.
    Null,
    /// The child's ends; no stdin means `/dev/null`.
    Pipes {
        /// Read end.
        stdin: Option<OwnedFd>,
        /// Write end.
        stdout: OwnedFd,
        /// Write end.
        stderr: OwnedFd,
    },
    /// A terminal made inside the container's devpts; the master comes back to the caller.
    Terminal {
        /// First size.
        size: Option<WindowSize>,
        /// What becomes of line ends.
        line_ends: LineEnds,
    },
}

/// What a terminal does with the line ends that programs write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LineEnds {
    /// Adds a carriage return to each, as terminals do.
    #[default]
    Return,
    /// Leaves them to another terminal, to which this one's output goes.
    Keep,
}

/// A user as Docker writes it (`name`, `uid`, `name:group` …) and further groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserWish<'a> {
    /// `""` is root.
    pub user: &'a str,
    /// Names or ids.
    pub additional_groups: &'a [String],
}

/// Finds the user: by name in the container's files, else by the ids of the document.
pub(crate) fn find_user(
    root: BorrowedFd<'_>,
    wish: Option<UserWish<'_>>,
    process: &oci::Process,
) -> Result<User, CreateError> {
    match wish {
        Some(wish) => Ok(user::resolve(root, wish.user, wish.additional_groups)?),
        None => Ok(User {
            uid: process.user.uid,
            gid: process.user.gid,
            additional_gids: process.user.additional_gids.clone(),
            home: user::home_of(root, process.user.uid),
        }),
    }
}

impl Stdio {
    /// The descriptors the child puts in place.
    pub(crate) fn into_streams(self) -> Result<Streams, CreateError> {
        let failed = |errno| CreateError::step("open /dev/null", errno);
        let null =
            || openat(CWD, c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).map_err(failed);
        Ok(match self {
            Self::Inherit => Streams::Inherit,
            Self::Null => Streams::Given([null()?, null()?, null()?]),
            Self::Terminal { size, line_ends } => Streams::Terminal(size, line_ends),
            Self::Pipes { stdin, stdout, stderr } => {
                let stdin = match stdin {
                    Some(stdin) => stdin,
                    None => null()?,
                };
                Streams::Given([beyond(stdin)?, beyond(stdout)?, beyond(stderr)?])
            }
        })
    }
}

/// A stream whose number is itself that of a standard stream would be overwritten while the others are put in place.
fn beyond(stream: OwnedFd) -> Result<OwnedFd, CreateError> {
    use std::os::fd::AsRawFd;
    if stream.as_raw_fd() > 2 {
        return Ok(stream);
    }
    fcntl_dupfd_cloexec(&stream, 3).map_err(|errno: Errno| CreateError::step("dup", errno))
}

/// Sends a signal to a process by its handle.
///
/// # Errors
/// `ESRCH` when it is gone.
pub fn kill(pidfd: BorrowedFd<'_>, signal: Signal) -> Result<(), rustix::io::Errno> {
    rustix::process::pidfd_send_signal(pidfd, signal)
}
