//! Why a container or an exec could not be created, in runc's words where Docker shows them.

use std::error::Error;

use rustix::io::Errno;

use crate::user::UserError;

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
    #[error("{what}")]
    Step {
        /// What was attempted.
        what: String,
        /// The kernel's reason.
        #[source]
        errno: Errno,
    },
    /// The caller's own work failed.
    #[error(transparent)]
    WhileMounting(Box<dyn Error + Send + Sync>),
    /// The child ended without a report: killed, perhaps for lack of memory.
    #[error("container init was killed before it could begin")]
    Gone,
}

impl CreateError {
    /// The exit code Docker records for a container that could not begin: 127, 126, else 128.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Program { exit_code, .. } => *exit_code,
            _ => 128,
        }
    }
}
