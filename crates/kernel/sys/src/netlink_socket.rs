//! What netlink sockets and network namespaces need beyond rustix.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Asks the kernel to explain refusals in words and not to echo whole requests back.
/// `NETLINK_EXT_ACK` and `NETLINK_CAP_ACK`, Linux 4.12.
pub fn explain_refusals(socket: BorrowedFd<'_>) -> io::Result<()> {
    for option in [libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK] {
        let on: libc::c_int = 1;
        // SAFETY: `on` is a live int of the given size; the kernel only reads it.
        let answer = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_NETLINK,
                option,
                (&raw const on).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
        if answer != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Moves the calling thread into a network namespace of its own. `unshare(2)`, `CLONE_NEWNET`.
pub fn unshare_network() -> io::Result<()> {
    // SAFETY: CLONE_NEWNET changes nothing but the thread's network namespace; no memory or descriptor is shared differently.
    let answer = unsafe { libc::unshare(libc::CLONE_NEWNET) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
