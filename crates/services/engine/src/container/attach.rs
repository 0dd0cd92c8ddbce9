//! `POST /containers/{id}/attach`.

use std::os::fd::OwnedFd;

use crate::{Engine, Error};

/// Which streams, and what about the past.
#[derive(Debug, Clone, Default)]
pub struct AttachOptions {
    /// Send to standard input.
    pub stdin: bool,
    /// Receive standard output.
    pub stdout: bool,
    /// Receive standard error.
    pub stderr: bool,
    /// Stay connected.
    pub stream: bool,
    /// Replay the log first.
    pub logs: bool,
    /// The keys that detach; Docker's when empty.
    pub detach_keys: String,
}

/// A valid attach that waits for its socket: the face writes the answer's head and then hands the socket over.
pub struct AttachTicket {
    /// Whether the stream carries frames (8-byte heads), or is raw because the container has a terminal.
    pub multiplexed: bool,
}

impl AttachTicket {
    /// Hands over the client's socket, after its head was written; `early` are bytes that the client sent
    /// behind its request. The container's supervisor serves the socket from here on.
    ///
    /// # Errors
    /// When the container went away meanwhile.
    pub async fn connect(self, _socket: OwnedFd, _early: Vec<u8>) -> Result<(), Error> {
        Err(Error::not_implemented("attach"))
    }
}

impl Engine {
    /// Validates an attach. A container that was not started yet keeps the socket until it is.
    ///
    /// # Errors
    /// `Conflict` when it is paused or restarting; `InvalidParameter` for unreadable keys.
    pub async fn container_attach(&self, _id: &str, _options: AttachOptions) -> Result<AttachTicket, Error> {
        Err(Error::not_implemented("attach"))
    }
}
