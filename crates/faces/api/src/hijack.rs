//! Taking a connection out of HTTP, for attach and exec.
//!
//! Two forms are in use: `101 UPGRADED` for requests with `Upgrade: tcp`, and the older `200 OK` after which both
//! sides just talk. The HTTP library knows only the first, and adds headers of its own. So it is told a harmless
//! answer that never reaches the wire ([`MuteStream`] swallows it); then the socket and the bytes that the client
//! sent behind its request are taken back, our own head is written, and the socket goes to whoever serves it.

use crate::listen::Socket;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::ReadBuf;

/// What happens with the socket once the head is written: it and the early bytes go on.
pub(crate) type Serve = Box<dyn FnOnce(OwnedFd, Vec<u8>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// A wish to take the socket.
pub(crate) struct Takeover {
    /// The head, byte for byte.
    pub(crate) head: Vec<u8>,
    /// Who serves the socket from then on.
    pub(crate) serve: Serve,
}

/// The place where a handler leaves its wish for the connection.
#[derive(Clone, Default)]
pub(crate) struct Hijacker {
    mute: Arc<AtomicBool>,
    wish: Arc<Mutex<Option<Takeover>>>,
}

impl Hijacker {
    /// Leaves the wish. What HTTP writes from here on is thrown away; the request must have been read to its end,
    /// or a `100 Continue` would be lost.
    pub(crate) fn wish(&self, takeover: Takeover) {
        *self.wish.lock().unwrap_or_else(PoisonError::into_inner) = Some(takeover);
        self.mute.store(true, Ordering::Release);
    }

    /// Takes the wish, if there is one.
    pub(crate) fn take(&self) -> Option<Takeover> {
        self.wish.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A socket whose writes can be silenced.
pub(crate) struct MuteStream {
    socket: Arc<Socket>,
    mute: Arc<AtomicBool>,
}

impl MuteStream {
    /// Wraps `socket`; `hijacker` silences it.
    pub(crate) fn new(socket: Arc<Socket>, hijacker: &Hijacker) -> MuteStream {
        MuteStream { socket, mute: hijacker.mute.clone() }
    }

    fn is_mute(&self) -> bool {
        self.mute.load(Ordering::Acquire)
    }
}

impl tokio::io::AsyncRead for MuteStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.socket.poll_read_ready(context))?;
            match self.socket.try_read(buffer.initialize_unfilled()) {
                Ok(count) => {
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {}
                Err(cause) => return Poll::Ready(Err(cause)),
            }
        }
    }
}

impl tokio::io::AsyncWrite for MuteStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        blocks: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_mute() {
            return Poll::Ready(Ok(blocks.iter().map(|block| block.len()).sum()));
        }
        loop {
            ready!(self.socket.poll_write_ready(context))?;
            match self.socket.try_write_vectored(blocks) {
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_mute() {
            self.socket.shutdown_write();
        }
        Poll::Ready(Ok(()))
    }
}
