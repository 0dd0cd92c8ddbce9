//! The daemon and its host: `info`, `version`.

pub(crate) mod disk;
pub(crate) mod host;
pub(crate) mod identity;
mod info;
mod version;
