//! Pseudo-terminals of a given devpts instance.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// Both sides of a pseudo-terminal.
#[derive(Debug)]
pub struct Pair {
    /// The side of whoever looks at the terminal.
    pub master: OwnedFd,
    /// The side of the programs.
    pub slave: OwnedFd,
}

/// Opens a new pseudo-terminal of the devpts instance whose root `devpts` is.
///
/// The slave is opened through its master (`TIOCGPTPEER`, Linux 4.13), never by its name.
///
/// # Errors
/// ENOSPC when the instance has no more, ENOENT when `devpts` is something else.
pub fn open(devpts: BorrowedFd<'_>) -> Result<Pair, Errno> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let master = openat(devpts, c"ptmx", flags, Mode::empty())?;
    unlockpt(&master)?;
    let slave = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    Ok(Pair { master, slave })
}

/// Sets the size in characters; the foreground process group gets SIGWINCH.
///
/// # Errors
/// ENOTTY.
pub fn set_size(terminal: BorrowedFd<'_>, rows: u16, columns: u16) -> Result<(), Errno> {
    tcsetwinsize(terminal, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 })
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use rustix::fs::CWD;
    use rustix::termios::tcgetwinsize;

    use super::*;

    #[test]
    fn what_is_written_to_the_slave_is_read_from_the_master() {
        let devpts = openat(CWD, c"/dev/pts", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let pair = open(devpts.as_fd()).unwrap();
        set_size(pair.master.as_fd(), 40, 120).unwrap();
        let size = tcgetwinsize(&pair.slave).unwrap();
        assert_eq!((size.ws_row, size.ws_col), (40, 120));
        rustix::io::write(&pair.slave, b"hi").unwrap();
        let mut buffer = [0; 8];
        assert_eq!(rustix::io::read(&pair.master, &mut buffer), Ok(2));
    }
}
