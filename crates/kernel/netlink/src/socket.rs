//! A conversation with the kernel.
//!
//! The kernel handles a request inside `send`: when that returns, the answers lie in the socket's queue.
//! So nothing here waits, and no deadline is needed; a missing answer is an error at once.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recvfrom, send, socket_with, sockopt,
};

use crate::Error;
use crate::wire::{self, Messages, Received, Verdict};

/// `NLMSG_ERROR`: a refusal or an acknowledgement.
const ERROR: u16 = 2;
/// `NLMSG_DONE`: the end of a list.
const DONE: u16 = 3;
/// `NLM_F_DUMP_INTR`: the list changed while it was read.
const INTERRUPTED: u16 = 0x10;
/// Larger than any datagram of a list (the kernel fills pages of at most 32 KiB).
const BUFFER: usize = 64 * 1024;

/// Which part of the kernel a socket talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subsystem {
    /// Links, addresses, routes, neighbours.
    Route,
    /// Packet rules and connection tracking.
    Netfilter,
}

/// A netlink socket in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Socket {
    /// Opens a socket.
    pub fn open(subsystem: Subsystem) -> Result<Socket, Error> {
        let protocol = match subsystem {
            Subsystem::Route => None,
            Subsystem::Netfilter => Some(rustix::net::netlink::NETFILTER),
        };
        let fd = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            protocol,
        )?;
        sys::netlink_socket::explain_refusals(fd.as_fd())?;
        Ok(Socket { fd, sequence: 1, buffer: vec![0; BUFFER] })
    }

    /// Sends all messages at once and reads an acknowledgement for each that asks for one.
    ///
    /// rtnetlink goes on after a refused message; the first refusal is returned, with the position of its message.
    pub fn execute(&mut self, messages: Messages) -> Result<(), Error> {
        if messages.count() == 0 {
            return Ok(());
        }
        self.transact(messages, |_| {})
    }

    /// Sends all messages at once, hands every answer but the verdicts to `each`, and returns the first refusal.
    pub fn transact(&mut self, messages: Messages, mut each: impl FnMut(&Received<'_>)) -> Result<(), Error> {
        let count = messages.count();
        let first = self.send(messages)?;
        let mut refusal = None;
        let mut acknowledged = 0_u32;
        let mut interrupted = false;
        while let Some(length) = self.receive()? {
            for message in wire::messages(&self.buffer[..length]) {
                let position = message.sequence.wrapping_sub(first);
                if position >= count {
                    continue;
                }
                interrupted |= message.flags & INTERRUPTED != 0;
                match message.kind {
                    ERROR => match Verdict::read(&message) {
                        Some(Verdict { errno: 0, .. }) => acknowledged += 1,
                        Some(Verdict { errno, text }) => {
                            refusal.get_or_insert(Error::refused(errno, text, position));
                        }
                        None => return Err(Error::Malformed("a verdict is too short")),
                    },
                    DONE => {
                        acknowledged += 1;
                        let code = message
                            .body
                            .get(..4)
                            .and_then(|b| b.try_into().ok())
                            .map_or(0, i32::from_ne_bytes);
                        if code < 0 {
                            refusal.get_or_insert(Error::refused(code.saturating_neg(), None, position));
                        }
                    }
                    _ => each(&message),
                }
            }
        }
        match refusal {
            Some(refusal) => Err(refusal),
            None if interrupted => Err(Error::Interrupted),
            None if acknowledged == 0 => Err(Error::Malformed("no verdict came")),
            None => Ok(()),
        }
    }

    fn send(&mut self, messages: Messages) -> Result<u32, Error> {
        if messages.is_too_long() {
            return Err(Error::TooLong);
        }
        let first = self.sequence;
        self.sequence = self.sequence.wrapping_add(messages.count());
        let bytes = messages.numbered(first);
        // A datagram must fit the send buffer as a whole; the default holds about 200 KB.
        if bytes.len() > 100_000 {
            sockopt::set_socket_send_buffer_size_force(&self.fd, bytes.len() * 2)?;
        }
        loop {
            match send(&self.fd, &bytes, SendFlags::empty()) {
                Ok(sent) if sent == bytes.len() => return Ok(first),
                Ok(_) => return Err(Error::Malformed("a datagram was cut")),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Puts the next datagram from the kernel itself into the buffer; `None` when there is none.
    fn receive(&mut self) -> Result<Option<usize>, Error> {
        loop {
            match recvfrom(&self.fd, &mut self.buffer[..], RecvFlags::DONTWAIT | RecvFlags::TRUNC) {
                Ok((_, length, from)) => {
                    let sender = from.map(SocketAddrNetlink::try_from);
                    if !matches!(sender, Some(Ok(address)) if address.pid() == 0) {
                        continue;
                    }
                    if length > self.buffer.len() {
                        return Err(Error::Malformed("a datagram is too large"));
                    }
                    return Ok(Some(length));
                }
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
