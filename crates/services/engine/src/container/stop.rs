//! `POST /containers/{id}/stop`.

use crate::{Engine, Error};

/// How to stop.
#[derive(Debug, Clone, Default)]
pub struct StopOptions {
    /// The signal, by name or number; the container's own when absent or empty.
    pub signal: Option<String>,
    /// Seconds before SIGKILL, -1 for never; the container's own when absent.
    pub timeout: Option<i64>,
}

impl Engine {
    /// Asks the first process to end, and kills it when it takes too long.
    ///
    /// # Errors
    /// Kind `NotModified` when it does not run.
    pub async fn container_stop(&self, _id: &str, _options: StopOptions) -> Result<(), Error> {
        Err(Error::not_implemented("stop"))
    }
}
