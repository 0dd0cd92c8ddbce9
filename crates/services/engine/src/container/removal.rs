//! Taking a container away: record first, then folders aside, then, off the answer's path, what is in them. Blocking.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use db::Batch;
use engine_api::StringMap;

use super::intent::{CONTAINERS, Intent, LIVES};
use crate::engine::Shared;
use crate::error::Error;
use crate::events::Subject;
use crate::fault;

/// One removal.
pub(super) struct Job {
    pub(super) shared: Arc<Shared>,
    pub(super) intent: Arc<Intent>,
    /// Records that go with the commit.
    pub(super) unsaved: Batch,
    /// Also anonymous volumes.
    pub(super) with_volumes: bool,
}

impl Job {
    /// Everything that a new container of this name could trip over is gone when this returns.
    pub(super) fn run(mut self) -> Result<(), Error> {
        let id = self.intent.id.clone();
        fault::point("remove.begun")?;
        let batch = std::mem::take(&mut self.unsaved).delete(CONTAINERS, &id).delete(LIVES, &id);
        let recorded = self.shared.db.commit(batch);
        recorded.map_err(|error| Error::from_cause("cannot record the removal", &error))?;
        fault::point("remove.recorded")?;
        self.shared.execs.forget_container(&id);
        sweep(&self.shared, &id);
        fault::point("remove.swept")?;
        if self.with_volumes {
            self.remove_volumes();
        }
        Ok(())
    }

    fn remove_volumes(&self) {
        for volume in self.intent.volumes().filter(|volume| volume.anonymous) {
            if !self.shared.volume_users(&volume.name, Some(&self.intent.id)).is_empty() {
                continue;
            }
            match self.shared.volumes.remove(&volume.name) {
                Ok(()) => {
                    let attributes = StringMap::from([("driver".to_owned(), volume.driver.clone())]);
                    self.shared.events.publish(Subject::Volume, "destroy", volume.name.as_str(), attributes);
                }
                Err(error) => tracing::warn!(volume = volume.name, %error, "an anonymous volume stays"),
            }
        }
    }
}

/// Moves the folders of a container that has no record aside and lets a thread empty them. What cannot be moved
/// is swept when the daemon starts next.
pub(crate) fn sweep(shared: &Shared, id: &str) {
    if let Err(error) = shared.images.remove_snapshot(id) {
        tracing::warn!(container = id, %error, "the container's layer stays until the next start");
    }
    let folder = shared.container_folder(id);
    let aside = shared.trash().join(format!("container-{id}"));
    if let Err(error) = move_aside(&folder, &aside) {
        tracing::warn!(container = id, %error, "the container's folder stays until the next start");
    }
    let exec_folder = shared.exec_folder(id);
    shared.clean_up(move || {
        for folder in [&aside, &exec_folder] {
            match fs::remove_dir_all(folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(folder = %folder.display(), %error, "cannot remove");
                }
                _ => {}
            }
        }
    });
}

fn move_aside(folder: &Path, aside: &Path) -> io::Result<()> {
    match fs::rename(folder, aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
