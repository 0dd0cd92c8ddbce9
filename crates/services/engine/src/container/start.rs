//! `POST /containers/{id}/start`. What it takes is planned in `spec.rs` and done in `launch.rs`.

use super::handle::Request;
use crate::{Engine, Error};

impl Engine {
    /// Starts a container and returns once its process runs.
    ///
    /// # Errors
    /// Kind `NotModified` when it runs already; otherwise what kept it from starting.
    pub async fn container_start(&self, id: &str) -> Result<(), Error> {
        let handle = self.shared.containers.find(id)?;
        handle.attached().await;
        handle.ask(Request::Start).await
    }
}
