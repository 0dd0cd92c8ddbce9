//! Image content by digest, layers, snapshots, tags and their transfer (archives, registries); knows no container.
//!
//! ```text
//!  archive ─┐                ┌─ verify ─▶ decompress ─▶ verify diff ID ─▶ unpack ─┐
//!  registry ┼─▶ manifest ─▶ layers, in parallel                                   ├─▶ syncfs ─▶ one transaction
//!  tarball ─┘                └─ config, verbatim ─────────────────────────────────┘
//!
//!  <root>/blobs/sha256/<hex>      an image's config; its digest is the image's ID
//!  <root>/overlay2/<hex>/diff     an unpacked layer, named by the digest of its plain archive
//!  <root>/overlay2/init/diff      the mount points that every container needs, lowest of all
//!  <root>/overlay2/<id>/…         a container's own layer: diff, work, merged, lower (its layers, top first)
//!  <root>/tmp, <root>/trash       what is not yet, and what is no longer, content
//! ```
//!
//! Tables of the intent store: `images` (ID → what is not in the config), `tags` (canonical name → ID),
//! `layers` (digest → size). Content is complete and synced before a record names it.

mod blob;
mod catalog;
mod changes;
mod compression;
mod error;
mod hash;
mod hello;
mod image;
mod import;
mod layer;
mod layers;
mod load;
mod progress;
mod pull;
mod registry;
mod remove;
mod snapshot;
mod store;
mod tar;
mod trash;
mod unpack;

pub use catalog::ResolveError;
pub use changes::{ChangeError, apply_changes};
pub use error::{ErrorKind, StoreError};
pub use hello::HELLO;
pub use image::{HistoryStep, Image};
pub use import::{ImportError, ImportOptions};
pub use layer::LayerError;
pub use load::{LoadError, Loaded, load_report};
pub use progress::{Event, LayerStep, Progress};
pub use pull::{PullError, PullRequest};
pub use registry::{Credentials, Mirror, MirrorError, RegistryConfig, RegistryError, login};
pub use remove::{ImageUser, RemoveError, RemoveOptions, Removed, Users};
pub use snapshot::{Snapshot, SnapshotError};
pub use store::ImageStore;
pub use unpack::UnpackError;
