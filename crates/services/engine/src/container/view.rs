//! What readers see of a container: an immutable value, replaced whenever something changes.

use std::sync::Arc;

use super::intent::Intent;
use super::life::{Exit, Life};
use super::supervisor::Supervisor;
use crate::network::Reservation;

/// A container as it was published last.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) intent: Arc<Intent>,
    pub(crate) life: Life,
    /// What it has of the network; empty while it does not run.
    pub(crate) network: Arc<Reservation>,
    /// The last end, for those who waited for it while the next run has begun.
    pub(crate) last_exit: Option<Exit>,
    /// The way to its supervisor, while there is one.
    pub(crate) supervisor: Option<Supervisor>,
}

impl View {
    pub(crate) fn id(&self) -> &str {
        &self.intent.id
    }

    pub(crate) fn name(&self) -> &str {
        &self.intent.name
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.life.process().map(|process| process.pid)
    }
}
