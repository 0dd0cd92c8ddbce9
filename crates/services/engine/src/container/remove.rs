//! `DELETE /containers/{id}`. How a container is taken away is in `removal.rs`.

use super::handle::Request;
use crate::{Engine, Error};

/// What else to do, or what instead.
#[derive(Debug, Clone, Copy, Default)]
pub struct RemoveOptions {
    /// Kill it first if it runs.
    pub force: bool,
    /// Also its anonymous volumes.
    pub volumes: bool,
    /// Only a link of that name.
    pub link: bool,
}

impl Engine {
    /// Takes a container away: record, layer, folders, log.
    ///
    /// # Errors
    /// `Conflict` when it runs and `force` is not set.
    pub async fn container_remove(&self, id: &str, options: RemoveOptions) -> Result<(), Error> {
        let handle = self.shared.containers.find(id)?;
        if options.link {
            return Err(remove_link(id));
        }
        let RemoveOptions { force, volumes, .. } = options;
        let removed = handle.ask(|reply| Request::Remove { force, volumes, reply }).await;
        removed.map_err(|error| error.within(format!("cannot remove container {id:?}")))
    }
}

/// Without links there is none to remove; Docker's words for the two ways to ask.
fn remove_link(name: &str) -> Error {
    let name = name.strip_prefix('/').unwrap_or(name);
    match name.rsplit_once('/') {
        None => Error::system("Conflict, cannot remove the default link name of the container"),
        Some((parent, _)) => Error::system(format!("Cannot get parent /{parent} for link name /{name}")),
    }
}
