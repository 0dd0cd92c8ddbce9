//! `pull`: a name becomes an image, by way of a registry.
//!
//! The manifest comes first and its config second; the config names the layers' plain digests, so what is
//! here already is known before anything is fetched. Each other layer runs as one pipeline from the socket
//! to the disk: fetch → verify → inflate → verify → unpack. Nothing has a name before all of it is there.

mod choose;
mod layer;

use std::collections::HashSet;
use std::sync::Arc;

use oci_spec::image::{Descriptor, ImageConfig, Manifest, Platform};
use reference::{Digest, Reference};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::blob::digest_of;
use crate::error::{ErrorKind, StoreError};
use crate::hash::matches;
use crate::image::Image;
use crate::layer::{LayerError, MOST_LAYERS};
use crate::progress::{Event, LayerStep, Progress};
use crate::registry::{Credentials, RegistryConfig, RegistryError, Repository, endpoints};
use crate::store::{Hold, ImageStore, NewImage};
use choose::{Content, best, check_config_type, check_media_type, read};
use layer::Job;

/// What to pull, and as whom.
#[derive(Debug, Clone)]
pub struct PullRequest {
    /// A tag, a digest, or neither: then all tags.
    pub reference: Reference,
    /// What the image shall run on; this host if not given.
    pub platform: Option<Platform>,
    /// Who asks.
    pub credentials: Credentials,
}

/// Why an image could not be pulled. Nothing of it stays.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// `scratch` means no image at all.
    #[error("'{0}' is a reserved name")]
    Reserved(String),
    /// There is no such repository, or not for us.
    #[error(
        "pull access denied for {name}, repository does not exist or may require 'docker login': {cause}"
    )]
    Denied {
        /// The familiar name.
        name: String,
        /// What the registry said.
        cause: Box<RegistryError>,
    },
    /// There is no such tag or digest.
    #[error("manifest for {reference} not found: {cause}")]
    NoManifest {
        /// The familiar reference.
        reference: String,
        /// What the registry said.
        cause: Box<RegistryError>,
    },
    /// The registry does not know the repository.
    #[error("repository {name} not found: {cause}")]
    NoRepository {
        /// The familiar name.
        name: String,
        /// What the registry said.
        cause: Box<RegistryError>,
    },
    /// The registry failed or refused otherwise.
    #[error(transparent)]
    Registry(Box<RegistryError>),
    /// Nothing for this platform.
    #[error("no matching manifest for {0} in the manifest list entries")]
    NoPlatform(String),
    /// An image of the first kind.
    #[error(
        "Docker Image Format v1 and Docker Image manifest version 2, schema 1 support has been removed. Suggest the author of {0} to upgrade the image to the OCI Format or Docker Image manifest v2, schema 2. More information at https://docs.docker.com/go/deprecated-image-specs/"
    )]
    TooOld(Reference),
    /// Something else than an image.
    #[error("unsupported media type {0}")]
    MediaType(String),
    /// A model, not an image.
    #[error("AI models are not yet supported by the Engine, please use \"docker model pull/run\" instead")]
    Model,
    /// A manifest whose config is no image's.
    #[error("Encountered remote \"{media_type}\"({class}) when fetching")]
    Class {
        /// The config's media type.
        media_type: String,
        /// What that is.
        class: &'static str,
    },
    /// A manifest that is none.
    #[error("unsupported manifest format")]
    Format,
    /// A manifest that is no JSON.
    #[error("{0}")]
    Document(#[source] serde_json::Error),
    /// A manifest that is not what was asked for.
    #[error("manifest verification failed for digest {0}")]
    ManifestDigest(Digest),
    /// A config that is not what the manifest names, or could not be fetched.
    #[error("error pulling image configuration: {0}")]
    Config(String),
    /// The config names other layers than the manifest.
    #[error("layers from manifest don't match image configuration")]
    Mismatch,
    /// A config without layers.
    #[error("invalid rootfs in image configuration")]
    NoRootFs,
    /// More layers than overlayfs takes.
    #[error("max depth exceeded")]
    TooManyLayers,
    /// A layer is not what the manifest names.
    #[error("filesystem layer verification failed for digest {0}")]
    LayerDigest(Digest),
    /// A layer cannot be unpacked.
    #[error("failed to register layer: {0}")]
    Layer(#[source] LayerError),
    /// An image for another system.
    #[error("operating system is not supported")]
    System,
    /// A task of ours broke.
    #[error("the transfer of a layer was interrupted")]
    Interrupted,
    /// The disk refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PullError {
    /// How a caller reacts.
    pub fn kind(&self) -> ErrorKind {
        match self {
            PullError::Reserved(_) => ErrorKind::Forbidden,
            PullError::Denied { .. } | PullError::NoManifest { .. } | PullError::NoRepository { .. } => {
                ErrorKind::NotFound
            }
            PullError::TooOld(_)
            | PullError::MediaType(_)
            | PullError::Model
            | PullError::Class { .. }
            | PullError::Format => ErrorKind::Invalid,
            PullError::System => ErrorKind::Invalid,
            PullError::Registry(_)
            | PullError::NoPlatform(_)
            | PullError::Document(_)
            | PullError::ManifestDigest(_)
            | PullError::Config(_)
            | PullError::Mismatch
            | PullError::NoRootFs
            | PullError::TooManyLayers
            | PullError::LayerDigest(_)
            | PullError::Layer(_)
            | PullError::Interrupted
            | PullError::Store(_) => ErrorKind::System,
        }
    }

    /// True if the registry could not be spoken with at all: offline, refused, no such host.
    pub fn is_offline(&self) -> bool {
        matches!(self, PullError::Registry(cause) if cause.is_transport())
    }

    /// What a registry's refusal means for `reference`.
    fn explain(cause: RegistryError, reference: &Reference) -> PullError {
        let name = reference.familiar_name();
        match cause.code() {
            Some("DENIED") => PullError::Denied { name, cause: Box::new(cause) },
            Some("MANIFEST_UNKNOWN") => {
                PullError::NoManifest { reference: reference.familiar(), cause: Box::new(cause) }
            }
            Some("NAME_UNKNOWN") => PullError::NoRepository { name, cause: Box::new(cause) },
            _ => PullError::Registry(Box::new(cause)),
        }
    }

    /// True if another server may do better.
    fn is_passing(&self, is_mirror: bool) -> bool {
        match self {
            PullError::Registry(cause) => is_mirror || cause.is_transport() || cause.is_passing(),
            PullError::Denied { .. } | PullError::NoManifest { .. } | PullError::NoRepository { .. } => {
                is_mirror
            }
            _ => false,
        }
    }
}

/// One pull: what its steps need.
struct Pull<'a> {
    store: &'a ImageStore,
    repository: Arc<Repository>,
    platform: Option<Platform>,
    progress: Arc<dyn Progress>,
    config: &'a RegistryConfig,
}

impl ImageStore {
    /// Pulls an image, or all tags of a repository. Dropping the future ends the transfer and leaves nothing.
    pub async fn pull(
        &self,
        request: PullRequest,
        config: &RegistryConfig,
        progress: Arc<dyn Progress>,
    ) -> Result<Vec<Arc<Image>>, PullError> {
        let reference = &request.reference;
        if reference.familiar_name() == "scratch" {
            return Err(PullError::Reserved("scratch".to_owned()));
        }
        let mut last = PullError::Interrupted;
        for endpoint in endpoints(reference.domain(), config).await {
            let opened =
                Repository::open(&endpoint, reference.path(), request.credentials.clone(), config).await;
            let outcome = match opened {
                Err(cause) => Err(PullError::explain(cause, reference)),
                Ok(repository) => {
                    let pull = Pull {
                        store: self,
                        repository: Arc::new(repository),
                        platform: request.platform.clone(),
                        progress: Arc::clone(&progress),
                        config,
                    };
                    pull.run(reference).await
                }
            };
            match outcome {
                Err(error) if error.is_passing(endpoint.is_mirror) => last = error,
                other => return other,
            }
        }
        Err(last)
    }
}

impl Pull<'_> {
    async fn run(&self, reference: &Reference) -> Result<Vec<Arc<Image>>, PullError> {
        let mut images = Vec::new();
        let mut is_newer = false;
        for one in self.wanted(reference).await? {
            let (image, is_new) = self.one(&one).await?;
            is_newer |= is_new;
            images.push(image);
        }
        self.progress.report(Event::Pulled { reference: reference.familiar(), is_newer });
        if let Some(platform) = &self.platform {
            for image in &images {
                if let Err(mismatch) = self.store.resolve_for(image.id().as_str(), Some(platform)) {
                    let text = mismatch.to_string().replace(image.id().as_str(), &reference.familiar());
                    self.progress.report(Event::Warning(text));
                }
            }
        }
        Ok(images)
    }

    /// The tags and digests that a reference stands for.
    async fn wanted(&self, reference: &Reference) -> Result<Vec<Reference>, PullError> {
        if !reference.is_name_only() {
            return Ok(vec![reference.clone()]);
        }
        let tags = self.repository.tags().await.map_err(|cause| PullError::explain(cause, reference))?;
        // A tag that the grammar does not know cannot be named here either.
        Ok(tags.iter().filter_map(|tag| reference.with_tag(tag).ok()).collect())
    }

    /// Pulls one tag or digest. True if its name means something new.
    async fn one(&self, reference: &Reference) -> Result<(Arc<Image>, bool), PullError> {
        let refused = |cause| PullError::explain(cause, reference);
        let asked = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => Some(digest.clone()),
            (None, Some(tag)) => self.repository.find_tag(tag).await.map_err(refused)?,
            (None, None) => None,
        };
        let version = match (&asked, reference.tag()) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.unwrap_or(reference::DEFAULT_TAG).to_owned(),
        };
        let document = self.repository.manifest(&version).await.map_err(refused)?;
        let digest = match asked {
            Some(digest) if !matches(&digest, &document.bytes) => {
                return Err(PullError::ManifestDigest(digest));
            }
            Some(digest) => digest,
            None => digest_of(&document.bytes),
        };
        let content = read(&document, reference)?;
        self.progress.report(Event::PullingFrom {
            version: match reference.digest() {
                Some(_) => reference.to_string(),
                None => reference.tag().unwrap_or_default().to_owned(),
            },
            repository: reference.path().to_owned(),
        });
        let manifest = self.resolve(content, reference).await?;
        let (image, holds) = self.content(&manifest).await?;
        self.progress.report(Event::Digest(digest.clone()));
        self.name(reference, digest, image, holds).await
    }

    /// Goes from an index to the manifest for the platform.
    async fn resolve(&self, mut content: Content, reference: &Reference) -> Result<Manifest, PullError> {
        let wanted = self.platform.clone().unwrap_or_else(Platform::host);
        for _ in 0..4 {
            let index = match content {
                Content::Manifest(manifest) => return Ok(*manifest),
                Content::Index(index) => index,
            };
            let entry =
                best(&index, &wanted).ok_or_else(|| PullError::NoPlatform(wanted.normal().to_string()))?;
            let document = self.repository.manifest(entry.digest.as_str()).await;
            let document = document.map_err(|cause| PullError::explain(cause, reference))?;
            if !matches(&entry.digest, &document.bytes) {
                return Err(PullError::ManifestDigest(entry.digest.clone()));
            }
            content = read(&document, reference)?;
        }
        Err(PullError::Format)
    }

    /// Fetches config and layers; the layers are held.
    async fn content(&self, manifest: &Manifest) -> Result<(NewImage, Vec<Hold>), PullError> {
        let target = &manifest.config.digest;
        check_config_type(&manifest.config.media_type)?;
        if let Some(known) = self.store.get(target) {
            let holds =
                known.config().diff_ids().iter().filter_map(|diff_id| self.store.hold(diff_id)).collect();
            let bytes = self.store.config_bytes(target)?;
            let config = ImageConfig::clone(known.config());
            return Ok((NewImage { bytes, config, names: Vec::new(), parent: None }, holds));
        }
        check_media_type(&manifest.config.media_type)?;
        manifest.layers.iter().try_for_each(|layer| check_media_type(&layer.media_type))?;
        let bytes = self.config(target).await?;
        let config = read_config(&bytes)?;
        let diff_ids = config.diff_ids();
        if diff_ids.len() != manifest.layers.len() {
            return Err(PullError::Mismatch);
        }
        if diff_ids.len() > MOST_LAYERS {
            return Err(PullError::TooManyLayers);
        }
        if !matches!(config.os.as_str(), "" | "linux") {
            return Err(PullError::System);
        }
        let holds = self.layers(&manifest.layers, diff_ids).await?;
        Ok((NewImage { bytes, config, names: Vec::new(), parent: None }, holds))
    }

    async fn config(&self, digest: &Digest) -> Result<Vec<u8>, PullError> {
        let mut attempt = 1;
        loop {
            let cause = match self.repository.blob(digest).await {
                Ok(bytes) if matches(digest, &bytes) => return Ok(bytes),
                Ok(_) => {
                    return Err(PullError::Config(format!(
                        "image config verification failed for digest {digest}"
                    )));
                }
                Err(cause) => cause,
            };
            if !cause.is_passing() || attempt >= self.config.download_attempts {
                return Err(PullError::Config(format!("download failed after attempts={attempt}: {cause}")));
            }
            tokio::time::sleep(std::time::Duration::from_millis(250 << attempt.min(6))).await;
            attempt += 1;
        }
    }

    /// Fetches all layers that are not here, a few at a time. The first that fails ends the others.
    async fn layers(&self, layers: &[Descriptor], diff_ids: &[Digest]) -> Result<Vec<Hold>, PullError> {
        let places = Arc::new(Semaphore::new(self.config.concurrent_downloads.max(1)));
        let mut seen = HashSet::new();
        let mut jobs = JoinSet::new();
        let mut holds = Vec::new();
        for (layer, diff_id) in layers.iter().zip(diff_ids) {
            if !seen.insert(diff_id) {
                continue;
            }
            let step = |step| Event::Layer { id: layer.digest.short().to_owned(), step };
            if let Some(hold) = self.store.hold(diff_id) {
                self.progress.report(step(LayerStep::Exists));
                holds.push(hold);
                continue;
            }
            self.progress.report(step(LayerStep::Queued));
            let job = Job {
                store: self.store.clone(),
                repository: Arc::clone(&self.repository),
                progress: Arc::clone(&self.progress),
                layer: layer.clone(),
                diff_id: diff_id.clone(),
                attempts: self.config.download_attempts,
            };
            jobs.spawn(job.run(Arc::clone(&places)));
        }
        while let Some(outcome) = jobs.join_next().await {
            holds.push(outcome.map_err(|_| PullError::Interrupted)??);
        }
        Ok(holds)
    }

    /// Gives the image its names: the tag that was asked for, and the digest that it was found under.
    async fn name(
        &self,
        reference: &Reference,
        digest: Digest,
        mut image: NewImage,
        holds: Vec<Hold>,
    ) -> Result<(Arc<Image>, bool), PullError> {
        let id = digest_of(&image.bytes);
        let is_new = self.store.find(reference).is_none_or(|before| *before.id() != id);
        let by_digest = reference.without_version().with_digest(digest);
        let mut names = vec![by_digest];
        if reference.digest().is_none() {
            names.push(reference.clone());
        }
        names.retain(|name| self.store.find(name).is_none_or(|before| *before.id() != id));
        image.names = names;
        let store = self.store.clone();
        let recorded = tokio::task::spawn_blocking(move || {
            if store.get(&id).is_none() || !image.names.is_empty() {
                store.record(vec![image], holds)?;
            }
            Ok::<_, StoreError>(store.get(&id))
        });
        let image = recorded.await.map_err(|_| PullError::Interrupted)??;
        Ok((image.ok_or(PullError::Interrupted)?, is_new))
    }
}

fn read_config(bytes: &[u8]) -> Result<ImageConfig, PullError> {
    serde_json::from_slice(bytes).map_err(|cause| {
        let document: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
        match document.is_some_and(|document| document.is_object() && document["rootfs"].is_null()) {
            true => PullError::NoRootFs,
            false => PullError::Document(cause),
        }
    })
}
