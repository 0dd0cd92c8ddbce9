//! Hearing of a lack of memory when it happens.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::inotify;

use crate::error::CgroupError;
use crate::group::{Group, find_number};
use crate::layout::Version;

/// A descriptor that becomes readable when memory has run out in a group, or the group has gone.
#[derive(Debug)]
pub struct OomWatch {
    event: OwnedFd,
    version: Version,
    folder: PathBuf,
    kills: u64,
}

/// What a watch has heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Nothing of interest.
    Nothing,
    /// Memory ran out.
    OutOfMemory,
    /// The group is no longer there; nothing will follow.
    Gone,
}

/// How short memory is when a watch of pressure tells (v1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PressureLevel {
    /// The kernel reclaims memory.
    Low,
    /// It swaps, or writes active pages back.
    Medium,
    /// It is about to kill.
    Critical,
}

impl Group {
    /// Watches for memory running out.
    ///
    /// # Errors
    /// On a host that cannot tell, or when the group is not there.
    pub fn oom_watch(&self) -> Result<OomWatch, CgroupError> {
        let folder = self.memory_folder()?;
        let (event, kills) = match self.version() {
            Version::V1 => (by_eventfd(folder, "memory.oom_control", ""), 0),
            Version::V2 => (by_inotify(folder), self.oom_kills().unwrap_or_default()),
        };
        Ok(OomWatch {
            event: event.map_err(CgroupError::file("watch", folder))?,
            version: self.version(),
            folder: folder.to_owned(),
            kills,
        })
    }

    /// A descriptor that becomes readable when memory is short: an eventfd on v1; on v2 one to be polled for
    /// `POLLPRI`, when tasks lost 0.15 seconds of the last one to waiting, at any level.
    ///
    /// # Errors
    /// On a host that cannot tell, or when the group is not there.
    pub fn memory_pressure_watch(&self, level: PressureLevel) -> Result<OwnedFd, CgroupError> {
        let folder = self.memory_folder()?;
        let level = match level {
            PressureLevel::Low => "low",
            PressureLevel::Medium => "medium",
            PressureLevel::Critical => "critical",
        };
        let event = match self.version() {
            Version::V1 => by_eventfd(folder, "memory.pressure_level", level),
            Version::V2 => by_trigger(folder),
        };
        event.map_err(CgroupError::file("watch", folder))
    }

    fn memory_folder(&self) -> Result<&Path, CgroupError> {
        self.folder("memory")
            .ok_or_else(|| CgroupError::Unsupported("this host has no memory cgroup".to_owned()))
    }
}

impl OomWatch {
    /// Takes what has been heard since the last time. Never waits.
    pub fn hear(&mut self) -> Heard {
        let mut space = [0; 4096];
        let mut is_told = false;
        while rustix::io::read(&self.event, &mut space).is_ok_and(|length| length > 0) {
            is_told = true;
        }
        if !self.folder.exists() {
            return Heard::Gone;
        }
        match self.version {
            Version::V1 if is_told => Heard::OutOfMemory,
            Version::V1 => Heard::Nothing,
            Version::V2 => {
                let events = std::fs::read_to_string(self.folder.join("memory.events")).unwrap_or_default();
                let kills = find_number(&events, "oom_kill").unwrap_or(self.kills);
                let has_grown = kills > self.kills;
                self.kills = kills;
                if has_grown { Heard::OutOfMemory } else { Heard::Nothing }
            }
        }
    }
}

impl AsFd for OomWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

/// v1: the file tells an eventfd (Documentation/admin-guide/cgroup-v1/memory.rst); so does the group's removal.
fn by_eventfd(folder: &Path, file: &str, argument: &str) -> io::Result<OwnedFd> {
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let control = File::open(folder.join(file))?;
    let wish = format!("{} {} {argument}", event.as_raw_fd(), control.as_raw_fd());
    OpenOptions::new()
        .write(true)
        .open(folder.join("cgroup.event_control"))?
        .write_all(wish.trim_end().as_bytes())?;
    Ok(event)
}

/// v2: `memory.events` changes after the killing, and `cgroup.events` when the last process has gone.
fn by_inotify(folder: &Path) -> io::Result<OwnedFd> {
    let inotify = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    inotify::add_watch(&inotify, folder.join("memory.events"), inotify::WatchFlags::MODIFY)?;
    inotify::add_watch(&inotify, folder.join("cgroup.events"), inotify::WatchFlags::MODIFY)?;
    Ok(inotify)
}

/// v2: pressure stall information tells by itself (Documentation/accounting/psi.rst).
fn by_trigger(folder: &Path) -> io::Result<OwnedFd> {
    let mut pressure = OpenOptions::new().read(true).write(true).open(folder.join("memory.pressure"))?;
    pressure.write_all(b"some 150000 1000000\0")?;
    Ok(pressure.into())
}
