//! Named data with drivers; knows no container.
//!
//! A volume is a record in the intent store and a folder `<root>/volumes/<name>/_data`. The folder is made before the
//! record and renamed aside before the record goes, so that a crash in between leaves either a whole volume or none:
//!
//! ```text
//! create   mkdir <name>/_data ─▶ record
//! remove   rename <name> ─▶ .removing-<name> ─▶ drop record ─▶ delete the tree
//! open     .removing-<name> with a record: rename it back; without: delete it
//! ```

mod seed;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use db::{Batch, Db, DbError};
use serde::{Deserialize, Serialize};

pub use seed::{SeedError, seed};

const TABLE: &str = "volumes";
const REMOVING: &str = ".removing-";

/// A volume, as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its name; 64 hex digits when nobody chose one.
    pub name: String,
    /// Its driver; `local` is ours.
    pub driver: String,
    /// Where its data lies on the host.
    pub mountpoint: PathBuf,
    /// When it was made, in nanoseconds since 1970.
    pub created: u64,
    /// What the user attached.
    pub labels: BTreeMap<String, String>,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// True if it was made for a container that named none: it goes with `rm -v` and `--rm`.
    pub anonymous: bool,
}

/// What a new volume shall be.
#[derive(Debug, Clone, Default)]
pub struct NewVolume {
    /// Its name; a random one when absent, and the volume counts as anonymous.
    pub name: Option<String>,
    /// Labels to attach.
    pub labels: BTreeMap<String, String>,
    /// Options for the driver.
    pub options: BTreeMap<String, String>,
}

/// Why a volume could not be made, found or removed. The text is Docker's where Docker has one.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// One letter.
    #[error("volume name is too short, names should be at least two alphanumeric characters")]
    NameTooShort,
    /// Letters that a folder name or an option list could trip over.
    #[error(
        "\"{0}\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
    )]
    NameInvalid(String),
    /// Longer than a folder name may be.
    #[error("volume name \"{0}\" is longer than 240 characters: file name too long")]
    NameTooLong(String),
    /// The local driver knows no such option.
    #[error("invalid option: {0:?}")]
    Option(String),
    /// No volume of that name.
    #[error("get {0}: no such volume")]
    NotFound(String),
    /// The file system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        cause: io::Error,
    },
    /// The intent store refused.
    #[error("cannot record the volume")]
    Record(#[from] DbError),
}

/// All volumes of one data root. Cheap to clone; calls block on the file system.
#[derive(Clone)]
pub struct VolumeStore {
    root: PathBuf,
    db: Db,
}

impl VolumeStore {
    /// Opens `<root>/volumes` and finishes what a crash interrupted.
    ///
    /// # Errors
    /// [`VolumeError::Io`], [`VolumeError::Record`].
    pub fn open(root: &Path, db: Db) -> Result<VolumeStore, VolumeError> {
        let root = root.join("volumes");
        let make = fs::DirBuilder::new().recursive(true).mode(0o701).create(&root);
        make.map_err(|cause| failed("create", &root, cause))?;
        let store = VolumeStore { root, db };
        store.finish_removals()?;
        Ok(store)
    }

    /// Makes a volume, or gives the one that already has the name; true if it is new.
    ///
    /// # Errors
    /// [`VolumeError`] for a bad name or option, and when the disk refuses: then nothing is left.
    pub fn create(&self, wanted: NewVolume) -> Result<(Volume, bool), VolumeError> {
        let anonymous = wanted.name.is_none();
        let name = match wanted.name {
            Some(name) => check_name(name)?,
            None => random_name().map_err(|cause| failed("name a volume in", &self.root, cause))?,
        };
        if let Some(option) = wanted.options.keys().next() {
            return Err(VolumeError::Option(option.clone()));
        }
        if let Some(volume) = self.find(&name)? {
            return Ok((volume, false));
        }
        let folder = self.root.join(&name);
        let mountpoint = folder.join("_data");
        make_folders(&folder, &mountpoint)?;
        let created = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |age| u64::try_from(age.as_nanos()).unwrap_or(u64::MAX));
        let (labels, options) = (wanted.labels, wanted.options);
        let volume =
            Volume { name, driver: "local".to_owned(), mountpoint, created, labels, options, anonymous };
        if let Err(error) = self.db.commit(Batch::new().put_json(TABLE, &volume.name, &volume)) {
            // Only empty folders are taken back: data of an earlier, unrecorded volume stays.
            let _ = fs::remove_dir(&volume.mountpoint).and_then(|()| fs::remove_dir(&folder));
            return Err(error.into());
        }
        Ok((volume, true))
    }

    /// Finds a volume by its full name.
    ///
    /// # Errors
    /// [`VolumeError::Record`] when its record is unreadable.
    pub fn find(&self, name: &str) -> Result<Option<Volume>, VolumeError> {
        Ok(self.db.get_json(TABLE, name)?)
    }

    /// Gives a volume that must be there.
    ///
    /// # Errors
    /// [`VolumeError::NotFound`].
    pub fn load(&self, name: &str) -> Result<Volume, VolumeError> {
        self.find(name)?.ok_or_else(|| VolumeError::NotFound(name.to_owned()))
    }

    /// Lists all volumes by name.
    ///
    /// # Errors
    /// [`VolumeError::Record`] when a record is unreadable.
    pub fn list(&self) -> Result<Vec<Volume>, VolumeError> {
        Ok(self.db.scan_json(TABLE)?.into_iter().map(|(_, volume)| volume).collect())
    }

    /// Removes a volume and its data. The caller has made sure that nothing uses it.
    ///
    /// # Errors
    /// [`VolumeError::NotFound`]; [`VolumeError::Io`] when it could not even be moved aside: it is still whole then.
    pub fn remove(&self, name: &str) -> Result<(), VolumeError> {
        let volume = self.load(name)?;
        let folder = self.root.join(&volume.name);
        let aside = self.root.join(format!("{REMOVING}{name}"));
        match fs::rename(&folder, &aside) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                return Err(failed("move", &folder, cause));
            }
            _ => {}
        }
        if let Err(error) = self.db.commit(Batch::new().delete(TABLE, name)) {
            let _ = fs::rename(&aside, &folder);
            return Err(error.into());
        }
        remove_tree(&aside)
    }

    fn finish_removals(&self) -> Result<(), VolumeError> {
        let entries = fs::read_dir(&self.root).map_err(|cause| failed("list", &self.root, cause))?;
        for entry in entries.filter_map(Result::ok) {
            let Some(name) =
                entry.file_name().to_str().and_then(|name| name.strip_prefix(REMOVING)).map(str::to_owned)
            else {
                continue;
            };
            if self.find(&name)?.is_some() {
                let folder = self.root.join(&name);
                fs::rename(entry.path(), &folder).map_err(|cause| failed("restore", &folder, cause))?;
            } else {
                remove_tree(&entry.path())?;
            }
        }
        Ok(())
    }
}

/// Judges a name by Docker's rule, which also keeps it a plain folder name.
fn check_name(name: String) -> Result<String, VolumeError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let starts_well = name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    match name.len() {
        0 | 1 => Err(VolumeError::NameTooShort),
        _ if !starts_well || !name.bytes().all(allowed) => Err(VolumeError::NameInvalid(name)),
        241.. => Err(VolumeError::NameTooLong(name)),
        _ => Ok(name),
    }
}

fn random_name() -> io::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn make_folders(folder: &Path, data: &Path) -> Result<(), VolumeError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o701)
        .create(folder)
        .map_err(|cause| failed("create", folder, cause))?;
    match fs::create_dir(data) {
        Ok(()) => fs::set_permissions(data, fs::Permissions::from_mode(0o755))
            .map_err(|cause| failed("create", data, cause)),
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(cause) => Err(failed("create", data, cause)),
    }
}

fn remove_tree(path: &Path) -> Result<(), VolumeError> {
    match fs::remove_dir_all(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(failed("delete", path, cause)),
        _ => Ok(()),
    }
}

fn failed(action: &'static str, path: &Path, cause: io::Error) -> VolumeError {
    VolumeError::Io { action, path: path.to_owned(), cause }
}

#[cfg(test)]
mod tests;
