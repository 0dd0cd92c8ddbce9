//! Wishes of the command line that the engine has not: their defaults cost nothing.

use std::os::fd::OwnedFd;
use std::path::Path;

use oci_spec::runtime::Linux;

use crate::seccomp::Listener;

/// Rarer wishes of a create.
#[derive(Debug, Default)]
pub struct CreateOptions<'a> {
    /// The bundle's folder: hooks read it in the state. The document's hooks run only when it is given.
    pub bundle: Option<&'a Path>,
    /// How the root file system becomes the root.
    pub root: RootChange,
    /// Which session keyring the container has.
    pub keyring: Keyring,
    /// How many descriptors from number 3 on the program inherits. The caller holds all of them: what it opened
    /// itself must not be among them.
    pub preserved: u32,
    /// Which CPUs it runs on.
    pub affinity: Affinity,
    /// Who answers the calls that the filter asks about.
    pub listener: Option<Listener<'a>>,
    /// Whether the child is waited for without an end: the container's own limits may slow it down for long, and the
    /// caller has nobody else to serve.
    pub is_patient: bool,
    /// What is there already.
    pub advance: Advance,
}

/// What the caller made in advance, while it waited to learn the rest: none of it is made again.
#[derive(Debug, Default)]
pub struct Advance {
    /// The root file system, as [`Rootfs::mount`](crate::Rootfs::mount) gives it.
    pub root: Option<OwnedFd>,
    /// The control group that the request's plan makes; removed when the create fails.
    pub group: Option<cgroup::Group>,
    /// A network namespace without a process: taken for a new one, unless that has to belong to a user namespace.
    pub network: Option<OwnedFd>,
}

/// Which CPUs a process runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Affinity {
    /// The caller's.
    #[default]
    Inherit,
    /// All that its cgroup allows, whatever the caller itself is bound to.
    Reset,
}

/// How the root file system becomes the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RootChange {
    /// `pivot_root(2)`: the old root is gone.
    #[default]
    Pivot,
    /// `chroot(2)`, for hosts whose root is an initramfs: the old one stays covered (`--no-pivot`).
    Cover,
}

/// Which session keyring a process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keyring {
    /// One of its own.
    #[default]
    Own,
    /// The caller's (`--no-new-keyring`).
    Callers,
}

/// Rarer wishes of an exec.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExecOptions<'a> {
    /// The container's configuration: tells whether it has a user or a time namespace to be joined, and its personality.
    pub linux: Option<&'a Linux>,
    /// The container's id, when its session keyring shall be joined.
    pub keyring_of: Option<&'a str>,
    /// How many descriptors from number 3 on the program inherits; see [`CreateOptions::preserved`].
    pub preserved: u32,
    /// Which CPUs it runs on when its document does not say.
    pub affinity: Affinity,
    /// Who answers the calls that the filter asks about.
    pub listener: Option<Listener<'a>>,
    /// Whether the child is waited for without an end: the container's own limits may slow it down for long, and the
    /// caller has nobody else to serve.
    pub is_patient: bool,
}
