//! Notices that a log has grown or was rotated. `inotify(7)` on its folder, so that one watch sees both.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::inotify;

/// A watch on the folder of a log.
#[derive(Debug)]
pub(crate) struct Watch {
    inotify: OwnedFd,
}

impl Watch {
    pub(crate) fn on_folder_of(path: &Path) -> io::Result<Self> {
        let inotify = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let events = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVE;
        inotify::add_watch(&inotify, folder, events)?;
        Ok(Self { inotify })
    }

    /// Forgets what has been noticed; whatever happens from now on makes the descriptor readable again.
    pub(crate) fn clear(&mut self) {
        let mut space = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.inotify, &mut space);
        while reader.next().is_ok() {}
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}
