//! Stopping all tasks of a group, and letting them go on.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Group, find_number};
use crate::error::CgroupError;
use crate::layout::Version;
use crate::plan::Write;

/// How long a freeze may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether the tasks of a group may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreezeState {
    /// They may.
    Thawed,
    /// Some still do.
    Freezing,
    /// None does.
    Frozen,
}

impl Group {
    /// Stops every task of the group; returns when all are stopped.
    ///
    /// # Errors
    /// When the host has no freezer or it does not settle in time; the tasks then go on.
    pub fn freeze(&self) -> Result<(), CgroupError> {
        self.set_frozen(true)?;
        let settled = match self.version {
            Version::V1 => self.settle_by_asking(),
            Version::V2 => self.settle_by_events(),
        };
        if settled.is_err() {
            // Half frozen is worse than not.
            let _ = self.thaw();
        }
        settled
    }

    /// v1 misses tasks that are forked meanwhile: it is asked again, and now and then let go, until all have stopped.
    fn settle_by_asking(&self) -> Result<(), CgroupError> {
        let deadline = Instant::now() + PATIENCE;
        let mut attempts = 0u32;
        while self.freeze_state() != Some(FreezeState::Frozen) {
            if Instant::now() > deadline {
                return Err(self.stuck());
            }
            attempts += 1;
            if attempts.is_multiple_of(50) {
                self.set_frozen(false)?;
                std::thread::sleep(Duration::from_millis(10));
            } else if attempts > 5 {
                std::thread::sleep(Duration::from_micros(100));
            }
            self.set_frozen(true)?;
        }
        Ok(())
    }

    /// v2 tells when all have stopped.
    fn settle_by_events(&self) -> Result<(), CgroupError> {
        let path = self.folder("").unwrap_or(Path::new("")).join("cgroup.events");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut events = File::open(&path).map_err(CgroupError::file("read", &path))?;
            let mut text = String::new();
            events.read_to_string(&mut text).map_err(CgroupError::file("read", &path))?;
            if find_number(&text, "frozen") == Some(1) {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(left) = Timespec::try_from(left).ok().filter(|_| !left.is_zero()) else {
                return Err(self.stuck());
            };
            let _ = poll(&mut [PollFd::from_borrowed_fd(events.as_fd(), PollFlags::PRI)], Some(&left));
        }
    }

    fn stuck(&self) -> CgroupError {
        CgroupError::Freeze(self.folder("freezer").unwrap_or(Path::new("")).to_owned())
    }

    /// Lets the tasks go on.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn thaw(&self) -> Result<(), CgroupError> {
        self.set_frozen(false)
    }

    /// Whether all tasks are stopped.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.freeze_state() == Some(FreezeState::Frozen)
    }

    /// Whether the tasks may run; absent where the host has no freezer, or the group is not there. A group that is
    /// frozen only because one above it is counts as thawed.
    #[must_use]
    pub fn freeze_state(&self) -> Option<FreezeState> {
        match self.version {
            Version::V1 => {
                let is_own =
                    || self.read("freezer", "freezer.self_freezing").is_none_or(|own| own.trim() != "0");
                match self.read("freezer", "freezer.state")?.trim() {
                    "FROZEN" if is_own() => Some(FreezeState::Frozen),
                    "FREEZING" if is_own() => Some(FreezeState::Freezing),
                    _ => Some(FreezeState::Thawed),
                }
            }
            Version::V2 => {
                if self.read("", "cgroup.freeze")?.trim() == "0" {
                    return Some(FreezeState::Thawed);
                }
                match find_number(&self.read("", "cgroup.events")?, "frozen") {
                    Some(1) => Some(FreezeState::Frozen),
                    _ => Some(FreezeState::Freezing),
                }
            }
        }
    }

    fn set_frozen(&self, frozen: bool) -> Result<(), CgroupError> {
        let (file, value) = match (self.version, frozen) {
            (Version::V1, true) => ("freezer.state", "FROZEN"),
            (Version::V1, false) => ("freezer.state", "THAWED"),
            (Version::V2, true) => ("cgroup.freeze", "1"),
            (Version::V2, false) => ("cgroup.freeze", "0"),
        };
        let folder = self
            .folder("freezer")
            .ok_or_else(|| CgroupError::Unsupported("this host has no freezer cgroup".to_owned()))?;
        super::limits::write_all(self.version, folder, &[Write::new(file, value)])
    }
}
