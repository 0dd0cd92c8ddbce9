//! `rmi`: names go first, then the image, then its parents; what forbids it is told in Docker's words.
//!
//! The plan is pure: catalog, argument and who uses what in, a list of steps out.

use std::collections::HashSet;

use reference::{Digest, Reference};

use crate::catalog::{Catalog, ResolveError, stored_form};
use crate::error::{ErrorKind, StoreError};
use crate::image::Image;
use crate::layers::chain_ids;
use crate::store::ImageStore;

/// A container, as far as its image is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageUser {
    /// The container's ID.
    pub container: String,
    /// True while its process runs.
    pub is_running: bool,
}

/// How to remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoveOptions {
    /// Remove an image that stopped containers use or that several names mean.
    pub force: bool,
    /// Remove parents that nothing means any more, too.
    pub prune: bool,
}

/// One thing that was removed, in the order of Docker's lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// A name no longer means the image.
    Untagged {
        /// The name.
        name: Reference,
        /// What it meant.
        image: Digest,
    },
    /// The image itself is gone.
    Image(Digest),
    /// A layer, by its chain ID, is gone.
    Layer(Digest),
}

/// Why an image could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// The argument means nothing.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// A container was made from it, and this is its last name.
    #[error(
        "conflict: unable to remove repository reference \"{name}\" (must force) - container {} is using its referenced image {}",
        short(container),
        image.short()
    )]
    LastName {
        /// What was asked for.
        name: String,
        /// The container.
        container: String,
        /// The image.
        image: Digest,
    },
    /// Other images were made from it.
    #[error("conflict: unable to delete {} (cannot be forced) - image has dependent child images", .0.short())]
    Children(Digest),
    /// A container runs on it.
    #[error(
        "conflict: unable to delete {} (cannot be forced) - image is being used by running container {}",
        image.short(),
        short(container)
    )]
    Running {
        /// The image.
        image: Digest,
        /// The container.
        container: String,
    },
    /// Several names mean it.
    #[error("conflict: unable to delete {} (must be forced) - image is referenced in multiple repositories", .0.short())]
    Names(Digest),
    /// A stopped container was made from it.
    #[error(
        "conflict: unable to delete {} (must be forced) - image is being used by stopped container {}",
        image.short(),
        short(container)
    )]
    Stopped {
        /// The image.
        image: Digest,
        /// The container.
        container: String,
    },
    /// The disk refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RemoveError {
    /// How a caller reacts.
    pub fn kind(&self) -> ErrorKind {
        match self {
            RemoveError::Resolve(error) => error.kind(),
            RemoveError::LastName { .. }
            | RemoveError::Children(_)
            | RemoveError::Running { .. }
            | RemoveError::Names(_)
            | RemoveError::Stopped { .. } => ErrorKind::Conflict,
            RemoveError::Store(error) => error.kind(),
        }
    }

    /// True when a container is what forbids it.
    fn is_about_use(&self) -> bool {
        matches!(self, RemoveError::Running { .. } | RemoveError::Stopped { .. })
    }
}

/// Who uses an image, as the engine knows it.
pub type Users<'a> = dyn Fn(&Digest) -> Vec<ImageUser> + 'a;

impl ImageStore {
    /// Removes what `text` means: a name, or an image with all its names. `users` tells an image's containers.
    pub fn remove(
        &self,
        text: &str,
        options: RemoveOptions,
        users: &Users<'_>,
    ) -> Result<Vec<Removed>, RemoveError> {
        let mut layers = self.layers();
        let catalog = self.catalog();
        let mut steps =
            Plan { catalog: Catalog::clone(&catalog), users, removed: Vec::new() }.run(text, options)?;

        let mut names = Vec::new();
        let mut images: Vec<Digest> = Vec::new();
        for step in &steps {
            match step {
                Removed::Untagged { name, .. } => names.push(name.clone()),
                Removed::Image(id) => images.push(id.clone()),
                Removed::Layer(_) => {}
            }
        }
        let stacks = |id: &Digest| {
            catalog.image(id).map(|image| image.config().diff_ids().to_vec()).unwrap_or_default()
        };
        let mut after = layers.clone();
        let unheld = after.release(&images.iter().flat_map(stacks).collect::<Vec<_>>());
        let batch = images.iter().fold(ImageStore::removal_batch(None, &names, &unheld), |batch, id| {
            batch.and(ImageStore::removal_batch(Some(id), &[], &[]))
        });
        self.db().commit(batch).map_err(StoreError::Db)?;
        *layers = after;
        self.publish(|catalog| {
            names.iter().for_each(|name| catalog.remove_name(name));
            images.iter().for_each(|id| catalog.remove(id));
        });
        self.discard_layers(&unheld)?;
        images.iter().for_each(|id| self.discard_config(id));

        let left = self.catalog();
        let mut used: HashSet<Digest> = HashSet::new();
        used.extend(left.images().flat_map(|image| chain_ids(image.config().diff_ids())));
        used.extend(layers.container_stacks().flat_map(chain_ids));
        with_layer_lines(&mut steps, |id| {
            let mut gone = chain_ids(&stacks(id));
            gone.retain(|chain| used.insert(chain.clone()));
            gone.reverse();
            gone
        });
        Ok(steps)
    }
}

/// Puts the lines of an image's layers after the image's own.
fn with_layer_lines(steps: &mut Vec<Removed>, mut layers_of: impl FnMut(&Digest) -> Vec<Digest>) {
    let planned = std::mem::take(steps);
    for step in planned {
        let layers = match &step {
            Removed::Image(id) => layers_of(id),
            _ => Vec::new(),
        };
        steps.push(step);
        steps.extend(layers.into_iter().map(Removed::Layer));
    }
}

/// A removal being planned on a private copy of the catalog.
struct Plan<'a> {
    catalog: Catalog,
    users: &'a Users<'a>,
    removed: Vec<Removed>,
}

/// Which conflicts count.
#[derive(Clone, Copy)]
struct Conflicts {
    names: bool,
    stopped: bool,
}

impl Plan<'_> {
    fn run(mut self, text: &str, options: RemoveOptions) -> Result<Vec<Removed>, RemoveError> {
        let image = self.catalog.resolve(text)?.clone();
        let id = image.id().clone();
        let is_by_id = id.as_str().starts_with(text) || id.hex().starts_with(text);
        if is_by_id {
            if is_single(image.names()) {
                self.check(&id, Conflicts { names: false, stopped: !options.force })?;
                self.untag_all(&id);
            }
        } else {
            self.untag(text, &image, options)?;
            if !self.names(&id).is_empty() {
                return Ok(self.removed);
            }
        }
        self.delete(&id, options.force, options.prune, !is_by_id)?;
        Ok(self.removed)
    }

    /// Removes the name that was asked for, and what only makes sense with it.
    fn untag(&mut self, text: &str, image: &Image, options: RemoveOptions) -> Result<(), RemoveError> {
        if !options.force
            && is_single(image.names())
            && let Some(user) = (self.users)(image.id()).into_iter().next()
        {
            let (name, image) = (text.to_owned(), image.id().clone());
            return Err(RemoveError::LastName { name, container: user.container, image });
        }
        let name = stored_form(&Reference::parse(text).map_err(ResolveError::from)?);
        self.remove_name(&name, image.id());
        let left = self.names(image.id());
        let is_same = |other: &Reference| other.without_version() == name.without_version();
        if name.digest().is_none() && !left.iter().any(|other| is_same(other) && other.digest().is_none()) {
            left.iter().filter(|other| is_same(other)).for_each(|other| self.remove_name(other, image.id()));
        }
        Ok(())
    }

    /// Removes an image; `quiet` forgives conflicts of an image that still means something.
    fn delete(&mut self, id: &Digest, force: bool, prune: bool, quiet: bool) -> Result<(), RemoveError> {
        if let Err(conflict) = self.check(id, Conflicts { names: !force, stopped: !force }) {
            let is_dangling = self.names(id).is_empty() && !self.catalog.has_children(id);
            return match quiet && (!is_dangling || conflict.is_about_use()) {
                true => Ok(()),
                false => Err(conflict),
            };
        }
        let parent = self.catalog.image(id).and_then(|image| image.parent().cloned());
        self.untag_all(id);
        self.catalog.remove(id);
        self.removed.push(Removed::Image(id.clone()));
        match parent.filter(|parent| prune && self.catalog.image(parent).is_some()) {
            Some(parent) => self.delete(&parent, false, true, true),
            None => Ok(()),
        }
    }

    fn check(&self, id: &Digest, conflicts: Conflicts) -> Result<(), RemoveError> {
        let image = id.clone();
        if self.catalog.has_children(id) {
            return Err(RemoveError::Children(image));
        }
        let users = (self.users)(id);
        if let Some(user) = users.iter().find(|user| user.is_running) {
            return Err(RemoveError::Running { image, container: user.container.clone() });
        }
        if conflicts.names && !self.names(id).is_empty() {
            return Err(RemoveError::Names(image));
        }
        match users.into_iter().next().filter(|_| conflicts.stopped) {
            Some(user) => Err(RemoveError::Stopped { image, container: user.container }),
            None => Ok(()),
        }
    }

    fn names(&self, id: &Digest) -> Vec<Reference> {
        self.catalog.image(id).map(|image| image.names().to_vec()).unwrap_or_default()
    }

    fn untag_all(&mut self, id: &Digest) {
        self.names(id).iter().for_each(|name| self.remove_name(name, id));
    }

    fn remove_name(&mut self, name: &Reference, image: &Digest) {
        self.catalog.remove_name(name);
        self.removed.push(Removed::Untagged { name: name.clone(), image: image.clone() });
    }
}

/// True if all names are of one repository and at most one is a tag; false for none at all.
fn is_single(names: &[Reference]) -> bool {
    if names.len() <= 1 {
        return names.len() == 1;
    }
    let (digests, tags): (Vec<_>, Vec<_>) = names.iter().partition(|name| name.digest().is_some());
    let repositories: HashSet<String> = digests.iter().map(|name| name.name()).collect();
    match tags.as_slice() {
        [] => repositories.len() == 1,
        [tag] => repositories.len() == 1 && repositories.contains(&tag.name()),
        _ => false,
    }
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const PLAIN: RemoveOptions = RemoveOptions { force: false, prune: true };
    const FORCE: RemoveOptions = RemoveOptions { force: true, prune: true };

    fn id(digit: char) -> Digest {
        Digest::parse(&format!("sha256:{}", digit.to_string().repeat(64))).unwrap()
    }

    fn catalog(names: &[&str], parent: Option<Digest>) -> Catalog {
        let mut catalog = Catalog::default();
        for (digit, parent) in [('b', None), ('a', parent)] {
            catalog.insert(Image {
                id: id(digit),
                config: Arc::default(),
                names: Vec::new(),
                layer_sizes: Arc::new([]),
                parent,
                tagged_at: None,
            });
        }
        for name in names {
            catalog.set_name(&Reference::parse(name).unwrap(), &id('a'), None);
        }
        catalog
    }

    fn run(
        catalog: Catalog,
        text: &str,
        options: RemoveOptions,
        users: &[(&str, bool)],
    ) -> Result<Vec<String>, String> {
        let users = |image: &Digest| -> Vec<ImageUser> {
            let of = |(container, is_running): &(&str, bool)| ImageUser {
                container: container.repeat(64),
                is_running: *is_running,
            };
            if *image == id('a') { users.iter().map(of).collect() } else { Vec::new() }
        };
        let plan = Plan { catalog, users: &users, removed: Vec::new() };
        let line = |step: Removed| match step {
            Removed::Untagged { name, .. } => format!("Untagged: {}", name.familiar()),
            Removed::Image(id) => format!("Deleted: {}", id.short()),
            Removed::Layer(id) => format!("Layer: {}", id.short()),
        };
        plan.run(text, options)
            .map(|steps| steps.into_iter().map(line).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_last_name_takes_the_image_with_it() {
        let digest = format!("x@sha256:{}", "d".repeat(64));
        let removed = run(catalog(&["x:1", &digest], None), "x:1", PLAIN, &[]).unwrap();
        assert_eq!(
            removed,
            ["Untagged: x:1".to_owned(), format!("Untagged: {digest}"), "Deleted: aaaaaaaaaaaa".to_owned()]
        );
        assert_eq!(run(catalog(&["x:1", "y:1"], None), "x:1", PLAIN, &[]).unwrap(), ["Untagged: x:1"]);
        assert_eq!(
            run(catalog(&["x:1"], None), "aaaa", PLAIN, &[]).unwrap(),
            ["Untagged: x:1", "Deleted: aaaaaaaaaaaa"]
        );
    }

    #[test]
    fn conflicts_are_told_in_dockers_words() {
        for (names, text, options, users, expected) in [
            (
                &["x"][..],
                "x",
                PLAIN,
                ("c", false),
                "conflict: unable to remove repository reference \"x\" (must force) - container cccccccccccc is using its referenced image aaaaaaaaaaaa",
            ),
            (
                &["x"],
                "aaaa",
                FORCE,
                ("c", true),
                "conflict: unable to delete aaaaaaaaaaaa (cannot be forced) - image is being used by running container cccccccccccc",
            ),
            (
                &["x"],
                "aaaa",
                PLAIN,
                ("c", false),
                "conflict: unable to delete aaaaaaaaaaaa (must be forced) - image is being used by stopped container cccccccccccc",
            ),
        ] {
            assert_eq!(run(catalog(names, None), text, options, &[users]), Err(expected.to_owned()));
        }
        assert_eq!(
            run(catalog(&["x", "y"], None), "aaaa", PLAIN, &[]),
            Err("conflict: unable to delete aaaaaaaaaaaa (must be forced) - image is referenced in multiple repositories".to_owned())
        );
        assert_eq!(
            run(catalog(&["x"], Some(id('b'))), "bbbb", FORCE, &[]),
            Err("conflict: unable to delete bbbbbbbbbbbb (cannot be forced) - image has dependent child images".to_owned())
        );
    }

    #[test]
    fn force_untags_what_a_running_container_uses_and_keeps_the_image() {
        assert_eq!(run(catalog(&["x"], None), "x", FORCE, &[("c", true)]).unwrap(), ["Untagged: x:latest"]);
        assert_eq!(
            run(catalog(&["x", "y"], None), "aaaa", FORCE, &[]).unwrap(),
            ["Untagged: x:latest", "Untagged: y:latest", "Deleted: aaaaaaaaaaaa"]
        );
    }

    #[test]
    fn parents_that_mean_nothing_go_as_well() {
        let removed = run(catalog(&["x"], Some(id('b'))), "x", PLAIN, &[]).unwrap();
        assert_eq!(removed, ["Untagged: x:latest", "Deleted: aaaaaaaaaaaa", "Deleted: bbbbbbbbbbbb"]);
    }
}
