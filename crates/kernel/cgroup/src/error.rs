//! What can go wrong with control groups.

use std::io;
use std::path::{Path, PathBuf};

use crate::systemd::BusError;

/// Why control groups could not be used.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// A limit that makes no sense or cannot be expressed.
    #[error("{0}")]
    Unsupported(String),
    /// A limit the kernel refused.
    #[error("failed to write {value:?} to {}", path.display())]
    Write {
        /// What was written.
        value: String,
        /// The file.
        path: PathBuf,
        /// The kernel's reason.
        #[source]
        cause: io::Error,
    },
    /// A memory limit below what is in use.
    #[error("unable to set memory limit to {limit} (current usage: {usage}, peak usage: {peak})")]
    MemoryInUse {
        /// What was wanted.
        limit: String,
        /// Bytes in use.
        usage: u64,
        /// Most bytes ever in use.
        peak: u64,
    },
    /// A file of cgroup v2 whose controller the group does not have.
    #[error("unified resource {file:?} can't be set: controller {controller:?} not available")]
    NoController {
        /// The file.
        file: String,
        /// The controller.
        controller: String,
    },
    /// A file of cgroup v2 that took no such value.
    #[error("unable to set unified resource {file:?}")]
    Unified {
        /// The file.
        file: String,
        /// The kernel's reason.
        #[source]
        cause: io::Error,
    },
    /// A file or folder could not be read, created or removed.
    #[error("cannot {action} {}", path.display())]
    File {
        /// `read`, `create` or `remove`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The kernel's reason.
        #[source]
        cause: io::Error,
    },
    /// The group exists and has processes in it.
    #[error("container's cgroup is not empty: {0} process(es) found")]
    Busy(usize),
    /// The group exists and is frozen: a process in it would never begin.
    #[error("container's cgroup unexpectedly frozen")]
    Frozen,
    /// The tasks did not come to rest in time.
    #[error("unable to freeze")]
    Freeze(PathBuf),
    /// systemd did not do its part.
    #[error("{action}")]
    Systemd {
        /// What it should have done.
        action: String,
        /// Why it did not.
        #[source]
        cause: BusError,
    },
    /// The device filter could not be loaded or attached.
    #[error("cannot attach the device filter to {}", path.display())]
    DeviceFilter {
        /// The group.
        path: PathBuf,
        /// The kernel's reason.
        #[source]
        cause: rustix::io::Errno,
    },
}

impl CgroupError {
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::File { action, path, cause }
    }
}
