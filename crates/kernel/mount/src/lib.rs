//! Safe paths inside a root, and mounts by the new mount API; knows no container.

pub mod copy;
pub mod defence;
pub mod options;
pub mod overlay;
pub mod path;
pub mod tree;

pub use overlay::{Overlay, OverlayError};
