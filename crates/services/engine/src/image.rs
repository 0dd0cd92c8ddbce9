//! Images: the verbs over the image store, one file a family.
//!
//! [`show`] answers questions, [`change`] tags and removes, [`transfer`] brings images in.

mod change;
mod feed;
mod show;
mod transfer;

use engine_api::auth::AuthConfig;
use engine_api::filters::Filters;
use images::ErrorKind;

pub use feed::ProgressStream;

use crate::error::Kind;

/// Which images, and how much of each.
#[derive(Debug, Clone, Default)]
pub struct ImageListOptions {
    /// Also intermediate ones.
    pub all: bool,
    /// Whether to measure what images share.
    pub shared_size: bool,
    /// Docker's filters.
    pub filters: Filters,
}

/// What to fetch from a registry, as typed.
#[derive(Debug, Clone, Default)]
pub struct PullOptions {
    /// `fromImage`: a name, perhaps with tag or digest.
    pub image: String,
    /// `tag`: a tag or a digest; all tags when name and tag are silent.
    pub tag: String,
    /// `os[/arch[/variant]]`; the host's when empty.
    pub platform: String,
    /// Credentials, if any were sent.
    pub auth: AuthConfig,
}

/// How to make an image from a plain archive.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// `fromSrc`, for the default comment.
    pub source: String,
    /// `repo`; no name when empty.
    pub repo: String,
    /// `tag`.
    pub tag: String,
    /// `message`; says where the archive came from when empty.
    pub message: String,
    /// Dockerfile instructions to apply.
    pub changes: Vec<String>,
    /// `os[/arch[/variant]]`; the host's when empty.
    pub platform: String,
}

/// How to load an archive of images.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// Tell only what was loaded.
    pub quiet: bool,
    /// Only this platform, as the JSON of an OCI platform; all when empty.
    pub platform: String,
}

/// How to remove an image.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImageRemoveOptions {
    /// Also when stopped containers use it, or several names point to it.
    pub force: bool,
    /// Keep parents without a name.
    pub no_prune: bool,
}

/// How the store's kinds of error reach a client.
fn kind(kind: ErrorKind) -> Kind {
    match kind {
        ErrorKind::Invalid => Kind::InvalidParameter,
        ErrorKind::NotFound => Kind::NotFound,
        ErrorKind::Conflict => Kind::Conflict,
        ErrorKind::Unauthorized => Kind::Unauthorized,
        ErrorKind::Forbidden => Kind::Forbidden,
        ErrorKind::Unavailable => Kind::Unavailable,
        ErrorKind::System => Kind::System,
    }
}

macro_rules! explain {
    ($($error:ty),+) => {
        $(impl crate::error::Explain for $error {
            fn kind(&self) -> Kind {
                kind(<$error>::kind(self))
            }
        })+
    };
}

explain!(images::StoreError, images::RemoveError, images::LoadError, images::ImportError, images::PullError);
