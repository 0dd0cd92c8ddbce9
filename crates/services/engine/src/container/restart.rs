//! `POST /containers/{id}/restart`.

use super::stop::StopOptions;
use crate::{Engine, Error};

impl Engine {
    /// Stops the container if it runs, and starts it.
    ///
    /// # Errors
    /// As stop and start, in Docker's frame `Cannot restart container …`.
    pub async fn container_restart(&self, _id: &str, _options: StopOptions) -> Result<(), Error> {
        Err(Error::not_implemented("restart"))
    }
}
