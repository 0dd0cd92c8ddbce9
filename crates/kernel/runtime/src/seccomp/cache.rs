//! Compiled filters kept in files, by the hash of the rules they come from.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use oci_spec::runtime::Seccomp;
use sha2::{Digest, Sha256};

use super::{MAGIC, Program, SeccompError, compile};

/// A folder of compiled filters; may be deleted at any time.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Uses `folder`, which is made when first needed.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The program of these rules: read, or compiled and kept. A cache that cannot be written is not an error.
    ///
    /// # Errors
    /// Those of [`compile()`].
    pub fn program(&self, seccomp: &Seccomp) -> Result<Program, SeccompError> {
        let path = self.path(seccomp)?;
        if let Ok(program) = Program::load(&path) {
            return Ok(program);
        }
        let program = compile(seccomp)?;
        let _ = self.keep(&path, &program);
        Ok(program)
    }

    /// The file with the program of these rules, compiled if need be: for handing over to another process, which
    /// reads it by [`Program::load`].
    ///
    /// # Errors
    /// Those of [`compile()`], and of writing the file.
    pub fn file(&self, seccomp: &Seccomp) -> Result<PathBuf, SeccompError> {
        let path = self.path(seccomp)?;
        if Program::load(&path).is_err() {
            let program = compile(seccomp)?;
            self.keep(&path, &program).map_err(|cause| SeccompError::Cache { path: path.clone(), cause })?;
        }
        Ok(path)
    }

    fn path(&self, seccomp: &Seccomp) -> Result<PathBuf, SeccompError> {
        let mut hash = Sha256::new();
        hash.update(MAGIC);
        hash.update(serde_json::to_vec(seccomp)?);
        let name: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(self.folder.join(format!("{name}.bpf")))
    }

    /// Written aside and renamed: readers never see half a filter.
    fn keep(&self, path: &std::path::Path, program: &Program) -> io::Result<()> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        fs::create_dir_all(&self.folder)?;
        let unique = format!(".{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let aside = path.with_extension(unique);
        let mut file = fs::File::create_new(&aside)?;
        let written = file.write_all(&program.to_bytes()).and_then(|()| fs::rename(&aside, path));
        if written.is_err() {
            let _ = fs::remove_file(&aside);
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seccomp::{Host, Profile};

    #[test]
    fn a_filter_is_compiled_once_and_a_damaged_file_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("seccomp"));
        let seccomp = Profile::docker_default().unwrap().resolve(&Host::here(&[])).unwrap();
        let compiled = cache.program(&seccomp).unwrap();
        let file = cache.file(&seccomp).unwrap();
        assert_eq!(Program::load(&file).unwrap(), compiled);
        fs::write(&file, "damaged").unwrap();
        assert_eq!(cache.program(&seccomp).unwrap(), compiled);
        assert_eq!(Program::load(&file).unwrap(), compiled);
        assert_eq!(fs::read_dir(folder.path().join("seccomp")).unwrap().count(), 1);
        let other = Seccomp { default_errno_ret: Some(5), ..seccomp };
        assert_ne!(cache.file(&other).unwrap(), file);
    }
}
