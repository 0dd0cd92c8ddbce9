//! What a create has done so far, and how each step is undone.

use std::sync::Arc;

use reference::Digest;

use crate::container::removal;
use crate::engine::Shared;
use crate::error::Error;
use crate::names;

/// Finished steps of one create. Dropped before [`Journal::keep`], it undoes them, newest first.
pub(super) struct Journal<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) id: &'a str,
    done: Vec<Step>,
}

enum Step {
    Name(String),
    /// Layer and folders.
    Folders,
    /// A volume that this create made.
    Volume(String),
    /// A volume that must not be removed meanwhile.
    Pin(String),
}

impl<'a> Journal<'a> {
    pub(super) fn new(shared: &'a Arc<Shared>, id: &'a str) -> Self {
        Self { shared, id, done: Vec::new() }
    }

    /// Takes the name that the client wants, or a free random one.
    pub(super) fn reserve_name(&mut self, wanted: &str) -> Result<String, Error> {
        let name = if wanted.is_empty() { self.random_name()? } else { self.wanted_name(wanted)? };
        self.done.push(Step::Name(name.clone()));
        Ok(name)
    }

    fn wanted_name(&self, wanted: &str) -> Result<String, Error> {
        let name = wanted.strip_prefix('/').unwrap_or(wanted);
        check_name(name, wanted)?;
        self.shared.containers.reserve(name, self.id)?;
        Ok(name.to_owned())
    }

    fn random_name(&self) -> Result<String, Error> {
        for attempt in 0..6 {
            let name = names::random_name(names::random_seed(), attempt);
            if self.shared.containers.reserve(&name, self.id).is_ok() {
                return Ok(name);
            }
        }
        let name = self.id[..12].to_owned();
        self.shared.containers.reserve(&name, self.id)?;
        Ok(name)
    }

    pub(super) fn prepare_layer(&mut self, image: &Digest) -> Result<(), Error> {
        self.done.push(Step::Folders);
        let prepared = self.shared.images.prepare(self.id, image);
        prepared
            .map(|_| ())
            .map_err(|error| Error::from_cause("cannot prepare the container's layer", &error))
    }

    /// A volume is in use from now on, before its container is recorded.
    pub(super) fn pin_volume(&mut self, name: &str) -> Result<(), Error> {
        self.shared.volume_pins.hold(name)?;
        self.done.push(Step::Pin(name.to_owned()));
        Ok(())
    }

    pub(super) fn made_volume(&mut self, name: &str) {
        self.done.push(Step::Volume(name.to_owned()));
    }

    /// All is recorded: nothing is undone any more; the container itself holds its volumes.
    pub(super) fn keep(mut self) {
        for step in self.done.drain(..) {
            if let Step::Pin(volume) = step {
                self.shared.volume_pins.release(&volume);
            }
        }
    }
}

/// Docker's rule for names; `shown` is how the message repeats it.
pub(crate) fn check_name(name: &str, shown: &str) -> Result<(), Error> {
    if names::is_valid(name) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Invalid container name ({shown}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
    )))
}

impl Drop for Journal<'_> {
    fn drop(&mut self) {
        for step in std::mem::take(&mut self.done).into_iter().rev() {
            match step {
                Step::Name(name) => self.shared.containers.release(&name, self.id),
                Step::Folders => removal::sweep(self.shared, self.id),
                Step::Volume(name) => {
                    if let Err(error) = self.shared.volumes.remove(&name) {
                        tracing::warn!(volume = name, %error, "cannot undo the creation of a volume");
                    }
                }
                Step::Pin(name) => self.shared.volume_pins.release(&name),
            }
        }
    }
}
