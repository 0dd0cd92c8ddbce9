//! Creating and starting a container.

use std::error::Error;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;

use oci_spec::runtime::Spec;
use serde::{Deserialize, Serialize};

use crate::error::CreateError;
use crate::process::{Stdio, UserWish};
use crate::seccomp::Program;

/// Where the root file system comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rootfs {
    /// A folder of the host.
    Path(PathBuf),
    /// An overlay, mounted detached: the host never sees it.
    Overlay(mount::Overlay),
}

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
}

/// A child that has its namespaces and is busy mounting.
#[derive(Debug)]
pub struct Newborn<'a> {
    /// Its id in the caller's PID namespace.
    pub pid: u32,
    /// Its handle.
    pub pidfd: BorrowedFd<'a>,
}

impl Newborn<'_> {
    /// Opens its network namespace.
    ///
    /// # Errors
    /// When `/proc` does not show the child.
    pub fn net_namespace(&self) -> std::io::Result<OwnedFd> {
        Err(std::io::ErrorKind::Unsupported.into())
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
    /// The control group it is in.
    pub cgroup: Option<cgroup::Group>,
}

impl Created {
    /// Lets the program begin.
    ///
    /// # Errors
    /// When the child is gone.
    pub fn start(&mut self) -> Result<(), CreateError> {
        Err(CreateError::Gone)
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
    _request: CreateRequest<'_>,
    _while_mounting: &mut dyn FnMut(&Newborn<'_>) -> Result<(), Box<dyn Error + Send + Sync>>,
) -> Result<Created, CreateError> {
    Err(CreateError::Gone)
}
