//! The process a scope is born with: it does nothing until the container's own process is in the group.

use std::os::fd::AsFd;

use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use sys::process::{Birth, Child, clone_process};

use crate::error::CgroupError;

/// A child of ours that waits to be killed, and is when it goes out of scope.
#[derive(Debug)]
pub(crate) struct Keeper(Child);

impl Keeper {
    pub(super) fn start() -> Result<Self, CgroupError> {
        let parent = rustix::process::getpid();
        let child = clone_process(Birth::default(), || {
            // It must neither outlive us nor hold our pipes open.
            let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
            if sys::process::close_from(0).is_err() || rustix::process::getppid() != Some(parent) {
                return 1;
            }
            loop {
                rustix::event::pause();
            }
        });
        child.map(Self).map_err(|errno| CgroupError::Unsupported(format!("cannot start a process: {errno}")))
    }

    pub(super) fn pid(&self) -> u32 {
        self.0.pid
    }

    /// Ends the process; again is fine.
    pub(crate) fn end(&self) {
        let _ = pidfd_send_signal(&self.0.pidfd, Signal::KILL);
        let _ = waitid(WaitId::PidFd(self.0.pidfd.as_fd()), WaitIdOptions::EXITED);
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_keeper_holds_nothing_open_and_ends() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let keeper = Keeper::start().unwrap();
        let pid = keeper.pid();
        drop(writer);
        // The end of the pipe comes although the keeper was born with a copy of the writer.
        assert_eq!(rustix::io::read(&reader, &mut [0; 1]), Ok(0));
        assert!(std::fs::exists(format!("/proc/{pid}")).unwrap());
        keeper.end();
        assert!(!std::fs::exists(format!("/proc/{pid}")).unwrap());
    }
}
