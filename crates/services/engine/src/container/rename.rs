//! `POST /containers/{id}/rename`.

use super::create::check_name;
use super::handle::Request;
use crate::{Engine, Error};

impl Engine {
    /// Gives a container another name.
    ///
    /// # Errors
    /// `InvalidParameter` for an empty, wrong or unchanged name; `Conflict` when it is taken.
    pub async fn container_rename(&self, id: &str, name: &str) -> Result<(), Error> {
        if id.is_empty() || name.is_empty() {
            return Err(Error::invalid("Neither old nor new names may be empty"));
        }
        let handle = self.shared.containers.find(id)?;
        let view = handle.view();
        let new = name.strip_prefix('/').unwrap_or(name);
        if view.name() == new {
            return Err(Error::invalid("Renaming a container with the same name as its current name"));
        }
        let allocating = |error: Error| error.within("Error when allocating new name");
        check_name(new, &format!("/{new}")).map_err(allocating)?;
        let containers = &self.shared.containers;
        containers.reserve(new, view.id()).map_err(|error| allocating(error.into()))?;
        let renamed = handle.ask(|reply| Request::Rename { name: new.to_owned(), reply }).await;
        let obsolete = if renamed.is_ok() { view.name() } else { new };
        containers.release(obsolete, view.id());
        renamed
    }
}
