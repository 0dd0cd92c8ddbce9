//! OCI image-spec and Docker image documents: descriptors, manifests, indexes, and an image's config.
//!
//! ```text
//!  index ──▶ manifest (one per platform) ──▶ config  ──▶ rootfs.diff_ids (digests of plain layers)
//!                                        └─▶ layers  ──▶ blobs (compressed)
//! ```
//!
//! Unknown fields are kept, so that a document which is read, changed and written loses nothing.
//! The bytes that a digest names are never produced from these types again: keep the original.

mod config;
mod manifest;
mod platform;

pub use config::{Defaults, Healthcheck, History, ImageConfig, RootFs};
pub use manifest::{Descriptor, Index, Manifest, media_type};
pub use platform::{Platform, PlatformError};
