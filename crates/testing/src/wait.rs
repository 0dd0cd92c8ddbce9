//! Waiting for something to happen, always with a deadline.
//!
//! Where the kernel tells (a process ends, a file appears, bytes arrive) the functions here sleep on that
//! news. [`until`] is for facts that nobody announces; it looks again every few milliseconds, and it is the
//! only such loop in the tests.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// How long a test waits for something that should take milliseconds.
pub const PATIENCE: Duration = Duration::from_secs(30);

const LOOK_AGAIN: Duration = Duration::from_millis(5);

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}

/// Waits until `descriptor` is readable or `limit` has passed; says whether it is readable.
pub fn readable(descriptor: impl AsFd, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut set = [PollFd::new(&descriptor, PollFlags::IN)];
        match poll(&mut set, Some(&timespec(left))) {
            Ok(ready) => return ready > 0,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("poll(2): {error}"),
        }
    }
}

/// Waits until the process has ended; says whether it did within `limit`. A process that is gone has ended.
pub fn exited(pid: u32, limit: Duration) -> bool {
    match open_pidfd(pid) {
        Some(pidfd) => readable(pidfd, limit),
        None => true,
    }
}

/// A descriptor of the process, or nothing when it is gone.
pub fn open_pidfd(pid: u32) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// Waits until `path` exists; says whether it does. Its folder must exist already.
pub fn appears(path: &Path, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    let news = inotify::init(inotify::CreateFlags::CLOEXEC).expect("inotify is available");
    let folder = path.parent().expect("a path in a folder");
    let interest = inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO;
    inotify::add_watch(&news, folder, interest).expect("the folder exists");
    let mut news = File::from(news);
    while !path.exists() {
        let left = deadline.saturating_duration_since(Instant::now());
        if !readable(&news, left) {
            return path.exists();
        }
        let mut buffer = [0_u8; 4096];
        std::io::Read::read(&mut news, &mut buffer).expect("inotify gives whole records");
    }
    true
}

/// Looks at `fact` until it holds or `limit` has passed; says whether it held.
pub fn until(limit: Duration, mut fact: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if fact() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        let _ = poll(&mut [], Some(&timespec(LOOK_AGAIN)));
    }
}

/// Waits with [`PATIENCE`] until `fact` holds, and fails the test with `what` when it never does.
#[track_caller]
pub fn eventually(what: &str, fact: impl FnMut() -> bool) {
    assert!(until(PATIENCE, fact), "not within {PATIENCE:?}: {what}");
}
