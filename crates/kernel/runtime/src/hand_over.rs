//! Descriptors given to who asked for them by a unix socket: a terminal's master, a process's handle.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use crate::error::CreateError;

/// Name that comes with a terminal's master.
pub const TERMINAL: &[u8] = b"/dev/ptmx";
/// Name that comes with the handle of a container's first process.
pub const FIRST_PROCESS: &[u8] = b"standard";
/// Name that comes with the handle of an exec.
pub const FURTHER_PROCESS: &[u8] = b"setns";

/// Connects to the stream socket at `path` and sends `descriptor` in one message with `name`, as runc does for
/// `--console-socket` and `--pidfd-socket`.
///
/// # Errors
/// The kernel's: NOENT, CONNREFUSED, NAMETOOLONG …
pub fn hand_over(path: &Path, name: &[u8], descriptor: BorrowedFd<'_>) -> Result<(), CreateError> {
    let failed = |errno| CreateError::step(format!("connecting to socket {}", path.display()), errno);
    let socket =
        socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).map_err(failed)?;
    connect(&socket, &SocketAddrUnix::new(path).map_err(failed)?).map_err(failed)?;
    match sys::socket::send(socket.as_fd(), name, &[descriptor]).map_err(failed)? {
        sent if sent == name.len() => Ok(()),
        _ => Err(failed(Errno::MSGSIZE)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_descriptor_arrives_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        hand_over(&path, TERMINAL, writer.as_fd()).unwrap();
        let (peer, _) = listener.accept().unwrap();
        let (mut name, mut received) = ([0; 64], None);
        let length = sys::socket::receive(peer.as_fd(), &mut name, |fd| received = Some(fd)).unwrap();
        assert_eq!(&name[..length], TERMINAL);
        rustix::io::write(received.unwrap(), b"x").unwrap();
        assert_eq!(rustix::io::read(&reader, &mut name), Ok(1));
        let error = hand_over(&folder.path().join("none"), TERMINAL, writer.as_fd()).unwrap_err();
        assert!(error.to_string().ends_with("none: no such file or directory"), "{error}");
    }
}
