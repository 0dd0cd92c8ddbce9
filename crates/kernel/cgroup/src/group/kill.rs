//! Signals to everything in a group.

use std::fs;
use std::path::Path;

use super::Group;
use crate::error::CgroupError;

const SIGKILL: i32 = 9;

impl Group {
    /// Kills every process in the group and below. They may still be there for a moment.
    ///
    /// # Errors
    /// When processes cannot be listed.
    pub fn kill_all(&self) -> Result<(), CgroupError> {
        self.signal_all(SIGKILL)
    }

    /// Sends a signal to every process in the group and below.
    ///
    /// # Errors
    /// When processes cannot be listed.
    pub fn signal_all(&self, signal: i32) -> Result<(), CgroupError> {
        // Linux 5.14: one write, which no fork escapes, and which needs no thawing.
        if signal == SIGKILL && self.unified_folder().is_some_and(|folder| kill_by_file(folder).is_ok()) {
            return Ok(());
        }
        // Frozen processes cannot fork away from the list.
        let was_frozen = self.is_frozen();
        let is_frozen = self.freeze().is_ok();
        let pids = self.pids();
        for pid in pids.iter().flatten() {
            let _ = sys::process::signal_pid(*pid, signal);
        }
        // A frozen process of v1 dies only when it is thawed.
        if is_frozen && (!was_frozen || signal == SIGKILL) {
            self.thaw()?;
        }
        pids.map(drop)
    }
}

fn kill_by_file(folder: &Path) -> std::io::Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .open(folder.join("cgroup.kill"))
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"1"))
}
