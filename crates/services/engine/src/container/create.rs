//! `POST /containers/create`.

use engine_api::container::{ContainerCreateRequest, ContainerCreateResponse};
use engine_api::version::ApiVersion;

use crate::{Engine, Error};

/// What stands in the query of a create, and who asks.
#[derive(Debug, Clone)]
pub struct CreateOptions {
    /// `name`; a random one when empty.
    pub name: String,
    /// `platform`; the host's when empty.
    pub platform: String,
    /// The API version that the client speaks: it decides some defaults.
    pub version: ApiVersion,
}

impl Engine {
    /// Makes a container from an image that is there.
    ///
    /// # Errors
    /// `InvalidParameter` with Docker's texts; `NotFound` when the image is not there; `Conflict` when the name is taken.
    pub async fn container_create(
        &self,
        _options: CreateOptions,
        _request: ContainerCreateRequest,
    ) -> Result<ContainerCreateResponse, Error> {
        Err(Error::not_implemented("create"))
    }
}
