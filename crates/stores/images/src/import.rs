//! `import`: one plain archive becomes an image of one layer.

use std::io::Read;
use std::sync::Arc;
use std::time::SystemTime;

use oci_spec::image::{Defaults, History, ImageConfig, Platform, RootFs};
use reference::Reference;

use crate::blob::digest_of;
use crate::changes::{ChangeError, apply_changes};
use crate::error::{ErrorKind, StoreError};
use crate::image::Image;
use crate::layer::{LayerError, unpack_aside};
use crate::store::{ImageStore, NewImage};

/// What an imported image shall be.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// What shall mean it.
    pub name: Option<Reference>,
    /// What is said about it.
    pub message: String,
    /// Its defaults, as Dockerfile instructions.
    pub changes: Vec<String>,
    /// What it runs on; the host's platform if not given.
    pub platform: Option<Platform>,
    /// The engine's version, for the config.
    pub engine_version: String,
}

/// Why an archive could not be imported. Nothing of it stays.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A change is none.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// An image for another system.
    #[error("operating system is not supported")]
    System,
    /// The archive cannot be unpacked.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// The disk refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ImportError {
    /// How a caller reacts.
    pub fn kind(&self) -> ErrorKind {
        match self {
            ImportError::Change(_) | ImportError::System => ErrorKind::Invalid,
            ImportError::Layer(error) => error.kind(),
            ImportError::Store(error) => error.kind(),
        }
    }
}

impl ImageStore {
    /// Imports a plain or compressed archive. Blocks; reads `source` to its end.
    pub fn import(
        &self,
        source: impl Read + Send,
        options: ImportOptions,
    ) -> Result<Arc<Image>, ImportError> {
        let platform = options.platform.unwrap_or_else(Platform::host);
        if !platform.os.eq_ignore_ascii_case("linux") {
            return Err(ImportError::System);
        }
        let mut defaults = Defaults::default();
        apply_changes(&mut defaults, &options.changes)?;

        let layer = unpack_aside(self, source)?;
        let created = Some(units::time::rfc3339_nano(SystemTime::now()));
        let config = ImageConfig {
            architecture: platform.architecture,
            variant: platform.variant,
            os: platform.os,
            comment: options.message.clone(),
            config: Some(defaults),
            created: created.clone(),
            docker_version: options.engine_version,
            history: Some(vec![History { created, comment: options.message, ..History::default() }]),
            rootfs: RootFs {
                kind: "layers".to_owned(),
                diff_ids: vec![layer.diff_id.clone()],
                ..RootFs::default()
            },
            ..ImageConfig::default()
        };
        let hold = layer.place()?;
        self.record_one(config, options.name.into_iter().collect(), vec![hold]).map_err(ImportError::Store)
    }

    /// Records an image that was made here, its layers held.
    pub(crate) fn record_one(
        &self,
        config: ImageConfig,
        names: Vec<Reference>,
        holds: Vec<crate::store::Hold>,
    ) -> Result<Arc<Image>, StoreError> {
        // A struct of texts and numbers always encodes.
        let bytes = serde_json::to_vec(&config).unwrap_or_default();
        let id = digest_of(&bytes);
        self.record(vec![NewImage { bytes, config, names, parent: None }], holds)?;
        self.get(&id).ok_or_else(|| StoreError::Damaged {
            id: id.to_string(),
            reason: "it was removed while it was made".to_owned(),
        })
    }
}
