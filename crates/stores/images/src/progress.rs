//! What a transfer tells while it runs, as values; who listens decides how to show them.

use reference::Digest;

/// Listens to a transfer. Called from several threads; must not block for long.
pub trait Progress: Send + Sync {
    /// One thing happened.
    fn report(&self, event: Event);
}

impl<F: Fn(Event) + Send + Sync> Progress for F {
    fn report(&self, event: Event) {
        self(event);
    }
}

/// One thing that happened in a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A repository's manifest was found.
    PullingFrom {
        /// The tag, or the whole reference when pulled by digest.
        version: String,
        /// The repository's familiar name.
        repository: String,
    },
    /// A layer came one step further.
    Layer {
        /// The first twelve digits of its digest.
        id: String,
        /// The step.
        step: LayerStep,
    },
    /// The digest of what was pulled.
    Digest(Digest),
    /// The end: whether anything new was pulled for this familiar reference.
    Pulled {
        /// What was asked for.
        reference: String,
        /// True if the name now means something that it did not mean before.
        is_newer: bool,
    },
    /// The image does not fit the platform that was asked for, and was pulled all the same.
    Warning(String),
}

/// How far one layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerStep {
    /// It will be fetched.
    Queued,
    /// It waits for its turn.
    Waiting,
    /// It is there already.
    Exists,
    /// Some of its bytes came.
    Downloading {
        /// Bytes that came.
        current: u64,
        /// Bytes in all, 0 if unknown.
        total: u64,
    },
    /// The transfer broke and starts again after a pause.
    Retrying {
        /// The pause's length.
        seconds: u64,
    },
    /// All bytes came; their digest is compared.
    Verifying,
    /// The digest is right.
    Downloaded,
    /// It is being unpacked.
    Extracting {
        /// Compressed bytes read.
        current: u64,
        /// Compressed bytes in all.
        total: u64,
    },
    /// It is unpacked.
    Complete,
    /// It is being read from an archive.
    Loading {
        /// Bytes read.
        current: u64,
        /// Bytes in all.
        total: u64,
    },
}

impl LayerStep {
    /// The step in Docker's words.
    pub fn status(&self) -> String {
        match self {
            LayerStep::Queued => "Pulling fs layer".to_owned(),
            LayerStep::Waiting => "Waiting".to_owned(),
            LayerStep::Exists => "Already exists".to_owned(),
            LayerStep::Downloading { .. } => "Downloading".to_owned(),
            LayerStep::Retrying { seconds: 1 } => "Retrying in 1 second".to_owned(),
            LayerStep::Retrying { seconds } => format!("Retrying in {seconds} seconds"),
            LayerStep::Verifying => "Verifying Checksum".to_owned(),
            LayerStep::Downloaded => "Download complete".to_owned(),
            LayerStep::Extracting { .. } => "Extracting".to_owned(),
            LayerStep::Complete => "Pull complete".to_owned(),
            LayerStep::Loading { .. } => "Loading layer".to_owned(),
        }
    }

    /// Bytes done and bytes in all, for the steps that count.
    pub fn bytes(&self) -> Option<(u64, u64)> {
        match *self {
            LayerStep::Downloading { current, total }
            | LayerStep::Extracting { current, total }
            | LayerStep::Loading { current, total } => Some((current, total)),
            _ => None,
        }
    }
}
