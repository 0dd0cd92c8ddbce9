//! All containers by id and name. Readers take shared handles; a name is reserved before its container exists.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::container::handle::Handle;
use crate::container::view::View;
use crate::error::{Explain, Kind};

/// Why a container was not found, or a name not given. The text is Docker's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LookupError {
    #[error("invalid name or ID supplied: {0:?}")]
    Empty(String),
    #[error("No such container: {0}")]
    NotFound(String),
    #[error("multiple IDs found with provided prefix: {0}")]
    Ambiguous(String),
    #[error(
        "Conflict. The container name \"/{name}\" is already in use by container \"{holder}\". You have to remove (or rename) that container to be able to reuse that name."
    )]
    NameTaken { name: String, holder: String },
}

impl Explain for LookupError {
    fn kind(&self) -> Kind {
        match self {
            Self::Empty(_) | Self::Ambiguous(_) => Kind::InvalidParameter,
            Self::NotFound(_) => Kind::NotFound,
            Self::NameTaken { .. } => Kind::Conflict,
        }
    }
}

/// The table of containers.
#[derive(Default)]
pub(crate) struct Registry {
    tables: RwLock<Tables>,
}

#[derive(Default)]
struct Tables {
    handles: BTreeMap<String, Arc<Handle>>,
    /// Name to id, also of containers that are just being made.
    names: BTreeMap<String, String>,
}

impl Registry {
    /// Finds what a client typed: a full id, a name with or without slash, or the beginning of one id.
    pub(crate) fn find(&self, text: &str) -> Result<Arc<Handle>, LookupError> {
        if text.is_empty() {
            return Err(LookupError::Empty(text.to_owned()));
        }
        let tables = self.read();
        if let Some(handle) = tables.handles.get(text) {
            return Ok(handle.clone());
        }
        let name = text.strip_prefix('/').unwrap_or(text);
        if let Some(handle) = tables.names.get(name).and_then(|id| tables.handles.get(id)) {
            return Ok(handle.clone());
        }
        let range = (Bound::Included(text.to_owned()), Bound::Unbounded);
        let mut found = tables.handles.range::<String, _>(range).take_while(|(id, _)| id.starts_with(text));
        match (found.next(), found.next()) {
            (Some((_, handle)), None) => Ok(handle.clone()),
            (Some(_), Some(_)) => Err(LookupError::Ambiguous(text.to_owned())),
            (None, _) => Err(LookupError::NotFound(text.to_owned())),
        }
    }

    /// The container of exactly this id.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<Handle>> {
        self.read().handles.get(id).cloned()
    }

    /// All containers as they were published last, in no useful order.
    pub(crate) fn views(&self) -> Vec<Arc<View>> {
        self.handles().iter().map(|handle| handle.view()).collect()
    }

    /// All containers.
    pub(crate) fn handles(&self) -> Vec<Arc<Handle>> {
        self.read().handles.values().cloned().collect()
    }

    /// Takes a name for the container `id`, which need not exist yet.
    pub(crate) fn reserve(&self, name: &str, id: &str) -> Result<(), LookupError> {
        let mut tables = self.write();
        match tables.names.get(name) {
            Some(holder) if holder != id => {
                Err(LookupError::NameTaken { name: name.to_owned(), holder: holder.clone() })
            }
            Some(_) => Ok(()),
            None => {
                tables.names.insert(name.to_owned(), id.to_owned());
                Ok(())
            }
        }
    }

    /// Gives a name back, if it is this container's.
    pub(crate) fn release(&self, name: &str, id: &str) {
        let mut tables = self.write();
        if tables.names.get(name).is_some_and(|holder| holder == id) {
            tables.names.remove(name);
        }
    }

    /// Makes a container findable.
    pub(crate) fn insert(&self, id: String, handle: Arc<Handle>) {
        self.write().handles.insert(id, handle);
    }

    /// Forgets a container and its names.
    pub(crate) fn remove(&self, id: &str) {
        let mut tables = self.write();
        tables.names.retain(|_, holder| holder != id);
        tables.handles.remove(id);
    }

    fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tables> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }
}
