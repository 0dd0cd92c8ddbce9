//! Hears of the kernel's killing for lack of memory when it happens, not only at the container's end.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use cgroup::{Group, Version};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::inotify;

/// A descriptor that becomes readable when memory has run out in a group.
#[derive(Debug)]
pub(crate) struct OomWatch(OwnedFd);

impl OomWatch {
    /// Watches a group; `None` on a host that cannot tell.
    pub(crate) fn on(group: &Group) -> Option<Self> {
        let view = match group.version() {
            Version::V1 => {
                group.views().iter().find(|view| view.controllers.iter().any(|name| name == "memory"))
            }
            Version::V2 => group.views().first(),
        };
        let folder = &view?.folder;
        let watch = match group.version() {
            Version::V1 => by_eventfd(folder),
            Version::V2 => by_inotify(folder),
        };
        watch.ok().map(Self)
    }

    /// Forgets what has been heard.
    pub(crate) fn clear(&self) {
        let mut space = [0; 4096];
        while rustix::io::read(&self.0, &mut space).is_ok_and(|length| length > 0) {}
    }
}

impl AsFd for OomWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// cgroup v1: `memory.oom_control` tells an eventfd, before the killing (Documentation/admin-guide/cgroup-v1/memory.rst).
fn by_eventfd(folder: &Path) -> io::Result<OwnedFd> {
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let control = File::open(folder.join("memory.oom_control"))?;
    let wish = format!("{} {}", event.as_raw_fd(), control.as_raw_fd());
    OpenOptions::new().write(true).open(folder.join("cgroup.event_control"))?.write_all(wish.as_bytes())?;
    Ok(event)
}

/// cgroup v2: `memory.events` changes, after the killing.
fn by_inotify(folder: &Path) -> io::Result<OwnedFd> {
    let inotify = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    inotify::add_watch(&inotify, folder.join("memory.events"), inotify::WatchFlags::MODIFY)?;
    Ok(inotify)
}
