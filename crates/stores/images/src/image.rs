//! One image as it is now: what `inspect`, `ls` and `history` show. Immutable; a change publishes a new one.

use std::sync::Arc;
use std::time::SystemTime;

use oci_spec::image::ImageConfig;
use reference::{Digest, Reference};

/// An image and the names that mean it at one moment.
#[derive(Debug, Clone)]
pub struct Image {
    pub(crate) id: Digest,
    pub(crate) config: Arc<ImageConfig>,
    pub(crate) names: Vec<Reference>,
    pub(crate) layer_sizes: Arc<[u64]>,
    pub(crate) parent: Option<Digest>,
    pub(crate) tagged_at: Option<SystemTime>,
}

/// One line of `docker history`, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryStep {
    /// The image's ID where the step ended in an image that is here, else `None`.
    pub id: Option<Digest>,
    /// When.
    pub created: Option<SystemTime>,
    /// By which command.
    pub created_by: String,
    /// With which message.
    pub comment: String,
    /// Bytes that the step added.
    pub size: u64,
    /// The familiar names of the image that the step ended in.
    pub tags: Vec<String>,
}

/// A history that names more layers than the image has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many non-empty layers in History section")]
pub struct HistoryError;

impl Image {
    /// The digest of the image's config.
    pub fn id(&self) -> &Digest {
        &self.id
    }

    /// The image's config.
    pub fn config(&self) -> &Arc<ImageConfig> {
        &self.config
    }

    /// Everything that means this image: tagged names and names with digests, sorted.
    pub fn names(&self) -> &[Reference] {
        &self.names
    }

    /// The familiar names with a tag: `RepoTags`.
    pub fn repo_tags(&self) -> Vec<String> {
        self.names.iter().filter(|name| name.digest().is_none()).map(Reference::familiar).collect()
    }

    /// The familiar names with a digest: `RepoDigests`.
    pub fn repo_digests(&self) -> Vec<String> {
        self.names.iter().filter(|name| name.digest().is_some()).map(Reference::familiar).collect()
    }

    /// The bytes of all layers, unpacked.
    pub fn size(&self) -> u64 {
        self.layer_sizes.iter().sum()
    }

    /// The bytes of each layer, lowest first.
    pub fn layer_sizes(&self) -> &[u64] {
        &self.layer_sizes
    }

    /// The image that this one was made from here, if that is known.
    pub fn parent(&self) -> Option<&Digest> {
        self.parent.as_ref()
    }

    /// When the image was made, as its config says.
    pub fn created(&self) -> Option<SystemTime> {
        self.config.created.as_deref().and_then(units::time::parse_rfc3339)
    }

    /// When a name was last given to the image.
    pub fn tagged_at(&self) -> Option<SystemTime> {
        self.tagged_at
    }

    /// What made the image, newest first.
    pub fn history(&self) -> Result<Vec<HistoryStep>, HistoryError> {
        let mut sizes = self.layer_sizes.iter();
        let mut steps = Vec::new();
        for step in self.config.history.iter().flatten() {
            let size = match step.empty_layer {
                true => 0,
                false => *sizes.next().ok_or(HistoryError)?,
            };
            steps.push(HistoryStep {
                id: None,
                created: step.created.as_deref().and_then(units::time::parse_rfc3339),
                created_by: step.created_by.clone(),
                comment: step.comment.clone(),
                size,
                tags: Vec::new(),
            });
        }
        steps.reverse();
        if let Some(first) = steps.first_mut() {
            first.id = Some(self.id.clone());
            first.tags = self.repo_tags();
        }
        Ok(steps)
    }
}
