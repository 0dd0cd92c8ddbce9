//! `POST /containers/{id}/attach`.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use engine_api::StringMap;
use shim::Framing;

use super::handle::{Attaching, Handle, Request};
use super::view::View;
use super::{detach_keys, replay};
use crate::engine::Shared;
use crate::{Engine, Error, names};

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
    shared: Arc<Shared>,
    handle: Arc<Handle>,
    view: Arc<View>,
    options: AttachOptions,
    keys: Vec<u8>,
    attaching: Attaching,
}

impl AttachTicket {
    /// Hands over the client's socket, after its head was written; `early` are bytes that the client sent
    /// behind its request. The container's supervisor serves the socket from here on.
    ///
    /// # Errors
    /// When the container went away meanwhile.
    pub async fn connect(self, socket: OwnedFd, early: Vec<u8>) -> Result<(), Error> {
        let Self { multiplexed, shared, handle, view, options, keys, attaching } = self;
        let socket = if options.logs {
            replay::send(&shared, &view, &options, multiplexed, socket).await?
        } else {
            socket
        };
        shared.announce_container(&view.intent, "attach", StringMap::new());
        if !options.stream {
            return Ok(());
        }
        let client = shim::AttachOptions {
            client: names::random_name(names::random_seed(), 0),
            stdin: options.stdin && view.intent.config.open_stdin,
            stdout: options.stdout,
            stderr: options.stderr,
            framing: if multiplexed { Framing::Multiplexed } else { Framing::Raw },
            detach_keys: keys,
            early_input: early,
        };
        let options = Box::new(client);
        let outcome = handle.ask(|reply| Request::Attach { options, socket, reply }).await;
        drop(attaching);
        outcome
    }
}

impl Engine {
    /// Validates an attach. A container that was not started yet keeps the socket until it is.
    ///
    /// # Errors
    /// `Conflict` when it is paused or restarting; `InvalidParameter` for unreadable keys.
    pub async fn container_attach(&self, id: &str, options: AttachOptions) -> Result<AttachTicket, Error> {
        let keys = detach_keys::parse(&options.detach_keys).ok_or_else(|| {
            Error::invalid(format!("Invalid detach keys ({}) provided", options.detach_keys))
        })?;
        let handle = self.shared.containers.find(id)?;
        let view = handle.view();
        if view.life.is_paused() {
            return Err(Error::conflict(format!(
                "container {id} is paused, unpause the container before attach"
            )));
        }
        if view.life.is_restarting() {
            return Err(Error::conflict(format!(
                "container {id} is restarting, wait until the container is running"
            )));
        }
        let multiplexed = !view.intent.has_terminal();
        let attaching = handle.begin_attach();
        Ok(AttachTicket { multiplexed, shared: self.shared.clone(), handle, view, options, keys, attaching })
    }
}
