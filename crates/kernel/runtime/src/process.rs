//! What a create and an exec have in common: streams, user, signals.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::process::Signal;

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
    },
}

/// A user as Docker writes it (`name`, `uid`, `name:group` …) and further groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserWish<'a> {
    /// `""` is root.
    pub user: &'a str,
    /// Names or ids.
    pub additional_groups: &'a [String],
}

/// Sends a signal to a process by its handle.
///
/// # Errors
/// `ESRCH` when it is gone.
pub fn kill(pidfd: BorrowedFd<'_>, signal: Signal) -> Result<(), rustix::io::Errno> {
    rustix::process::pidfd_send_signal(pidfd, signal)
}
