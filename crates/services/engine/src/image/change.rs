//! `tag`, `rmi`.

use std::sync::Arc;

use engine_api::StringMap;
use engine_api::image::ImageDeleteItem;
use images::{Image, ImageUser, RemoveOptions, Removed};
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
        if repo.is_empty() {
            // As Docker: no name asks for nothing.
            return Ok(());
        }
        let reference = imported_name(repo, tag)?;
        if reference.familiar_name() == "sha256" {
            return Err(Error::invalid("refusing to create an ambiguous tag using digest algorithm as name"));
        }
        let (shared, name) = (self.shared.clone(), name.to_owned());
        blocking(move || {
            let image = shared.images.resolve(&name)?;
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
            // The labels of what goes are told with it.
            let before = shared.images.list();
            let removed = shared.images.remove(&name, options, &|image| users(&shared, image))?;
            Ok(removed.into_iter().map(|one| tell(&shared, &before, one)).collect())
        })
        .await
    }
}

/// The name that `repo` and `tag` make, `latest` when nothing says otherwise.
pub(super) fn imported_name(repo: &str, tag: &str) -> Result<Reference, Error> {
    let invalid = |error: reference::ParseError| Error::invalid(error.to_string());
    let name = Reference::parse(repo).map_err(invalid)?;
    match (name.digest(), tag) {
        (Some(_), _) => Err(Error::invalid("cannot import digest reference")),
        (None, "") => Ok(name.or_latest()),
        (None, tag) => name.with_tag(tag).map_err(invalid),
    }
}

fn users(shared: &Shared, image: &Digest) -> Vec<ImageUser> {
    let views = shared.containers.views();
    let of_image = views.iter().filter(|view| view.intent.image_id == image.as_str());
    of_image
        .map(|view| ImageUser { container: view.id().to_owned(), is_running: view.life.is_running() })
        .collect()
}

fn tell(shared: &Shared, before: &[Arc<Image>], removed: Removed) -> ImageDeleteItem {
    let announce = |action: &str, id: &Digest| {
        // Docker knows no labels of an image that is gone.
        let image = before.iter().find(|image| action == "untag" && image.id() == id);
        shared.publish_image(action, id.as_str(), image.map(Arc::as_ref), id.as_str());
    };
    match removed {
        Removed::Untagged { name, image } => {
            announce("untag", &image);
            ImageDeleteItem { untagged: name.familiar(), deleted: String::new() }
        }
        Removed::Image(image) => {
            announce("delete", &image);
            ImageDeleteItem { deleted: image.to_string(), untagged: String::new() }
        }
        Removed::Layer(chain) => ImageDeleteItem { deleted: chain.to_string(), untagged: String::new() },
    }
}

impl Shared {
    /// Tells of an image: its labels and a name are the attributes.
    pub(super) fn announce_image(&self, action: &str, image: &Digest, name: &str) {
        self.announce_image_as(action, image.as_str(), image, name);
    }

    /// The same where the message is about something else than the image's ID.
    pub(super) fn announce_image_as(&self, action: &str, subject: &str, image: &Digest, name: &str) {
        self.publish_image(action, subject, self.images.get(image).as_deref(), name);
    }

    fn publish_image(&self, action: &str, subject: &str, image: Option<&Image>, name: &str) {
        let defaults = image.and_then(|image| image.config().config.as_ref());
        let mut attributes: StringMap =
            defaults.into_iter().flat_map(|defaults| defaults.labels.clone().unwrap_or_default()).collect();
        attributes.insert("name".to_owned(), name.to_owned());
        self.events.publish(Subject::Image, action, subject, attributes);
    }
}
