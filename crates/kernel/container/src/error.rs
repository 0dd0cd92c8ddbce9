//! Why something could not be done with a container, in runc's words where callers look for them.

use std::io;
use std::path::PathBuf;

use oci_spec::runtime::DecodeError;
use runtime::CreateError;
use runtime::error::reason;

use crate::status::Status;

/// Why a bundle cannot become a container.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// There is no document.
    #[error("JSON specification file config.json not found")]
    Missing,
    /// It cannot be read.
    #[error("open {}: {}", path.display(), reason(cause))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// It is longer than any document.
    #[error("config.json is longer than {0} bytes")]
    TooLong(u64),
    /// It is no document of this kind.
    #[error(transparent)]
    Syntax(#[from] DecodeError),
    /// A field has a value that makes no sense.
    #[error("{0}")]
    Invalid(String),
}

/// Why something could not be done with a container.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// The name cannot be one.
    #[error("invalid container ID format")]
    InvalidId,
    /// The name is taken.
    #[error("container with given ID already exists")]
    Exists,
    /// There is none of this name.
    #[error("container does not exist")]
    Missing,
    /// The first process is gone.
    #[error("container not running")]
    NotRunning,
    /// It is not paused.
    #[error("container not paused")]
    NotPaused,
    /// The status forbids it.
    #[error("{0}")]
    Status(&'static str),
    /// It cannot be started from this status.
    #[error("cannot start a container in the {0} state")]
    NotStartable(Status),
    /// It is in use.
    #[error("cannot delete container {id} that is not stopped: {status}")]
    InUse {
        /// Which.
        id: String,
        /// Its status.
        status: Status,
    },
    /// Killed, and yet there.
    #[error("container init still running")]
    StillRunning,
    /// The process could not be made.
    #[error("unable to start container process: {}", within(.0))]
    Process(#[from] CreateError),
    /// The document is bad.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A control group refused.
    #[error(transparent)]
    Cgroup(#[from] cgroup::CgroupError),
    /// The system call filter cannot be made.
    #[error("unable to init seccomp: {0}")]
    Seccomp(#[from] runtime::seccomp::SeccompError),
    /// A file of the record, or around it.
    #[error("{what} {}: {}", path.display(), reason(cause))]
    File {
        /// What was attempted: `open`, `mkdir` …
        what: &'static str,
        /// On which.
        path: PathBuf,
        /// Why it failed.
        cause: io::Error,
    },
    /// The record is not one.
    #[error("invalid state of container {id}: {cause}")]
    Record {
        /// Whose.
        id: String,
        /// Why.
        cause: serde_json::Error,
    },
    /// A refusal with its own text.
    #[error("{0}")]
    Refused(String),
}

impl ContainerError {
    pub(crate) fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |cause| Self::File { what, path, cause }
    }
}

/// runc runs most steps in the container's first process, and says so.
fn within(error: &CreateError) -> String {
    match error {
        CreateError::Program { .. } | CreateError::Step { .. } => {
            format!("error during container init: {error}")
        }
        CreateError::Cgroup(_) => {
            let mut text = format!("unable to apply cgroup configuration: {error}");
            let mut cause = std::error::Error::source(error);
            while let Some(error) = cause {
                let next = error.to_string();
                if !text.ends_with(&next) {
                    text = format!("{text}: {next}");
                }
                cause = error.source();
            }
            text
        }
        _ => error.to_string(),
    }
}
