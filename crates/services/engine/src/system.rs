//! The daemon and its host: `info`, `version`.

mod info;
mod version;
