//! `POST /containers/{id}/kill`.

use crate::{Engine, Error};

impl Engine {
    /// Sends a signal, by name or number; SIGKILL when empty. SIGKILL returns when the container is down.
    ///
    /// # Errors
    /// `Conflict` when it does not run.
    pub async fn container_kill(&self, _id: &str, _signal: &str) -> Result<(), Error> {
        Err(Error::not_implemented("kill"))
    }
}
