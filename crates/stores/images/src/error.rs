//! What can go wrong with the store itself, and how callers should react to any of this crate's errors.

use std::io;
use std::path::{Path, PathBuf};

/// How a caller reacts to an error; each error type of this crate maps itself to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request or the content given is wrong.
    Invalid,
    /// There is no such image.
    NotFound,
    /// Something else uses the image.
    Conflict,
    /// The registry wants other credentials.
    Unauthorized,
    /// A name that nobody may use.
    Forbidden,
    /// The registry cannot be reached, or not now.
    Unavailable,
    /// The host failed.
    System,
}

/// The store's own disk or records failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file operation inside the data root failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        cause: io::Error,
    },
    /// The intent store refused.
    #[error("cannot record the image")]
    Db(#[from] db::DbError),
    /// The data root's file system would be left with too little room.
    #[error("no space left on device")]
    Full,
    /// A config that the store itself wrote cannot be read any more.
    #[error("image {id} is damaged: {reason}")]
    Damaged {
        /// The image's ID.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl StoreError {
    /// How a caller reacts.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::System
    }

    /// For `map_err`: an [`StoreError::Io`] about `path`.
    pub(crate) fn io<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> StoreError {
        let path = path.to_owned();
        move |cause| StoreError::Io { action, path, cause: cause.into() }
    }
}
