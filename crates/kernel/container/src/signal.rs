//! Signals to a container.

use std::os::fd::AsFd;

use rustix::io::Errno;

use crate::error::ContainerError;
use crate::home::Container;

/// SIGKILL.
const KILL: i32 = 9;

impl Container {
    /// Sends a signal to its first process. SIGKILL goes to all processes where they do not end with the first, and
    /// reaches frozen ones.
    ///
    /// # Errors
    /// [`ContainerError::NotRunning`].
    pub fn signal(&self, signal: i32) -> Result<(), ContainerError> {
        if signal == KILL && !self.record.has_own_pid_namespace {
            let group = self.group()?;
            let is_there = group.views().iter().any(|view| view.folder.exists());
            if !is_there && self.process().is_none() {
                return Err(ContainerError::NotRunning);
            }
            group.kill_all()?;
            // One that is being created may not be in its group yet.
            if let Some(process) = self.process() {
                let _ = sys::process::signal_pidfd(process.as_fd(), KILL);
            }
            return Ok(());
        }
        let process = self.process().ok_or(ContainerError::NotRunning)?;
        match sys::process::signal_pidfd(process.as_fd(), signal) {
            Ok(()) => {}
            Err(Errno::SRCH) => return Err(ContainerError::NotRunning),
            Err(errno) => return Err(ContainerError::Refused(format!("unable to signal init: {errno}"))),
        }
        if signal == KILL {
            let group = self.group()?;
            if group.version() == cgroup::Version::V1 && group.is_frozen() {
                group.thaw()?;
            }
        }
        Ok(())
    }
}
