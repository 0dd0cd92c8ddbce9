//! `POST /containers/{id}/resize`.

use crate::{Engine, Error};

impl Engine {
    /// Gives the container's terminal another size.
    ///
    /// # Errors
    /// `Conflict` when it does not run.
    pub async fn container_resize(&self, _id: &str, _height: u32, _width: u32) -> Result<(), Error> {
        Err(Error::not_implemented("resize"))
    }
}
