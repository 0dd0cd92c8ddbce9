//! Removing a group with everything below.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Group, children, is_gone};
use crate::error::CgroupError;
use crate::systemd;

/// How long the rest of dying processes is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

impl Group {
    /// Removes the group and its children; one that does not exist is fine. The rest of dying processes is waited for.
    ///
    /// # Errors
    /// What stays busy.
    pub fn remove(&self) -> Result<(), CgroupError> {
        if let Some(keeper) = &self.keeper {
            keeper.end();
        }
        // Folders that systemd does not manage remain in any case.
        let mut result = self.unit.as_deref().map_or(Ok(()), systemd::stop);
        let deadline = Instant::now() + PATIENCE;
        for view in &self.views {
            if let Err(cause) = remove_folder(&view.folder, deadline) {
                result = Err(CgroupError::file("remove", &view.folder)(cause));
            }
        }
        result
    }
}

fn remove_folder(folder: &Path, deadline: Instant) -> io::Result<()> {
    let mut pause = Duration::from_micros(200);
    loop {
        match fs::remove_dir(folder) {
            Err(cause) if is_gone(&cause) => return Ok(()),
            Err(cause) if cause.kind() == io::ErrorKind::ResourceBusy && Instant::now() < deadline => {
                for child in children(folder) {
                    remove_folder(&child, deadline)?;
                }
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(20));
            }
            other => return other,
        }
    }
}
