//! A bundle: a folder with `config.json` and, usually, the root file system. All of it may be hostile.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::error::BundleError;
use oci_spec::runtime::{Process, Spec};

/// Longest document; one with thousands of mounts has a megabyte.
const LONGEST: u64 = 32 << 20;

/// A document that was read, and where it was.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// The folder, absolute.
    pub folder: PathBuf,
    /// The document.
    pub spec: Spec,
    /// The document as it was read.
    pub(crate) bytes: Vec<u8>,
}

impl Bundle {
    /// Reads `config.json` in `folder` (absolute) and checks it.
    ///
    /// # Errors
    /// [`BundleError`], naming the field.
    pub fn load(folder: &Path) -> Result<Self, BundleError> {
        let path = folder.join("config.json");
        let bytes = read(&path)?;
        Self::parse(folder, bytes)
    }

    /// The same from bytes. Touches nothing.
    ///
    /// # Errors
    /// [`BundleError`], naming the field.
    pub fn parse(folder: &Path, bytes: Vec<u8>) -> Result<Self, BundleError> {
        let bundle = Self { folder: folder.to_owned(), spec: Spec::from_slice(&bytes)?, bytes };
        bundle.check()?;
        Ok(bundle)
    }

    /// What the document must have to become a container.
    fn check(&self) -> Result<(), BundleError> {
        let invalid = |text: &str| Err(BundleError::Invalid(text.to_owned()));
        match &self.spec.process {
            Some(process) => check_process(process)?,
            None => return invalid("process property must not be empty"),
        }
        match &self.spec.root {
            None => return invalid("root must be specified"),
            Some(root) if root.path.is_empty() => return invalid("root.path must not be empty"),
            Some(root) if root.path.contains('\0') => return invalid("root.path contains a NUL byte"),
            Some(_) => {}
        }
        check_version(&self.spec.oci_version)
    }

    /// The root file system, absolute.
    #[must_use]
    pub fn rootfs(&self) -> PathBuf {
        self.folder.join(self.spec.root.as_ref().map_or("", |root| root.path.as_str()))
    }
}

/// Reads a document for `exec`: one `process`.
///
/// # Errors
/// [`BundleError`], naming the field.
pub fn parse_process(path: &Path) -> Result<Process, BundleError> {
    let process = Process::from_slice(&read(path)?)?;
    check_process(&process)?;
    Ok(process)
}

/// What a process must have, in runc's words.
pub(crate) fn check_process(process: &Process) -> Result<(), BundleError> {
    let invalid = |text: &str| Err(BundleError::Invalid(text.to_owned()));
    if process.cwd.is_empty() {
        return invalid("Cwd property must not be empty");
    }
    if !process.cwd.starts_with('/') {
        return invalid("Cwd must be an absolute path");
    }
    if process.args.is_empty() {
        return invalid("args must not be empty");
    }
    Ok(())
}

/// Documents of the first major version are understood, whatever their minor.
fn check_version(version: &str) -> Result<(), BundleError> {
    if version.is_empty() || version.split('.').next() == Some("1") {
        return Ok(());
    }
    Err(BundleError::Invalid(format!("ociVersion: version {version:?} is not supported")))
}

fn read(path: &Path) -> Result<Vec<u8>, BundleError> {
    let failed = |cause: io::Error| match cause.kind() {
        io::ErrorKind::NotFound if path.ends_with("config.json") => BundleError::Missing,
        _ => BundleError::Read { path: path.to_owned(), cause },
    };
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(LONGEST)).unwrap_or(0) + 1);
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LONGEST { Err(BundleError::TooLong(LONGEST)) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests;
