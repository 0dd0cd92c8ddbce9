//! The terminal: made in the container's own devpts, its master handed to the parent.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use mount::path::{self, Links};
use rustix::fs::{FileType, OFlags, fstat, fstatfs, major, minor};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, OutputModes, tcgetattr, tcsetattr};

use crate::process::{LineEnds, WindowSize};
use crate::report::{Failure, Message, Step};

/// `DEVPTS_SUPER_MAGIC` (linux/magic.h).
const DEVPTS: i64 = 0x1cd1;

/// Opens a terminal in `/dev/pts` of `root`, sends its master away, gives its slave.
///
/// The folder may be hostile: it has to be a devpts file system, and `ptmx` in it the real one.
pub(super) fn open(
    root: BorrowedFd<'_>,
    size: Option<WindowSize>,
    line_ends: LineEnds,
    socket: BorrowedFd<'_>,
) -> Result<OwnedFd, Failure> {
    let failed = Step::OpenTerminal.failed();
    let devpts =
        path::open(root, c"/dev/pts", OFlags::PATH | OFlags::DIRECTORY, Links::Follow).map_err(&failed)?;
    if fstatfs(&devpts).map_err(&failed)?.f_type != DEVPTS {
        return Err(failed(Errno::NODEV));
    }
    let pair = sys::pty::open(devpts.as_fd()).map_err(&failed)?;
    let stat = fstat(&pair.master).map_err(&failed)?;
    let is_ptmx = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
        && (major(stat.st_rdev), minor(stat.st_rdev)) == (5, 2);
    if !is_ptmx {
        return Err(failed(Errno::NODEV));
    }
    if let Some(size) = size {
        sys::pty::set_size(pair.master.as_fd(), size.rows, size.columns).map_err(&failed)?;
    }
    if line_ends == LineEnds::Keep {
        let mut modes = tcgetattr(&pair.master).map_err(&failed)?;
        modes.output_modes.remove(OutputModes::ONLCR);
        tcsetattr(&pair.master, OptionalActions::Now, &modes).map_err(&failed)?;
    }
    sys::socket::send(socket, &Message::Terminal.to_bytes(), &[pair.master.as_fd()]).map_err(&failed)?;
    Ok(pair.slave)
}
