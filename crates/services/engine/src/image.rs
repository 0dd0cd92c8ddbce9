//! Images: the verbs over the image store.

use std::io::Read;

use engine_api::auth::AuthConfig;
use engine_api::filters::Filters;
use engine_api::image::{HistoryItem, ImageDeleteItem, ImageInspect, ImageSummary};
use engine_api::progress::ProgressLine;
use tokio::sync::mpsc;

use crate::{Engine, Error};

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
    /// `tag`: a tag or a digest; all tags when both are silent and the name ends in a colon.
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

/// Work that tells how it goes; dropping it stops the work. A failure after the first line is the last line.
pub struct ProgressStream {
    pub(crate) lines: mpsc::Receiver<ProgressLine>,
}

impl ProgressStream {
    /// The next line; nothing at the end.
    pub async fn next(&mut self) -> Option<ProgressLine> {
        self.lines.recv().await
    }
}

impl Engine {
    /// `GET /images/json`.
    ///
    /// # Errors
    /// `InvalidParameter` for unknown or malformed filters.
    pub async fn image_list(&self, _options: ImageListOptions) -> Result<Vec<ImageSummary>, Error> {
        Err(Error::not_implemented("images"))
    }

    /// `GET /images/{name}/json`.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn image_inspect(&self, _name: &str) -> Result<ImageInspect, Error> {
        Err(Error::not_implemented("images"))
    }

    /// `GET /images/{name}/history`.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn image_history(&self, _name: &str) -> Result<Vec<HistoryItem>, Error> {
        Err(Error::not_implemented("images"))
    }

    /// `POST /images/{name}/tag`.
    ///
    /// # Errors
    /// `InvalidParameter` for a wrong name; `NotFound`.
    pub async fn image_tag(&self, _name: &str, _repo: &str, _tag: &str) -> Result<(), Error> {
        Err(Error::not_implemented("images"))
    }

    /// `DELETE /images/{name}`.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when it is in use.
    pub async fn image_remove(
        &self,
        _name: &str,
        _options: ImageRemoveOptions,
    ) -> Result<Vec<ImageDeleteItem>, Error> {
        Err(Error::not_implemented("images"))
    }

    /// `POST /images/create?fromImage=`. Returns with the first line, so that an early failure is a plain error.
    ///
    /// # Errors
    /// What failed before there was anything to tell.
    pub async fn image_pull(&self, _options: PullOptions) -> Result<ProgressStream, Error> {
        Err(Error::not_implemented("images"))
    }

    /// `POST /images/create?fromSrc=-`: gives the id of the new image. `archive` is read on a blocking thread.
    ///
    /// # Errors
    /// `InvalidParameter` for wrong names, changes or archives.
    pub async fn image_import(
        &self,
        _options: ImportOptions,
        _archive: Box<dyn Read + Send>,
    ) -> Result<String, Error> {
        Err(Error::not_implemented("images"))
    }

    /// `POST /images/load`. As with Docker every failure is a line of the stream. `archive` is read on a blocking thread.
    ///
    /// # Errors
    /// A platform that cannot be read.
    pub async fn image_load(
        &self,
        _options: LoadOptions,
        _archive: Box<dyn Read + Send>,
    ) -> Result<ProgressStream, Error> {
        Err(Error::not_implemented("images"))
    }

    /// `POST /auth`: asks a registry about credentials; gives an identity token (or nothing) when they are good.
    ///
    /// # Errors
    /// `Unauthorized` when they are not.
    pub async fn registry_login(&self, _auth: AuthConfig) -> Result<String, Error> {
        Err(Error::not_implemented("auth"))
    }
}
