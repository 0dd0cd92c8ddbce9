//! Visiting another network namespace.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The network namespace of the calling thread.
pub fn current() -> io::Result<OwnedFd> {
    Ok(rustix::fs::open("/proc/thread-self/ns/net", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Runs `work` with the calling thread inside `target`, and returns to where it was.
///
/// What `work` opens (sockets, files below `/proc/sys/net`) belongs to `target` and stays valid afterwards.
/// Only the calling thread moves; in a program with threads, use one made for this.
///
/// # Panics
/// If the thread cannot return: going on in a foreign namespace would be worse.
pub fn visit<T>(target: BorrowedFd<'_>, work: impl FnOnce() -> T) -> io::Result<T> {
    let home = current()?;
    move_into_link_name_space(target, Some(LinkNameSpaceType::Network))?;
    let result = work();
    move_into_link_name_space(home.as_fd(), Some(LinkNameSpaceType::Network))
        .expect("a thread can return to the network namespace that it holds open");
    Ok(result)
}
