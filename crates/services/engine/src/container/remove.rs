//! `DELETE /containers/{id}`.

use crate::{Engine, Error};

/// What else to do, or what instead.
#[derive(Debug, Clone, Copy, Default)]
pub struct RemoveOptions {
    /// Kill it first if it runs.
    pub force: bool,
    /// Also its anonymous volumes.
    pub volumes: bool,
    /// Only a link of that name.
    pub link: bool,
}

impl Engine {
    /// Takes a container away: record, layer, folders, log.
    ///
    /// # Errors
    /// `Conflict` when it runs and `force` is not set.
    pub async fn container_remove(&self, _id: &str, _options: RemoveOptions) -> Result<(), Error> {
        Err(Error::not_implemented("remove"))
    }
}
