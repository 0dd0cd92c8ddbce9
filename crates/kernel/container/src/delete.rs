//! Deleting: whatever is left of a container.

use std::fs;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use runtime::hooks::HookKind;
use rustix::event::Timespec;
use rustix::process::{WaitId, WaitIdOptions, waitid};

use crate::error::ContainerError;
use crate::home::{Container, Home, Lock};
use crate::status::Status;

/// How long a creator may take to let go of a container whose process was killed.
const LOCK_LIMIT: Duration = Duration::from_secs(2);

/// How long a killed process may take to end.
const DEATH_LIMIT: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

impl Home {
    /// Deletes a container: one that has stopped or was never started, with `force` any. With `force`, one that is not
    /// there is fine.
    ///
    /// # Errors
    /// [`ContainerError::InUse`], [`ContainerError::Missing`]; what could not be removed.
    pub fn delete(&self, name: &str, force: bool) -> Result<(), ContainerError> {
        match self.find(name) {
            Ok(container) => match container.delete(force) {
                Err(ContainerError::Missing) if force => Ok(()),
                other => other,
            },
            Err(ContainerError::Missing) => {
                // A creator that died early leaves a folder without a record.
                self.sweep(name)?;
                if force { Ok(()) } else { Err(ContainerError::Missing) }
            }
            Err(other) => Err(other),
        }
    }

    fn sweep(&self, name: &str) -> Result<(), ContainerError> {
        let folder = self.place(name)?;
        let _lock = match Lock::take(&folder) {
            Err(ContainerError::Missing) => return Ok(()),
            other => other?,
        };
        match self.find(name) {
            // A creator was at work, and still is welcome to its name.
            Ok(_) => Ok(()),
            Err(_) => remove(&folder),
        }
    }
}

impl Container {
    /// Removes its group, its folder and, with `force` or where it was never started, its processes.
    ///
    /// # Errors
    /// [`ContainerError::InUse`]; what could not be removed.
    pub fn delete(&self, force: bool) -> Result<(), ContainerError> {
        if !force {
            let (_lock, container) = self.lock()?;
            return container.remove_all(false);
        }
        // A creator that is at work fails when its child is killed, and lets go; but it may hang in a hook.
        let _ = self.signal(9);
        let (_lock, container) = self.lock_or_not(LOCK_LIMIT)?;
        container.remove_all(true)
    }

    fn remove_all(&self, force: bool) -> Result<(), ContainerError> {
        // The lock is ours, so that no creator is at work, or it hangs.
        let is_half_made = !self.record.is_ready;
        let status = match is_half_made {
            true if self.process().is_none() => Status::Stopped,
            true => Status::Created,
            false => self.status()?,
        };
        match status {
            _ if force => {}
            Status::Stopped | Status::Created => {}
            status => return Err(ContainerError::InUse { id: self.record.id.clone(), status }),
        }
        if status != Status::Stopped {
            let _ = self.signal(9);
            if !self.wait_for_end(DEATH_LIMIT) {
                return Err(ContainerError::StillRunning);
            }
        }
        let group = self.group()?;
        let may_have_others = is_half_made || !self.record.has_own_pid_namespace;
        if may_have_others && group.pids().is_ok_and(|pids| !pids.is_empty()) {
            let _ = group.kill_all();
        }
        group.remove()?;
        // Their document goes with the folder; what they do may fail without keeping that.
        let state = self.record.state("stopped", None);
        let hooks = self.run_hooks(HookKind::Poststop, &state);
        remove(&self.folder)?;
        hooks
    }
}

fn remove(folder: &std::path::Path) -> Result<(), ContainerError> {
    match fs::remove_dir_all(folder) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            Err(ContainerError::file("remove", folder)(cause))
        }
        _ => Ok(()),
    }
}

/// Waits for a killed child of ours.
pub(crate) fn reap(pidfd: BorrowedFd<'_>) {
    let _ = waitid(WaitId::PidFd(pidfd), WaitIdOptions::EXITED);
}
