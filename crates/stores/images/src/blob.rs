//! Small documents kept by digest: written aside, verified by construction, renamed into place.

use std::path::{Path, PathBuf};

use reference::Digest;
use sha2::{Digest as _, Sha256};

use crate::error::StoreError;

/// The largest config or manifest that is read; Docker's registries take 4 MiB.
pub(crate) const LARGEST_DOCUMENT: u64 = 16 * 1024 * 1024;

/// The folder of documents.
pub(crate) struct Blobs {
    folder: PathBuf,
}

/// The SHA-256 digest of `bytes`.
pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    Digest::sha256(Sha256::digest(bytes).into())
}

impl Blobs {
    pub(crate) fn open(root: &Path) -> Result<Blobs, StoreError> {
        let folder = root.join("blobs/sha256");
        std::fs::create_dir_all(&folder).map_err(StoreError::io("create", &folder))?;
        Ok(Blobs { folder })
    }

    pub(crate) fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(digest.hex())
    }

    /// Reads a document and checks that it is still the one that its name says.
    pub(crate) fn read(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let path = self.path(digest);
        let bytes = std::fs::read(&path).map_err(StoreError::io("read", &path))?;
        match digest_of(&bytes) == *digest {
            true => Ok(bytes),
            false => Err(StoreError::Damaged {
                id: digest.to_string(),
                reason: "its config does not match its digest".to_owned(),
            }),
        }
    }

    /// Writes a document. Not synced: whoever records it syncs the file system once for everything.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = digest_of(bytes);
        let aside = self.folder.join(format!(".{}", crate::store::unique_name()));
        std::fs::write(&aside, bytes).map_err(StoreError::io("write", &aside))?;
        let path = self.path(&digest);
        std::fs::rename(&aside, &path).map_err(StoreError::io("write", &path))?;
        Ok(digest)
    }

    pub(crate) fn remove(&self, digest: &Digest) {
        // A document without a record is swept at the next start.
        let _ = std::fs::remove_file(self.path(digest));
    }

    /// Removes every document that `is_wanted` does not want.
    pub(crate) fn sweep(&self, is_wanted: impl Fn(&str) -> bool) -> Result<(), StoreError> {
        let entries = std::fs::read_dir(&self.folder).map_err(StoreError::io("read", &self.folder))?;
        for entry in entries.flatten() {
            if entry.file_name().to_str().is_none_or(|name| !is_wanted(name)) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        Ok(())
    }
}
