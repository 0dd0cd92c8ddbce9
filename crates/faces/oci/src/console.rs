//! Descriptors and ids that callers want to have.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use runtime::error::reason;

use crate::Failure;
use crate::grammar::Asked;

/// More descriptors than a process may have by default.
const MOST: u32 = 1 << 16;

/// Who gets the master side of a terminal.
#[derive(Debug)]
pub(crate) enum Receiver {
    /// Nobody: there is none.
    Nobody,
    /// This process, which stays.
    Ourselves,
    /// The caller.
    Caller(UnixStream),
}

impl Receiver {
    /// Finds out, and refuses what makes no sense, in runc's words.
    pub(crate) fn choose(terminal: bool, detached: bool, socket: Option<&str>) -> Result<Self, Failure> {
        match (terminal, detached, socket) {
            (true, true, None) => {
                Err(Failure::new("cannot allocate tty if runc will detach without setting console socket"))
            }
            (true, true, Some(path)) => Ok(Self::Caller(connect(path)?)),
            (_, _, Some(_)) => {
                Err(Failure::new("cannot use console socket if runc will not detach or allocate tty"))
            }
            (true, false, None) => Ok(Self::Ourselves),
            (false, _, None) => Ok(Self::Nobody),
        }
    }

    /// Sends the terminal away, or gives it back to who stays.
    pub(crate) fn hand_over(self, terminal: Option<OwnedFd>) -> Result<Option<OwnedFd>, Failure> {
        match (self, terminal) {
            (Self::Caller(socket), Some(terminal)) => {
                send(&socket, "/dev/ptmx", terminal.as_fd())?;
                Ok(None)
            }
            (_, terminal) => Ok(terminal),
        }
    }
}

/// Connects to a socket of the caller.
pub(crate) fn connect(path: &str) -> Result<UnixStream, Failure> {
    UnixStream::connect(path)
        .map_err(|cause| Failure::new(format!("dial unix {path}: connect: {}", reason(&cause))))
}

/// Sends a descriptor with its name.
pub(crate) fn send(socket: &UnixStream, name: &str, descriptor: BorrowedFd<'_>) -> Result<(), Failure> {
    sys::socket::send(socket.as_fd(), name.as_bytes(), &[descriptor])
        .map_err(|errno| Failure::new(format!("cannot send {name}: {errno}")))?;
    Ok(())
}

/// Writes a process id beside its place and renames: who waits for the file never reads half of it.
pub(crate) fn write_pid(path: &Path, pid: u32) -> Result<(), Failure> {
    let failed = |cause: io::Error| Failure::new(format!("open {}: {}", path.display(), reason(&cause)));
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    let aside = path.with_file_name(name);
    let mut file = OpenOptions::new().write(true).create_new(true).open(&aside).map_err(failed)?;
    file.write_all(pid.to_string().as_bytes()).map_err(failed)?;
    fs::rename(&aside, path).map_err(failed)
}

/// How many descriptors from number 3 on the program inherits: those that systemd passes (`LISTEN_FDS`, whose number
/// comes second) and those of `--preserve-fds`. Each of the latter has to be open.
pub(crate) fn preserved(asked: &Asked) -> Result<(u32, u32), Failure> {
    let is_for_us = std::env::var("LISTEN_PID").is_ok_and(|pid| pid == std::process::id().to_string());
    let listened = std::env::var("LISTEN_FDS").ok().filter(|_| is_for_us);
    let listened = listened.and_then(|count| count.parse::<u32>().ok()).unwrap_or(0).min(MOST);
    let wished = asked.number("preserve-fds");
    let wished = u32::try_from(wished).ok().filter(|count| *count <= MOST);
    let wished = wished.ok_or_else(|| Failure::new("invalid value for preserve-fds"))?;
    let first = 3 + listened;
    if let Some(missing) =
        (first..first + wished).find(|fd| !Path::new(&format!("/proc/self/fd/{fd}")).exists())
    {
        let index = missing - first;
        return Err(Failure::new(format!(
            "unable to stat preserved-fd {index} (of {wished}): no such file or directory"
        )));
    }
    Ok((listened + wished, listened))
}
