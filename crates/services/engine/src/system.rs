//! The daemon and its host: `info`, `version`, `df`.

pub(crate) mod disk;
pub mod disk_usage;
pub(crate) mod host;
pub(crate) mod identity;
mod info;
mod version;
