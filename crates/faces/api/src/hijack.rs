//! Taking a connection out of HTTP, for attach and exec.
//!
//! Two forms are in use: `101 UPGRADED` for requests with `Upgrade: tcp`, and the older `200 OK` after which both
//! sides just talk. The HTTP library knows only the first, and adds headers of its own. So it is told a harmless
//! answer that never reaches the wire ([`MuteStream`] swallows it); then the socket and the bytes that the client
//! sent behind its request are taken back, our own head is written, and the socket goes to whoever serves it.
//!
//! The stream also escapes what stands raw in a request's first line: `?filters={"status":["running"]}` is in
//! thousands of scripts, Docker takes it, and the library does not.

use crate::listen::Socket;
use bytes::BytesMut;
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

/// What connection and stream tell each other.
#[derive(Clone)]
pub(crate) struct Hijacker {
    mute: Arc<AtomicBool>,
    at_head: Arc<AtomicBool>,
    wish: Arc<Mutex<Option<Takeover>>>,
}

impl Default for Hijacker {
    fn default() -> Hijacker {
        let flag = |value| Arc::new(AtomicBool::new(value));
        Hijacker { mute: flag(false), at_head: flag(true), wish: Arc::default() }
    }
}

/// Marks, when dropped with the answer it belongs to, that the next bytes to be read are a request's head.
pub(crate) struct NextHead(Arc<AtomicBool>);

impl Drop for NextHead {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
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

    /// A mark for the answer that is about to be sent.
    pub(crate) fn next_head(&self) -> NextHead {
        NextHead(self.at_head.clone())
    }
}

/// A socket whose writes can be silenced, and whose requests are legible.
pub(crate) struct MuteStream {
    socket: Arc<Socket>,
    mute: Arc<AtomicBool>,
    at_head: Arc<AtomicBool>,
    /// Bytes read from the socket that HTTP has not asked for yet.
    ahead: BytesMut,
    /// Whether the first line has begun; empty lines before it do not count.
    in_line: bool,
}

/// How much is read at once where a first line is expected.
const HEAD_BLOCK: usize = 4096;

impl MuteStream {
    /// Wraps `socket`; `hijacker` silences it.
    pub(crate) fn new(socket: Arc<Socket>, hijacker: &Hijacker) -> MuteStream {
        let (mute, at_head) = (hijacker.mute.clone(), hijacker.at_head.clone());
        MuteStream { socket, mute, at_head, ahead: BytesMut::new(), in_line: false }
    }

    /// What was read from the socket and not by HTTP.
    pub(crate) fn into_ahead(self) -> BytesMut {
        self.ahead
    }

    fn is_mute(&self) -> bool {
        self.mute.load(Ordering::Acquire)
    }

    /// Puts a block that may hold a first line aside, with the line escaped.
    fn take_head(&mut self, block: &[u8]) {
        let mut rest = block;
        while let [byte, after @ ..] = rest {
            if *byte == b'\n' && self.in_line {
                self.in_line = false;
                self.at_head.store(false, Ordering::Release);
                break;
            }
            self.in_line |= !matches!(byte, b'\r' | b'\n');
            escape(*byte, &mut self.ahead);
            rest = after;
        }
        self.ahead.extend_from_slice(rest);
    }
}

/// Escapes what may not stand in a URL, and leaves what may not stand in a line: that is for HTTP to refuse.
fn escape(byte: u8, line: &mut BytesMut) {
    let is_legible = byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=% \r\n".contains(&byte);
    if is_legible || byte.is_ascii_control() {
        line.extend_from_slice(&[byte]);
    } else {
        line.extend_from_slice(format!("%{byte:02X}").as_bytes());
    }
}

impl tokio::io::AsyncRead for MuteStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if !self.ahead.is_empty() {
                let count = buffer.remaining().min(self.ahead.len());
                buffer.put_slice(&self.ahead.split_to(count));
                return Poll::Ready(Ok(()));
            }
            ready!(self.socket.poll_read_ready(context))?;
            if self.at_head.load(Ordering::Acquire) {
                let mut block = [0; HEAD_BLOCK];
                match self.socket.try_read(&mut block) {
                    Ok(0) => return Poll::Ready(Ok(())),
                    Ok(count) => self.take_head(&block[..count]),
                    Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {}
                    Err(cause) => return Poll::Ready(Err(cause)),
                }
                continue;
            }
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
