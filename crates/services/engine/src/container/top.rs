//! `GET /containers/{id}/top`.

use engine_api::container::ContainerTopResponse;

use crate::{Engine, Error};

impl Engine {
    /// Lists the container's processes in the columns that `ps_args` asks for; `-ef` when empty.
    ///
    /// # Errors
    /// `Conflict` when it does not run.
    pub async fn container_top(&self, _id: &str, _ps_args: &str) -> Result<ContainerTopResponse, Error> {
        Err(Error::not_implemented("top"))
    }
}
