//! `load`: images out of an archive that `docker save`, `skopeo` or `buildx` wrote.
//!
//! The archive is read once, from a stream, into one spool file; small documents are then read from it, and
//! the layers unpacked from it in parallel. Three forms are known, tried in this order: Docker's
//! (`manifest.json`), OCI's image layout (`index.json`), Docker's first (refused).
//! All images of an archive are recorded in one transaction, or none is.

mod docker;
mod legacy;
mod oci;
mod spool;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Mutex, PoisonError};

use oci_spec::image::{ImageConfig, Platform};
use reference::{Digest, ParseError, Reference};

use crate::error::{ErrorKind, StoreError};
use crate::layer::{LayerError, MOST_LAYERS, unpack_layer};
use crate::progress::{Event, LayerStep, Progress};
use crate::store::{Hold, ImageStore, NewImage};
use spool::{Range, Spool};

/// An image that came out of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Its ID.
    pub image: Digest,
    /// The names that the archive gave it, and what each meant before.
    pub names: Vec<(Reference, Option<Digest>)>,
}

/// Why an archive could not be loaded. Nothing of it stays.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The archive itself is malformed, cut, or could not be received.
    #[error(transparent)]
    Archive(Box<dyn std::error::Error + Send + Sync>),
    /// A file that another one names is not in the archive.
    #[error("open {0}: no such file or directory")]
    Missing(String),
    /// A document is no JSON, or not what it should be.
    #[error("{cause}")]
    Document {
        /// Which one.
        name: String,
        /// What the reader said.
        cause: serde_json::Error,
    },
    /// A document is too large to be one.
    #[error("{0} is too large")]
    TooLarge(String),
    /// `manifest.json` is `null`.
    #[error("invalid manifest, manifest cannot be null (but can be [])")]
    NoManifest,
    /// A config without layers.
    #[error("invalid image JSON, no RootFS key")]
    NoRootFs,
    /// Manifest and config disagree.
    #[error("invalid manifest, layers length mismatch: expected {manifest}, got {config}")]
    LayerCount {
        /// Layers in the manifest.
        manifest: usize,
        /// Layers in the config.
        config: usize,
    },
    /// More layers than overlayfs takes.
    #[error("max depth exceeded")]
    TooManyLayers,
    /// An image for another system.
    #[error("cannot load {0} image on linux")]
    System(String),
    /// A layer is not the one that the config names.
    #[error("invalid diffID for layer {index}: expected \"{expected}\", got \"{found}\"")]
    DiffId {
        /// Which layer, lowest first.
        index: usize,
        /// What the config says.
        expected: Digest,
        /// What is in the archive.
        found: Digest,
    },
    /// A layer cannot be unpacked.
    #[error(transparent)]
    Layer(LayerError),
    /// A name in the archive is none.
    #[error(transparent)]
    Name(#[from] ParseError),
    /// A name in the archive has no tag.
    #[error("invalid tag \"{0}\"")]
    Tag(String),
    /// A document of an image layout is not what its digest says.
    #[error("{0} does not match its digest")]
    Digest(Digest),
    /// An archive of the form that Docker wrote before 1.10.
    #[error("the archive has no manifest.json: images saved before Docker 1.10 cannot be loaded")]
    TooOld,
    /// The archive holds no image for the platform that was asked for.
    #[error("no image for platform {0} in the archive")]
    Platform(String),
    /// The disk refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LoadError {
    /// How a caller reacts.
    pub fn kind(&self) -> ErrorKind {
        match self {
            LoadError::Store(error) => error.kind(),
            LoadError::Layer(error) => error.kind(),
            LoadError::Platform(_) => ErrorKind::NotFound,
            // Docker blames itself for every archive; what a client sees is the message in the stream.
            LoadError::Archive(_)
            | LoadError::Missing(_)
            | LoadError::Document { .. }
            | LoadError::TooLarge(_)
            | LoadError::NoManifest
            | LoadError::NoRootFs
            | LoadError::LayerCount { .. }
            | LoadError::TooManyLayers
            | LoadError::System(_)
            | LoadError::DiffId { .. }
            | LoadError::Name(_)
            | LoadError::Tag(_)
            | LoadError::Digest(_)
            | LoadError::TooOld => ErrorKind::System,
        }
    }
}

/// An image as the archive's documents describe it.
struct Planned {
    bytes: Vec<u8>,
    config: ImageConfig,
    names: Vec<Reference>,
    parent: Option<Digest>,
    /// Where each layer lies, lowest first.
    layers: Vec<Range>,
}

impl Planned {
    fn new(bytes: Vec<u8>, layers: Vec<Range>) -> Result<Planned, LoadError> {
        let config = read_config(&bytes)?;
        let count = config.diff_ids().len();
        if layers.len() != count {
            return Err(LoadError::LayerCount { manifest: layers.len(), config: count });
        }
        if count > MOST_LAYERS {
            return Err(LoadError::TooManyLayers);
        }
        if !matches!(config.os.as_str(), "" | "linux") {
            return Err(LoadError::System(config.os.clone()));
        }
        Ok(Planned { bytes, config, names: Vec::new(), parent: None, layers })
    }
}

impl ImageStore {
    /// Loads all images of an archive, or those for `platform`. Blocks; reads `source` to its end.
    pub fn load(
        &self,
        source: impl Read + Send,
        platform: Option<&Platform>,
        progress: &dyn Progress,
    ) -> Result<Vec<Loaded>, LoadError> {
        let spool = Spool::fill(self, source)?;
        let planned = plan(&spool, platform)?;
        let holds = self.unpack_all(&spool, &planned, progress)?;
        let images: Vec<NewImage> = planned
            .into_iter()
            .map(|image| NewImage {
                bytes: image.bytes,
                config: image.config,
                names: image.names,
                parent: image.parent,
            })
            .collect();
        let mut loaded: Vec<Loaded> = images
            .iter()
            .map(|image| Loaded {
                image: crate::blob::digest_of(&image.bytes),
                names: image.names.iter().map(|name| (name.clone(), None)).collect(),
            })
            .collect();
        for (moved, previous) in self.record(images, holds)? {
            for (name, before) in loaded.iter_mut().flat_map(|image| &mut image.names) {
                if *name == moved {
                    *before = Some(previous.clone());
                }
            }
        }
        Ok(loaded)
    }

    /// Unpacks every layer that is not there yet, each once, several at a time.
    fn unpack_all(
        &self,
        spool: &Spool,
        images: &[Planned],
        progress: &dyn Progress,
    ) -> Result<Vec<Hold>, LoadError> {
        let mut jobs: BTreeMap<&Digest, (usize, Range)> = BTreeMap::new();
        for image in images {
            for (index, (diff_id, range)) in image.config.diff_ids().iter().zip(&image.layers).enumerate() {
                jobs.entry(diff_id).or_insert((index, *range));
            }
        }
        let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8).min(jobs.len());
        let queue = Mutex::new((jobs.into_iter(), Vec::new(), None));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let next = match &mut *queue.lock().unwrap_or_else(PoisonError::into_inner) {
                            (_, _, Some(_)) => None,
                            (jobs, _, None) => jobs.next(),
                        };
                        let Some((diff_id, (index, range))) = next else { return };
                        let outcome = self.unpack_one(spool, diff_id, index, range, progress);
                        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
                        match outcome {
                            Ok(hold) => queue.1.push(hold),
                            Err(error) => queue.2 = queue.2.take().or(Some(error)),
                        }
                    }
                });
            }
        });
        let (_, holds, error) = queue.into_inner().unwrap_or_else(PoisonError::into_inner);
        error.map_or(Ok(holds), Err)
    }

    fn unpack_one(
        &self,
        spool: &Spool,
        diff_id: &Digest,
        index: usize,
        range: Range,
        progress: &dyn Progress,
    ) -> Result<Hold, LoadError> {
        if let Some(hold) = self.hold(diff_id) {
            return Ok(hold);
        }
        let id = diff_id.short().to_owned();
        let report = |current| {
            let step = LayerStep::Loading { current, total: range.length };
            progress.report(Event::Layer { id: id.clone(), step });
        };
        unpack_layer(self, diff_id, spool.reader(range, report)).map_err(|error| match error {
            LayerError::DiffId { expected, found } => LoadError::DiffId { index, expected, found },
            other => LoadError::Layer(other),
        })
    }
}

/// What `docker load` prints about these images.
pub fn load_report(loaded: &[Loaded]) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, previous) in loaded.iter().flat_map(|image| &image.names) {
        let name = name.familiar();
        if let Some(previous) = previous {
            lines.push(format!(
                "The image {name} already exists, renaming the old one with ID {previous} to empty string"
            ));
        }
        lines.push(format!("Loaded image: {name}"));
    }
    if loaded.last().is_some_and(|image| image.names.is_empty()) {
        lines.extend(loaded.iter().map(|image| format!("Loaded image ID: {}", image.image)));
    }
    lines
}

fn plan(spool: &Spool, platform: Option<&Platform>) -> Result<Vec<Planned>, LoadError> {
    let fits =
        |image: &Planned| platform.is_none_or(|wanted| wanted.rank(&image.config.platform()).is_some());
    let mut planned = match (spool.find("manifest.json"), spool.find("index.json")) {
        (Some(manifest), _) => docker::plan(spool, manifest)?,
        (None, Some(index)) => oci::plan(spool, index, platform)?,
        (None, None) => legacy::plan(spool)?,
    };
    let was_empty = planned.is_empty();
    planned.retain(fits);
    match platform.filter(|_| planned.is_empty() && !was_empty) {
        Some(platform) => Err(LoadError::Platform(platform.to_string())),
        None => Ok(planned),
    }
}

fn read_config(bytes: &[u8]) -> Result<ImageConfig, LoadError> {
    serde_json::from_slice(bytes).map_err(|cause| {
        let document: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
        match document.is_some_and(|document| document.is_object() && document["rootfs"].is_null()) {
            true => LoadError::NoRootFs,
            false => LoadError::Document { name: "config".to_owned(), cause },
        }
    })
}
