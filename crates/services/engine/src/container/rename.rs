//! `POST /containers/{id}/rename`.

use crate::{Engine, Error};

impl Engine {
    /// Gives a container another name.
    ///
    /// # Errors
    /// `InvalidParameter` for an empty, wrong or unchanged name; `Conflict` when it is taken.
    pub async fn container_rename(&self, _id: &str, _name: &str) -> Result<(), Error> {
        Err(Error::not_implemented("rename"))
    }
}
