//! Sockets: where the daemon listens, and one client's connection.

use rustix::fs::{Gid, Mode, Uid};
use rustix::net::{RecvFlags, Shutdown};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// A place that clients connect to.
pub enum Listener {
    /// A unix socket; its file is removed when the listener is dropped.
    Unix(UnixSocket),
    /// A TCP port.
    Tcp(TcpListener),
}

/// A listening unix socket and its file.
pub struct UnixSocket {
    listener: UnixListener,
    path: PathBuf,
    inode: Option<u64>,
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        // Another daemon may have put its own socket there meanwhile.
        if inode(&self.path) == self.inode {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn inode(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path).ok().map(|file| file.ino())
}

impl Listener {
    /// Listens on a unix socket: mode 0660, owned by root and `group`. A socket file that nobody listens on is
    /// replaced; one that somebody answers on is an error.
    ///
    /// # Errors
    /// When the path is taken or cannot be made.
    pub fn unix(path: &Path, group: Option<u32>) -> io::Result<Listener> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        match std::fs::symlink_metadata(path) {
            Ok(file) if !file.file_type().is_socket() => {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "a file that is no socket is there",
                ));
            }
            Ok(_) if is_answered(path) => {
                return Err(io::Error::new(io::ErrorKind::AddrInUse, "another daemon listens there"));
            }
            Ok(_) => std::fs::remove_file(path)?,
            Err(_) => {}
        }
        // Bound under a name that no client knows, so that nobody connects before the mode is right.
        let mut hidden = path.as_os_str().to_owned();
        hidden.push(format!(".{}", std::process::id()));
        let hidden = PathBuf::from(hidden);
        let _ = std::fs::remove_file(&hidden);
        let listener = UnixListener::bind(&hidden)?;
        let made = finish_unix(&hidden, path, group);
        if made.is_err() {
            let _ = std::fs::remove_file(&hidden);
        }
        made?;
        let inode = inode(path);
        Ok(Listener::Unix(UnixSocket { listener, path: path.to_owned(), inode }))
    }

    /// Listens on a TCP address.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub async fn tcp(address: SocketAddr) -> io::Result<Listener> {
        Ok(Listener::Tcp(TcpListener::bind(address).await?))
    }

    /// Takes over a listening socket that an init system opened.
    ///
    /// # Errors
    /// When the descriptor is no listening stream socket.
    pub fn inherited(socket: OwnedFd) -> io::Result<Listener> {
        use rustix::net::{AddressFamily, sockopt::socket_domain};
        rustix::io::ioctl_fionbio(&socket, true)?;
        match socket_domain(&socket)? {
            AddressFamily::UNIX => {
                let listener = UnixListener::from_std(socket.into())?;
                Ok(Listener::Unix(UnixSocket { listener, path: PathBuf::new(), inode: Some(u64::MAX) }))
            }
            AddressFamily::INET | AddressFamily::INET6 => {
                Ok(Listener::Tcp(TcpListener::from_std(socket.into())?))
            }
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, "the socket is neither unix nor TCP")),
        }
    }

    /// The address in the form of `-H`, for the log.
    pub fn address(&self) -> String {
        match self {
            Listener::Unix(socket) => format!("unix://{}", socket.path.display()),
            Listener::Tcp(listener) => {
                listener.local_addr().map_or_else(|_| "tcp".to_owned(), |address| format!("tcp://{address}"))
            }
        }
    }

    pub(crate) async fn accept(&self) -> io::Result<Socket> {
        match self {
            Listener::Unix(socket) => socket.listener.accept().await.map(|(stream, _)| Socket::Unix(stream)),
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // Terminal echoes are single bytes: they must not wait for each other.
                stream.set_nodelay(true)?;
                Ok(Socket::Tcp(stream))
            }
        }
    }
}

fn finish_unix(hidden: &Path, path: &Path, group: Option<u32>) -> io::Result<()> {
    if let Some(group) = group {
        rustix::fs::chown(hidden, Some(Uid::ROOT), Some(Gid::from_raw(group)))?;
    }
    rustix::fs::chmod(hidden, Mode::from_raw_mode(0o660))?;
    std::fs::rename(hidden, path)
}

/// Whether somebody accepts connections on the socket file `path`.
pub fn is_answered(path: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(path).is_ok()
}

/// Whether `path` has the mode of an API socket.
#[must_use]
pub fn is_private(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o007 == 0)
}

/// One client's connection. Reading and writing need no exclusive access, so that a watcher can look at it while
/// HTTP works on it.
pub(crate) enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Unix(stream) => stream.as_fd(),
            Socket::Tcp(stream) => stream.as_fd(),
        }
    }
}

impl Socket {
    pub(crate) fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Unix(stream) => stream.poll_read_ready(context),
            Socket::Tcp(stream) => stream.poll_read_ready(context),
        }
    }

    pub(crate) fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Unix(stream) => stream.poll_write_ready(context),
            Socket::Tcp(stream) => stream.poll_write_ready(context),
        }
    }

    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Unix(stream) => stream.try_read(buffer),
            Socket::Tcp(stream) => stream.try_read(buffer),
        }
    }

    pub(crate) fn try_write_vectored(&self, blocks: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::Unix(stream) => stream.try_write_vectored(blocks),
            Socket::Tcp(stream) => stream.try_write_vectored(blocks),
        }
    }

    pub(crate) fn shutdown_write(&self) {
        let _ = rustix::net::shutdown(self, Shutdown::Write);
    }

    /// Writes everything.
    pub(crate) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            std::future::poll_fn(|context| self.poll_write_ready(context)).await?;
            match self.try_write_vectored(&[io::IoSlice::new(bytes)]) {
                Ok(count) => bytes = &bytes[count..],
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {}
                Err(cause) => return Err(cause),
            }
        }
        Ok(())
    }

    /// The same socket as a descriptor of its own.
    pub(crate) fn duplicate(&self) -> io::Result<OwnedFd> {
        self.as_fd().try_clone_to_owned()
    }

    /// Resolves when the client has closed its side. Bytes that nobody has read yet stay where they are; while
    /// such bytes wait, the end behind them cannot be seen, and this never resolves.
    pub(crate) async fn closed(&self) {
        loop {
            let ready = match self {
                Socket::Unix(stream) => stream.readable().await,
                Socket::Tcp(stream) => stream.readable().await,
            };
            if ready.is_err() {
                return;
            }
            let look = || {
                let (count, _) = rustix::net::recv(self, &mut [0_u8; 1][..], RecvFlags::PEEK)?;
                Ok(count)
            };
            let seen = match self {
                Socket::Unix(stream) => stream.try_io(Interest::READABLE, look),
                Socket::Tcp(stream) => stream.try_io(Interest::READABLE, look),
            };
            match seen {
                Ok(0) => return,
                Ok(_) => std::future::pending::<()>().await,
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}
