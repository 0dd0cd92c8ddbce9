//! One layer on its way to disk: plain bytes hashed and unpacked at once, then renamed into place.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::PathBuf;

use reference::Digest;
use rustix::fs::{Mode, OFlags};

use crate::compression::with_plain;
use crate::error::{ErrorKind, StoreError};
use crate::hash::HashingReader;
use crate::store::{Hold, ImageStore};
use crate::tar::Reader;
use crate::unpack::{UnpackError, unpack};

/// The most layers that an image may have: overlayfs takes 500 folders, one of which is ours.
pub(crate) const MOST_LAYERS: usize = 499;

/// Why a layer did not come to disk.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The source ended early or could not be inflated.
    #[error("{0}")]
    Source(#[source] io::Error),
    /// The archive in it cannot be unpacked.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// The plain archive is not the one that the config names.
    #[error("layer has digest {found}, but {expected} was expected")]
    DiffId {
        /// What the config says.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// The disk refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LayerError {
    /// How a caller reacts.
    pub fn kind(&self) -> ErrorKind {
        match self {
            LayerError::Store(error) => error.kind(),
            LayerError::Source(_) | LayerError::Unpack(_) | LayerError::DiffId { .. } => ErrorKind::System,
        }
    }
}

/// A layer that is unpacked aside. Dropping it takes it away again.
pub(crate) struct Unpacked {
    store: ImageStore,
    folder: PathBuf,
    /// The digest of the plain archive.
    pub(crate) diff_id: Digest,
    size: u64,
}

impl Unpacked {
    /// Puts the layer in its place and holds it.
    pub(crate) fn place(self) -> Result<Hold, StoreError> {
        self.store.place_layer(&self.diff_id, &self.folder, self.size)
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        // Once placed, nothing is left at this path; otherwise the next start empties the folder as well.
        let _ = self.store.places().discard(&self.folder);
    }
}

/// Takes a folder away unless the layer came to be.
struct Aside<'a> {
    store: &'a ImageStore,
    folder: Option<PathBuf>,
}

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        if let Some(folder) = self.folder.take() {
            let _ = self.store.places().discard(&folder);
        }
    }
}

/// Unpacks a compressed or plain layer archive aside. Blocks; the inflating runs on a thread of its own.
pub(crate) fn unpack_aside(store: &ImageStore, source: impl Read + Send) -> Result<Unpacked, LayerError> {
    let folder = store.places().temporary();
    let mut aside = Aside { store, folder: Some(folder.clone()) };
    let diff = folder.join("diff");
    make_folder(&folder, 0o710)?;
    make_folder(&diff, 0o755)?;
    let root = rustix::fs::open(&diff, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(StoreError::io("open", &diff))?;
    let outcome = with_plain(source, |plain| {
        let mut reader = Reader::new(HashingReader::new(plain));
        let size = unpack(&mut reader, root.as_fd())?;
        // What follows the archive's end belongs to its digest, too.
        let diff_id = reader.into_inner().finish().map_err(LayerError::Source)?;
        Ok::<_, LayerError>((size, diff_id))
    });
    let (size, diff_id) = outcome.map_err(LayerError::Source)??;
    aside.folder = None;
    Ok(Unpacked { store: store.clone(), folder, diff_id, size })
}

/// The same for a layer whose digest is known; it ends up held in its place.
pub(crate) fn unpack_layer(
    store: &ImageStore,
    expected: &Digest,
    source: impl Read + Send,
) -> Result<Hold, LayerError> {
    let unpacked = unpack_aside(store, source)?;
    match unpacked.diff_id == *expected {
        true => Ok(unpacked.place()?),
        false => Err(LayerError::DiffId { expected: expected.clone(), found: unpacked.diff_id.clone() }),
    }
}

fn make_folder(path: &std::path::Path, mode: u32) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir(path).map_err(StoreError::io("create", path))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .map_err(StoreError::io("chmod", path))
}
