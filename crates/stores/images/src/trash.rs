//! Deleting without waiting: a folder is renamed aside at once and emptied in the background.
//!
//! What a crash leaves in the trash is emptied at the next start.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::StoreError;

/// The folder of what is no longer content. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Trash {
    folder: Arc<Path>,
    work: Arc<Mutex<Work>>,
}

#[derive(Default)]
struct Work {
    waiting: Vec<PathBuf>,
    is_running: bool,
}

impl Trash {
    /// Opens the folder, and empties what an earlier life left in it.
    pub(crate) fn open(folder: &Path) -> Result<Trash, StoreError> {
        std::fs::create_dir_all(folder).map_err(StoreError::io("create", folder))?;
        let trash = Trash { folder: folder.into(), work: Arc::default() };
        let left = std::fs::read_dir(folder).map_err(StoreError::io("read", folder))?;
        trash.delete(left.flatten().map(|entry| entry.path()).collect());
        Ok(trash)
    }

    /// Takes `path` out of sight; nothing there is no error.
    pub(crate) fn discard(&self, path: &Path) -> Result<(), StoreError> {
        let aside = self.folder.join(crate::store::unique_name());
        match std::fs::rename(path, &aside) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(StoreError::io("remove", path)(error)),
            Ok(()) => {
                self.delete(vec![aside]);
                Ok(())
            }
        }
    }

    fn delete(&self, paths: Vec<PathBuf>) {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.waiting.extend(paths);
        if work.is_running || work.waiting.is_empty() {
            return;
        }
        let shared = Arc::clone(&self.work);
        // Without a thread the files stay until the next start; that is no reason to fail the caller.
        work.is_running = std::thread::Builder::new()
            .name("trash".to_owned())
            .stack_size(256 * 1024)
            .spawn(move || empty(&shared))
            .is_ok();
    }
}

fn empty(work: &Mutex<Work>) {
    loop {
        let next = {
            let mut work = work.lock().unwrap_or_else(PoisonError::into_inner);
            let next = work.waiting.pop();
            work.is_running = next.is_some();
            next
        };
        let Some(path) = next else { return };
        let result = match path.is_dir() && !path.is_symlink() {
            true => std::fs::remove_dir_all(&path),
            false => std::fs::remove_file(&path),
        };
        if let Err(error) = result {
            tracing::warn!(path = %path.display(), %error, "cannot empty the trash; the next start tries again");
        }
    }
}
