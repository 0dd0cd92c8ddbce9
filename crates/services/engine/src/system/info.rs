//! `GET /info`.

use engine_api::system::SystemInfo;

use crate::{Engine, Error};

impl Engine {
    /// The daemon, its objects and its host.
    ///
    /// # Errors
    /// None today; the host may grow reasons.
    pub async fn info(&self) -> Result<SystemInfo, Error> {
        Err(Error::not_implemented("info"))
    }
}
