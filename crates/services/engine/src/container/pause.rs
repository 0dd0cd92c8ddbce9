//! `POST /containers/{id}/pause` and `/unpause`.

use crate::{Engine, Error};

impl Engine {
    /// Freezes all processes of the container.
    ///
    /// # Errors
    /// `Conflict` when it does not run or is frozen already.
    pub async fn container_pause(&self, _id: &str) -> Result<(), Error> {
        Err(Error::not_implemented("pause"))
    }

    /// Lets them run again.
    ///
    /// # Errors
    /// Docker answers 500 when it is not frozen.
    pub async fn container_unpause(&self, _id: &str) -> Result<(), Error> {
        Err(Error::not_implemented("unpause"))
    }
}
