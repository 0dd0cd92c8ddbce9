//! `GET /containers/{id}/json`.

use engine_api::container::ContainerInspectResponse;

use crate::{Engine, Error};

/// Whether to measure the container's layer, which reads its whole tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Measure.
    Measured,
    /// Leave out.
    Omitted,
}

impl Engine {
    /// Everything about one container.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn container_inspect(&self, _id: &str, _size: Size) -> Result<ContainerInspectResponse, Error> {
        Err(Error::not_implemented("inspect"))
    }
}
