//! A container's own layer on top of its image's: prepared, measured, removed.
//!
//! ```text
//!  overlay2/<container>/diff     what the container wrote (owner and mode of the image's root folder)
//!  overlay2/<container>/work     overlayfs's own
//!  overlay2/<container>/merged   empty; where other tools expect the mount
//!  overlay2/<container>/lower    the diff IDs below, top first, one a line
//! ```
//!
//! The lowest folder of every container is `init`: the mount points and `/.dockerenv` that the runtime
//! would otherwise have to make in the container's own layer. An image's own entries cover it.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use reference::Digest;

use crate::error::{ErrorKind, StoreError};
use crate::store::ImageStore;

/// What overlayfs needs for one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Read-only folders, top first.
    pub lower: Vec<PathBuf>,
    /// Where the container writes.
    pub upper: PathBuf,
    /// Overlayfs's scratch folder, on the same file system.
    pub work: PathBuf,
    /// An empty folder named as Docker's mount point.
    pub merged: PathBuf,
}

/// Why a container's layer could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The image is gone.
    #[error("No such image: {0}")]
    NoImage(Digest),
    /// One of the image's layers is gone.
    #[error("a layer of image {0} is missing")]
    NoLayer(Digest),
    /// The disk refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SnapshotError {
    /// How a caller reacts.
    pub fn kind(&self) -> ErrorKind {
        match self {
            SnapshotError::NoImage(_) => ErrorKind::NotFound,
            SnapshotError::NoLayer(_) | SnapshotError::Store(_) => ErrorKind::System,
        }
    }
}

impl ImageStore {
    /// Makes a container's own layer; harmless when it is there already.
    ///
    /// From now on the image's layers stay, even if the image is removed, until [`ImageStore::remove_snapshot`].
    pub fn prepare(&self, container: &str, image: &Digest) -> Result<Snapshot, SnapshotError> {
        let held = self.layers().of_container(container).map(<[Digest]>::to_vec);
        let layers = match held {
            Some(layers) => layers,
            None => {
                let image = self.get(image).ok_or_else(|| SnapshotError::NoImage(image.clone()))?;
                let layers = image.config().diff_ids().to_vec();
                if !self.layers().hold_for_container(container, &layers) {
                    return Err(SnapshotError::NoLayer(image.id().clone()));
                }
                layers
            }
        };
        let snapshot = self.describe(container, &layers);
        self.make(container, &layers, &snapshot).inspect_err(|_| {
            let _ = self.remove_snapshot(container);
        })?;
        Ok(snapshot)
    }

    /// The folders of a prepared container.
    pub fn snapshot(&self, container: &str) -> Option<Snapshot> {
        let layers = self.layers().of_container(container)?.to_vec();
        Some(self.describe(container, &layers))
    }

    /// Removes a container's own layer and lets go of its image's; harmless when it is gone already.
    pub fn remove_snapshot(&self, container: &str) -> Result<(), StoreError> {
        self.places().discard_layer(container)?;
        let mut layers = self.layers();
        let unheld = layers.release_container(container);
        self.drop_layers(unheld)
    }

    /// The bytes that a container wrote: `SizeRw`.
    pub fn size_rw(&self, container: &str) -> Result<u64, StoreError> {
        let upper = self.places().layer(container).join("diff");
        folder_size(&upper).map_err(StoreError::io("measure", &upper))
    }

    fn describe(&self, container: &str, layers: &[Digest]) -> Snapshot {
        let places = self.places();
        let own = places.layer(container);
        let mut lower: Vec<PathBuf> = Vec::with_capacity(layers.len() + 1);
        for layer in layers.iter().rev() {
            let folder = places.layer(layer.hex()).join("diff");
            // overlayfs refuses a folder that it is given twice; the upper one decides.
            if !lower.contains(&folder) {
                lower.push(folder);
            }
        }
        lower.push(places.init());
        Snapshot { lower, upper: own.join("diff"), work: own.join("work"), merged: own.join("merged") }
    }

    fn make(&self, container: &str, layers: &[Digest], snapshot: &Snapshot) -> Result<(), StoreError> {
        let own = self.places().layer(container);
        ensure_folder(&own, 0o710)?;
        ensure_folder(&snapshot.merged, 0o700)?;
        ensure_folder(&snapshot.work, 0o700)?;
        if ensure_folder(&snapshot.upper, 0o755)? {
            copy_identity(&snapshot.lower[0], &snapshot.upper)?;
        }
        let list: String = layers.iter().rev().map(|layer| format!("{layer}\n")).collect();
        let file = own.join("lower");
        fs::write(&file, list).map_err(StoreError::io("write", &file))
    }
}

/// Reads the `lower` file of a container's layer: its layers, lowest first.
pub(crate) fn read_lower(own: &Path) -> Option<Vec<Digest>> {
    let text = fs::read_to_string(own.join("lower")).ok()?;
    let mut layers: Vec<Digest> = text.lines().map(Digest::parse).collect::<Result<_, _>>().ok()?;
    layers.reverse();
    Some(layers)
}

/// True if it was made now.
fn ensure_folder(path: &Path, mode: u32) -> Result<bool, StoreError> {
    match fs::DirBuilder::new().mode(mode).create(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(StoreError::io("create", path)(error)),
    }
}

/// The root folder of a container shows the owner and mode of the top layer's.
fn copy_identity(from: &Path, to: &Path) -> Result<(), StoreError> {
    let identity = fs::metadata(from).map_err(StoreError::io("read", from))?;
    let mode = identity.mode() & 0o7777;
    if (identity.uid(), identity.gid()) != (0, 0) {
        std::os::unix::fs::chown(to, Some(identity.uid()), Some(identity.gid()))
            .map_err(StoreError::io("chown", to))?;
    }
    fs::set_permissions(to, fs::Permissions::from_mode(mode)).map_err(StoreError::io("chmod", to))
}

/// The bytes of all files below `folder`, each inode once; folders count nothing.
pub(crate) fn folder_size(folder: &Path) -> io::Result<u64> {
    let mut seen = std::collections::HashSet::new();
    let mut waiting = vec![folder.to_owned()];
    let mut sum = 0;
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let Ok(facts) = entry.metadata() else { continue };
            if facts.is_dir() {
                waiting.push(entry.path());
            } else if facts.nlink() == 1 || seen.insert((facts.dev(), facts.ino())) {
                sum += facts.size();
            }
        }
    }
    Ok(sum)
}

/// Makes the lowest folder of all containers, unless it is there.
pub(crate) fn ensure_init(init: &Path) -> Result<(), StoreError> {
    if init.exists() {
        return Ok(());
    }
    let own = init.parent().unwrap_or(init);
    let aside = own.with_file_name(format!(".{}", crate::store::unique_name()));
    let diff = aside.join("diff");
    for folder in ["dev/pts", "dev/shm", "proc", "sys", "etc"] {
        let path = diff.join(folder);
        fs::create_dir_all(&path).map_err(StoreError::io("create", &path))?;
    }
    for file in ["etc/hosts", "etc/hostname", "etc/resolv.conf", "dev/console", ".dockerenv"] {
        let path = diff.join(file);
        fs::write(&path, b"").map_err(StoreError::io("create", &path))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
            .map_err(StoreError::io("chmod", &path))?;
    }
    let link = diff.join("etc/mtab");
    std::os::unix::fs::symlink("/proc/mounts", &link).map_err(StoreError::io("create", &link))?;
    fs::set_permissions(&aside, fs::Permissions::from_mode(0o710))
        .map_err(StoreError::io("chmod", &aside))?;
    match fs::rename(&aside, own) {
        Err(_) if init.exists() => fs::remove_dir_all(&aside).map_err(StoreError::io("remove", &aside)),
        other => other.map_err(StoreError::io("create", own)),
    }
}
