//! `POST /containers/{id}/pause` and `/unpause`.

use super::handle::Request;
use crate::{Engine, Error};

impl Engine {
    /// Freezes all processes of the container.
    ///
    /// # Errors
    /// `Conflict` when it does not run or is frozen already.
    pub async fn container_pause(&self, id: &str) -> Result<(), Error> {
        self.shared.containers.find(id)?.ask(Request::Pause).await
    }

    /// Lets them run again.
    ///
    /// # Errors
    /// Docker answers 500 when it is not frozen.
    pub async fn container_unpause(&self, id: &str) -> Result<(), Error> {
        self.shared.containers.find(id)?.ask(Request::Unpause).await
    }
}
