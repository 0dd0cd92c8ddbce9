//! What a vanished supervisor leaves: processes that nobody holds, in a control group that nobody removes.
//!
//! They end before the container counts as ended. Otherwise a restart would put a second copy onto the same files.

use std::path::Path;

use cgroup::{Group, Layout};

/// Kills what is in the group at `path` and removes it; one that is not there is fine. Blocking.
pub(crate) fn end(layout: &Layout, path: &str, id: &str) {
    let ended = Group::at(layout, Path::new(path)).and_then(|group| {
        if !group.exists() {
            return Ok(());
        }
        group.kill_all()?;
        group.remove()
    });
    if let Err(error) = ended {
        tracing::warn!(container = id, %error, "a control group stays");
    }
}
