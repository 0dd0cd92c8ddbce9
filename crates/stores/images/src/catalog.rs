//! All images and names of one moment, and how a command's argument finds an image among them. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use reference::{AnyReference, Digest, ParseError, Reference};

use crate::error::ErrorKind;
use crate::image::Image;

/// What is published to readers: never changed, only replaced.
#[derive(Debug, Clone, Default)]
pub(crate) struct Catalog {
    images: BTreeMap<Digest, Arc<Image>>,
    names: BTreeMap<Reference, Digest>,
}

/// Why an argument means no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// It cannot be a name.
    #[error(transparent)]
    Name(#[from] ParseError),
    /// Nothing has that name or ID.
    #[error("No such image: {0}")]
    NotFound(String),
    /// The image is for something else than was asked for.
    #[error(
        "image with reference {name} was found but its platform ({found}) does not match the specified platform ({wanted})"
    )]
    Platform {
        /// What was asked for.
        name: String,
        /// What the image says.
        found: String,
        /// What was wanted.
        wanted: String,
    },
}

impl ResolveError {
    /// How a caller reacts.
    pub fn kind(&self) -> ErrorKind {
        match self {
            ResolveError::Name(_) => ErrorKind::Invalid,
            ResolveError::NotFound(_) | ResolveError::Platform { .. } => ErrorKind::NotFound,
        }
    }
}

impl Catalog {
    pub(crate) fn image(&self, id: &Digest) -> Option<&Arc<Image>> {
        self.images.get(id)
    }

    pub(crate) fn images(&self) -> impl Iterator<Item = &Arc<Image>> {
        self.images.values()
    }

    /// The image that exactly this name means; of tag and digest, the digest counts.
    pub(crate) fn named(&self, name: &Reference) -> Option<&Digest> {
        self.names.get(&stored_form(name))
    }

    /// Finds what a command's argument means: a name, an ID, or the beginning of one.
    pub(crate) fn resolve(&self, text: &str) -> Result<&Arc<Image>, ResolveError> {
        let name = match AnyReference::parse(text)? {
            AnyReference::Id(id) => {
                return self.image(&id).ok_or_else(|| ResolveError::NotFound(id.to_string()));
            }
            AnyReference::Named(name) => name,
        };
        let found = match self.named(&name) {
            Some(id) => self.image(id),
            None => self.by_prefix(text),
        };
        found.ok_or_else(|| ResolveError::NotFound(name.or_latest().familiar()))
    }

    fn by_prefix(&self, text: &str) -> Option<&Arc<Image>> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let mut found = self.images.values().filter(|image| image.id().hex().starts_with(digits));
        match (found.next(), found.next()) {
            (Some(image), None) => Some(image),
            _ => None,
        }
    }

    /// Images that were made from `id`.
    pub(crate) fn has_children(&self, id: &Digest) -> bool {
        self.images.values().any(|image| image.parent() == Some(id))
    }

    pub(crate) fn insert(&mut self, image: Image) {
        let image = Image { names: self.names_of(image.id()), ..image };
        self.images.insert(image.id().clone(), Arc::new(image));
    }

    pub(crate) fn remove(&mut self, id: &Digest) {
        self.images.remove(id);
        self.names.retain(|_, target| target != id);
    }

    /// Makes `name` mean `id`, and no longer what it meant.
    pub(crate) fn set_name(&mut self, name: &Reference, id: &Digest, at: Option<SystemTime>) {
        let previous = self.names.insert(stored_form(name), id.clone());
        if let Some(previous) = previous.filter(|previous| previous != id) {
            self.refresh(&previous, None);
        }
        self.refresh(id, at);
    }

    pub(crate) fn remove_name(&mut self, name: &Reference) {
        if let Some(id) = self.names.remove(&stored_form(name)) {
            self.refresh(&id, None);
        }
    }

    fn refresh(&mut self, id: &Digest, tagged_at: Option<SystemTime>) {
        let names = self.names_of(id);
        if let Some(image) = self.images.get_mut(id) {
            let image = Arc::make_mut(image);
            image.names = names;
            image.tagged_at = tagged_at.or(image.tagged_at);
        }
    }

    fn names_of(&self, id: &Digest) -> Vec<Reference> {
        self.names.iter().filter(|(_, target)| *target == id).map(|(name, _)| name.clone()).collect()
    }
}

/// The form under which a name is kept: with a digest and no tag, or with a tag.
pub(crate) fn stored_form(name: &Reference) -> Reference {
    match name.digest() {
        Some(digest) => name.without_version().with_digest(digest.clone()),
        None => name.clone().or_latest(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(digit: char) -> Image {
        let id = Digest::parse(&format!("sha256:{}", digit.to_string().repeat(64))).unwrap();
        Image {
            id,
            config: Arc::default(),
            names: Vec::new(),
            layer_sizes: Arc::new([3, 4]),
            parent: None,
            tagged_at: None,
        }
    }

    fn name(text: &str) -> Reference {
        Reference::parse(text).unwrap()
    }

    fn catalog() -> Catalog {
        let mut catalog = Catalog::default();
        catalog.insert(image('a'));
        catalog.insert(image('b'));
        catalog.set_name(&name("busybox"), image('a').id(), None);
        catalog.set_name(&name("team/app:2"), image('b').id(), None);
        catalog
    }

    #[test]
    fn an_argument_is_a_name_an_id_or_its_beginning() {
        let catalog = catalog();
        let a = image('a').id;
        for text in [
            "busybox",
            "busybox:latest",
            "docker.io/library/busybox",
            a.as_str(),
            a.hex(),
            "aaa",
            "sha256:aa",
        ] {
            assert_eq!(catalog.resolve(text).map(|image| image.id().clone()), Ok(a.clone()), "{text}");
        }
        assert_eq!(catalog.resolve("team/app").unwrap_err().to_string(), "No such image: team/app:latest");
        assert_eq!(catalog.resolve("c").unwrap_err().to_string(), "No such image: c:latest");
        assert_eq!(catalog.resolve("Up").unwrap_err().kind(), ErrorKind::Invalid);
        let missing = format!("sha256:{}", "c".repeat(64));
        assert_eq!(catalog.resolve(&missing).unwrap_err().to_string(), format!("No such image: {missing}"));
    }

    #[test]
    fn an_ambiguous_beginning_means_nothing() {
        let mut catalog = catalog();
        let mut near = image('a');
        near.id = Digest::parse(&format!("sha256:aab{}", "0".repeat(61))).unwrap();
        catalog.insert(near);
        assert!(catalog.resolve("aa").is_err());
        assert!(catalog.resolve("aaa").is_ok());
    }

    #[test]
    fn a_name_moves_from_one_image_to_the_next() {
        let mut catalog = catalog();
        catalog.set_name(&name("busybox"), image('b').id(), None);
        assert_eq!(catalog.resolve("aaa").unwrap().repo_tags(), Vec::<String>::new());
        assert_eq!(catalog.resolve("bbb").unwrap().repo_tags(), ["busybox:latest", "team/app:2"]);
        catalog.remove_name(&name("busybox:latest"));
        assert!(catalog.resolve("busybox").is_err());
        assert_eq!(catalog.resolve("bbb").unwrap().size(), 7);
    }
}
