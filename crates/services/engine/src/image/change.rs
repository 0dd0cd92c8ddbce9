//! `tag`, `rmi`.

use engine_api::StringMap;
use engine_api::image::ImageDeleteItem;
use images::{ImageUser, RemoveOptions, Removed};
use reference::{Digest, Reference};

use super::ImageRemoveOptions;
use crate::Engine;
use crate::engine::{Shared, blocking};
use crate::error::Error;
use crate::events::Subject;

impl Engine {
    /// `POST /images/{name}/tag`.
    ///
    /// # Errors
    /// `InvalidParameter` for a wrong name; `NotFound`.
    pub async fn image_tag(&self, name: &str, repo: &str, tag: &str) -> Result<(), Error> {
        let reference = new_name(repo, tag)?;
        let image = self.shared.images.resolve(name)?;
        let shared = self.shared.clone();
        blocking(move || {
            shared.images.tag(image.id(), &reference)?;
            shared.announce_image("tag", image.id(), &reference.familiar());
            Ok(())
        })
        .await
    }

    /// `DELETE /images/{name}`: what was untagged and deleted, in order.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when it is in use.
    pub async fn image_remove(
        &self,
        name: &str,
        options: ImageRemoveOptions,
    ) -> Result<Vec<ImageDeleteItem>, Error> {
        let (shared, name) = (self.shared.clone(), name.to_owned());
        blocking(move || {
            let options = RemoveOptions { force: options.force, prune: !options.no_prune };
            let removed = shared.images.remove(&name, options, &|image| users(&shared, image))?;
            Ok(removed.into_iter().map(|one| tell(&shared, one)).collect())
        })
        .await
    }
}

/// The name that `repo` and `tag` make, `latest` when nothing says otherwise.
pub(super) fn new_name(repo: &str, tag: &str) -> Result<Reference, Error> {
    let invalid = |error: reference::ParseError| Error::invalid(error.to_string());
    let name = Reference::parse(repo).map_err(invalid)?;
    if name.digest().is_some() {
        return Err(Error::invalid("refusing to create a tag with a digest reference"));
    }
    match tag {
        "" => Ok(name.or_latest()),
        tag => name.without_version().with_tag(tag).map_err(invalid),
    }
}

fn users(shared: &Shared, image: &Digest) -> Vec<ImageUser> {
    let views = shared.containers.views();
    let of_image = views.iter().filter(|view| view.intent.image_id == image.as_str());
    of_image
        .map(|view| ImageUser { container: view.id().to_owned(), is_running: view.life.is_running() })
        .collect()
}

fn tell(shared: &Shared, removed: Removed) -> ImageDeleteItem {
    match removed {
        Removed::Untagged { name, image } => {
            shared.announce_image("untag", &image, image.as_str());
            ImageDeleteItem { untagged: name.familiar(), deleted: String::new() }
        }
        Removed::Image(image) => {
            shared.announce_image("delete", &image, image.as_str());
            ImageDeleteItem { deleted: image.to_string(), untagged: String::new() }
        }
        Removed::Layer(chain) => ImageDeleteItem { deleted: chain.to_string(), untagged: String::new() },
    }
}

impl Shared {
    /// Tells of an image: its labels and a name are the attributes.
    pub(super) fn announce_image(&self, action: &str, image: &Digest, name: &str) {
        let found = self.images.get(image);
        let defaults = found.as_ref().and_then(|image| image.config().config.as_ref());
        let labels = defaults.and_then(|defaults| serde_json::to_value(&defaults.labels).ok());
        let mut attributes: StringMap =
            labels.and_then(|labels| serde_json::from_value(labels).ok()).unwrap_or_default();
        attributes.insert("name".to_owned(), name.to_owned());
        self.events.publish(Subject::Image, action, image.as_str(), attributes);
    }
}
