//! The system call filter of a container: a profile resolved for its capabilities and compiled once, as a file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use runtime::seccomp::{Cache, Host, Profile, SeccompError};

use super::security::Filter;
use crate::error::{Error, chain};

/// Compiled filters by profile and capabilities.
pub(crate) struct Filters {
    cache: Cache,
    /// What was asked for since the start; spares hashing a profile on each launch.
    known: Mutex<HashMap<Key, PathBuf>>,
}

type Key = (Filter, Vec<String>);

/// Profiles of users are texts of any length: few are remembered.
const REMEMBERED: usize = 64;

impl Filters {
    pub(crate) fn new(data_root: &Path) -> Self {
        Self { cache: Cache::new(data_root.join("seccomp")), known: Mutex::default() }
    }

    /// The file with the compiled filter; nothing for an unconfined container. Blocks on the first use of a filter.
    pub(super) fn file(&self, wanted: &Filter, capabilities: &[String]) -> Result<Option<PathBuf>, Error> {
        if *wanted == Filter::Unconfined {
            return Ok(None);
        }
        let key = (wanted.clone(), capabilities.to_vec());
        if let Some(file) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Some(file.clone()));
        }
        let file = self.compile(wanted, capabilities).map_err(|error| Error::system(chain(&error)))?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(key, file.clone());
        Ok(Some(file))
    }

    fn compile(&self, wanted: &Filter, capabilities: &[String]) -> Result<PathBuf, SeccompError> {
        let profile = match wanted {
            Filter::Profile(text) => Profile::parse(text)?,
            Filter::Default | Filter::Unconfined => Profile::docker_default()?,
        };
        self.cache.file(&profile.resolve(&Host::here(capabilities))?)
    }
}
