//! The verbs of volumes.

use engine_api::filters::Filters;
use engine_api::volume::{Volume, VolumeCreateRequest, VolumeListResponse, VolumePruneResponse};

use crate::{Engine, Error};

impl Engine {
    /// `POST /volumes/create`: makes a volume, or gives the one of that name.
    ///
    /// # Errors
    /// `InvalidParameter` for a wrong name; `NotFound` for an unknown driver.
    pub async fn volume_create(&self, _request: VolumeCreateRequest) -> Result<Volume, Error> {
        Err(Error::not_implemented("volumes"))
    }

    /// `GET /volumes`.
    ///
    /// # Errors
    /// `InvalidParameter` for unknown or malformed filters.
    pub async fn volume_list(&self, _filters: Filters) -> Result<VolumeListResponse, Error> {
        Err(Error::not_implemented("volumes"))
    }

    /// `GET /volumes/{name}`.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn volume_inspect(&self, _name: &str) -> Result<Volume, Error> {
        Err(Error::not_implemented("volumes"))
    }

    /// `DELETE /volumes/{name}`; with `force`, a missing one is no error.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` while a container uses it.
    pub async fn volume_remove(&self, _name: &str, _force: bool) -> Result<(), Error> {
        Err(Error::not_implemented("volumes"))
    }

    /// `POST /volumes/prune`.
    ///
    /// # Errors
    /// `InvalidParameter` for unknown or malformed filters.
    pub async fn volume_prune(&self, _filters: Filters) -> Result<VolumePruneResponse, Error> {
        Err(Error::not_implemented("volumes"))
    }
}
