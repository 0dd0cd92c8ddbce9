//! `POST /containers/{id}/start`.

use crate::{Engine, Error};

impl Engine {
    /// Starts a container and returns once its process runs.
    ///
    /// # Errors
    /// Kind `NotModified` when it runs already; otherwise what kept it from starting.
    pub async fn container_start(&self, _id: &str) -> Result<(), Error> {
        Err(Error::not_implemented("start"))
    }
}
