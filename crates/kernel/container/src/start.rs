//! Starting, pausing, resuming and limiting what another process created.

use std::fs;
use std::os::fd::AsFd;

use oci_spec::runtime::{Resources, State};
use runtime::hooks::HookKind;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::error::ContainerError;
use crate::home::Container;
use crate::record::GATE;
use crate::status::Status;

/// How long a program may take to begin.
const LIMIT: Timespec = Timespec { tv_sec: 45, tv_nsec: 0 };

impl Container {
    /// Opens the gate, and returns when the program has begun. Of two that try, one succeeds.
    ///
    /// # Errors
    /// When it was started before, or has ended.
    pub fn start(&self) -> Result<(), ContainerError> {
        let (_lock, container) = self.lock()?;
        match container.status()? {
            Status::Created => {}
            Status::Stopped => {
                return Err(ContainerError::Status("cannot start a container that has stopped"));
            }
            Status::Running => {
                return Err(ContainerError::Status("cannot start an already running container"));
            }
            other => return Err(ContainerError::NotStartable(other)),
        }
        let dead = || ContainerError::Status("container process is already dead");
        let gate = container.open_gate().ok_or_else(dead)?;
        rustix::io::write(&gate, b"0").map_err(|_| dead())?;
        // The only reader closes its end by exec, or by its own end.
        let mut watched = [PollFd::new(&gate, PollFlags::empty())];
        loop {
            match poll(&mut watched, Some(&LIMIT)) {
                Err(Errno::INTR) => {}
                Ok(0) => return Err(ContainerError::Status("container process did not begin")),
                _ => break,
            }
        }
        let path = container.folder.join(GATE);
        fs::remove_file(&path).map_err(ContainerError::file("remove", path))?;
        container.after_start()
    }

    /// Runs the document's poststart hooks. One that fails is the container's end.
    pub(crate) fn after_start(&self) -> Result<(), ContainerError> {
        let ran = self.run_hooks(
            HookKind::Poststart,
            &self.record.state("running", Some(self.record.init_process_pid)),
        );
        if ran.is_err() {
            let _ = self.signal(9);
        }
        ran
    }

    pub(crate) fn run_hooks(&self, kind: HookKind, state: &State) -> Result<(), ContainerError> {
        if !self.record.has_late_hooks {
            return Ok(());
        }
        let hooks = self.document()?.hooks.unwrap_or_default();
        runtime::hooks::run(&hooks, kind, state).map_err(|error| ContainerError::Refused(error.to_string()))
    }

    /// Stops all its processes.
    ///
    /// # Errors
    /// [`ContainerError::NotRunning`]; when the freezer does not settle.
    pub fn pause(&self) -> Result<(), ContainerError> {
        let (_lock, container) = self.lock()?;
        match container.status()? {
            Status::Running | Status::Created => Ok(container.group()?.freeze()?),
            _ => Err(ContainerError::NotRunning),
        }
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// [`ContainerError::NotPaused`].
    pub fn resume(&self) -> Result<(), ContainerError> {
        let (_lock, container) = self.lock()?;
        match container.status()? {
            Status::Paused => Ok(container.group()?.thaw()?),
            _ => Err(ContainerError::NotPaused),
        }
    }

    /// Changes limits; those that `resources` leaves out stay.
    ///
    /// # Errors
    /// [`ContainerError::NotRunning`]; what the group refuses.
    pub fn update(&self, resources: &Resources) -> Result<(), ContainerError> {
        let (_lock, container) = self.lock()?;
        match container.status()? {
            Status::Stopped | Status::Creating => Err(ContainerError::NotRunning),
            _ => Ok(container.group()?.update(resources)?),
        }
    }

    /// Waits until its first process has ended, but not longer than `limit`. False when it lives on.
    pub(crate) fn wait_for_end(&self, limit: Timespec) -> bool {
        let Some(process) = self.process() else { return true };
        let mut watched = [PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN)];
        loop {
            match poll(&mut watched, Some(&limit)) {
                Err(Errno::INTR) => {}
                Ok(0) => return false,
                _ => return true,
            }
        }
    }
}
