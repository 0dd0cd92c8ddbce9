//! `GET /containers/{id}/logs`.

use crate::{Engine, Error};

/// The query as typed; empty texts mean "not given".
#[derive(Debug, Clone, Default)]
pub struct LogsOptions {
    /// Show standard output.
    pub stdout: bool,
    /// Show standard error.
    pub stderr: bool,
    /// Wait for more.
    pub follow: bool,
    /// Put a time before each line.
    pub timestamps: bool,
    /// Put the attributes (labels, env, tag) before each line.
    pub details: bool,
    /// From this time on: seconds, or RFC 3339.
    pub since: String,
    /// Up to this time.
    pub until: String,
    /// The last so many lines; all when empty or `all`.
    pub tail: String,
}

/// A log on its way: blocks of bytes, framed (8-byte heads) unless the container has a terminal.
pub struct LogStream {
    /// Whether blocks carry the frames of two streams.
    pub multiplexed: bool,
}

impl LogStream {
    /// The next block; nothing at the end of the log, or, when following, of the container.
    pub async fn next(&mut self) -> Option<Result<Vec<u8>, Error>> {
        None
    }
}

impl Engine {
    /// Opens a container's log.
    ///
    /// # Errors
    /// `InvalidParameter` without a stream; `NotImplemented` for a log driver that cannot be read.
    pub async fn container_logs(&self, _id: &str, _options: LogsOptions) -> Result<LogStream, Error> {
        Err(Error::not_implemented("logs"))
    }
}
