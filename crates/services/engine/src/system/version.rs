//! `GET /version`.

use engine_api::system::SystemVersion;

use crate::Engine;

impl Engine {
    /// Versions of the engine and its parts.
    #[must_use]
    pub fn version(&self) -> SystemVersion {
        SystemVersion::default()
    }
}
