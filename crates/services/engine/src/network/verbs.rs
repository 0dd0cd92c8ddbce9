//! The verbs of networks.

use engine_api::filters::Filters;
use engine_api::network::{Network, NetworkCreateRequest, NetworkCreateResponse};

use crate::{Engine, Error};

impl Engine {
    /// `GET /networks`.
    ///
    /// # Errors
    /// `InvalidParameter` for unknown or malformed filters.
    pub async fn network_list(&self, _filters: Filters) -> Result<Vec<Network>, Error> {
        Err(Error::not_implemented("networks"))
    }

    /// `GET /networks/{id}`: by id, name, or the beginning of an id; `scope` narrows the search when not empty.
    ///
    /// # Errors
    /// `NotFound`; `InvalidParameter` when several match.
    pub async fn network_inspect(&self, _id: &str, _scope: &str) -> Result<Network, Error> {
        Err(Error::not_implemented("networks"))
    }

    /// `POST /networks/create`.
    ///
    /// # Errors
    /// `Conflict` when the name is taken; `Forbidden` for a predefined name or overlapping pool.
    pub async fn network_create(
        &self,
        _request: NetworkCreateRequest,
    ) -> Result<NetworkCreateResponse, Error> {
        Err(Error::not_implemented("networks"))
    }

    /// `DELETE /networks/{id}`.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` while containers are on it or for a predefined one.
    pub async fn network_remove(&self, _id: &str) -> Result<(), Error> {
        Err(Error::not_implemented("networks"))
    }
}
