//! Descriptors that a process was started with, by their number: how init systems pass listening sockets.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Gives an own, close-on-exec copy of descriptor `number`, and keeps programs started later from inheriting the
/// original.
///
/// # Errors
/// There is no such descriptor.
pub fn take(number: u32) -> io::Result<OwnedFd> {
    let raw = i32::try_from(number).map_err(|_| io::Error::from(rustix::io::Errno::BADF))?;
    // SAFETY: asks the kernel for the flags of a number; a number without a descriptor is an error, not a fault.
    if unsafe { libc::fcntl(raw, libc::F_GETFD) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor exists, and is borrowed only for the two calls below.
    let inherited = unsafe { BorrowedFd::borrow_raw(raw) };
    rustix::io::fcntl_setfd(inherited, rustix::io::FdFlags::CLOEXEC)?;
    Ok(rustix::io::fcntl_dupfd_cloexec(inherited, 3)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_descriptor_is_copied_and_a_missing_one_refused() {
        let mine = std::fs::File::open("/dev/null").unwrap();
        let number = u32::try_from(mine.as_raw_fd()).unwrap();
        assert_ne!(take(number).unwrap().as_raw_fd(), mine.as_raw_fd());
        assert!(take(100_000).is_err());
    }
}
