//! `POST /containers/prune`.

use engine_api::container::ContainerPruneResponse;
use engine_api::filters::Filters;

use crate::{Engine, Error};

impl Engine {
    /// Removes containers that do not run.
    ///
    /// # Errors
    /// `InvalidParameter` for unknown or malformed filters.
    pub async fn container_prune(&self, _filters: Filters) -> Result<ContainerPruneResponse, Error> {
        Err(Error::not_implemented("prune"))
    }
}
