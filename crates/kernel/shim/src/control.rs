//! One connection from a daemon: frames in, frames out, nothing that blocks and nothing that it can break.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, SendFlags};
use serde::Deserialize;

use crate::protocol::{Event, Message, Request};
use crate::wire::{self, Cutter};

/// A daemon that does not read its answers and events is let go when this much waits for it.
const MOST_WAITING: usize = 1024 * 1024;

/// One connection.
#[derive(Debug)]
pub(crate) struct Control {
    socket: OwnedFd,
    cutter: Cutter,
    /// Descriptors that came and belong to the frame at hand.
    descriptors: Vec<OwnedFd>,
    out: Vec<u8>,
    watches: bool,
    broken: bool,
}

/// A call that was read.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// The caller's number for it.
    pub(crate) id: u64,
    /// What is asked; absent if this build does not know it.
    pub(crate) request: Option<Request>,
    /// What came along.
    pub(crate) descriptors: Vec<OwnedFd>,
}

impl Control {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            cutter: Cutter::default(),
            descriptors: Vec::new(),
            out: Vec::new(),
            watches: false,
            broken: false,
        }
    }

    /// Sends events from now on.
    pub(crate) fn watch(&mut self) {
        self.watches = true;
    }

    pub(crate) fn watches(&self) -> bool {
        self.watches
    }

    /// Whether the connection is of no use any more.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether the other side is gone already, without reading anything.
    pub(crate) fn is_deserted(&self) -> bool {
        let mut set = [PollFd::new(&self.socket, PollFlags::RDHUP)];
        poll(&mut set, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }

    pub(crate) fn interest(&self) -> (BorrowedFd<'_>, PollFlags) {
        let out = if self.out.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
        (self.socket.as_fd(), PollFlags::IN | out)
    }

    /// Receives once. A connection that ends or talks nonsense is broken afterwards.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) {
        match wire::receive(&self.socket, buffer, &mut self.descriptors, RecvFlags::DONTWAIT) {
            Ok(0) => self.broken = true,
            Ok(length) => self.cutter.feed(&buffer[..length]),
            Err(error) if is_passing(&error) => {}
            Err(_) => self.broken = true,
        }
        if self.descriptors.len() > wire::MOST_DESCRIPTORS {
            self.broken = true;
        }
    }

    /// Waits for the first frame of a connection; `None` if there will be none.
    pub(crate) fn wait_for_frame(&mut self) -> Option<(Vec<u8>, Vec<OwnedFd>)> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match self.cutter.next_frame() {
                Ok(Some(frame)) => return Some((frame, std::mem::take(&mut self.descriptors))),
                Ok(None) => {}
                Err(_) => return None,
            }
            match wire::receive(&self.socket, &mut buffer, &mut self.descriptors, RecvFlags::empty()) {
                Ok(0) => return None,
                Ok(length) => self.cutter.feed(&buffer[..length]),
                Err(error) if is_passing(&error) => {}
                Err(_) => return None,
            }
        }
    }

    /// The next call that has arrived whole.
    pub(crate) fn next_call(&mut self) -> Option<Incoming> {
        if self.broken {
            return None;
        }
        match self.try_next_call() {
            Ok(call) => call,
            Err(Nonsense) => {
                self.broken = true;
                None
            }
        }
    }

    fn try_next_call(&mut self) -> Result<Option<Incoming>, Nonsense> {
        #[derive(Deserialize)]
        struct Envelope {
            id: u64,
            request: serde_json::Value,
        }
        let Some(frame) = self.cutter.next_frame().map_err(|_| Nonsense)? else {
            // Descriptors come with the first byte of their frame.
            return if self.descriptors.is_empty() || self.cutter.is_torn() {
                Ok(None)
            } else {
                Err(Nonsense)
            };
        };
        let envelope: Envelope = wire::decode(&frame).map_err(|_| Nonsense)?;
        if !is_known(&envelope.request) {
            let descriptors = std::mem::take(&mut self.descriptors);
            return Ok(Some(Incoming { id: envelope.id, request: None, descriptors }));
        }
        let request: Request = serde_json::from_value(envelope.request).map_err(|_| Nonsense)?;
        let wanted = request.descriptors();
        if self.descriptors.len() < wanted {
            return Err(Nonsense);
        }
        let descriptors = self.descriptors.drain(..wanted).collect();
        Ok(Some(Incoming { id: envelope.id, request: Some(request), descriptors }))
    }

    /// Says something.
    pub(crate) fn say(&mut self, message: &Message) {
        match wire::encode(message) {
            Ok(frame) if self.out.len() + frame.len() <= MOST_WAITING => self.out.extend_from_slice(&frame),
            _ => self.broken = true,
        }
        self.flush();
    }

    /// Tells an event to a connection that watches.
    pub(crate) fn tell(&mut self, event: &Event) {
        if self.watches {
            self.say(&Message::Event(event.clone()));
        }
    }

    /// Sends what is waiting.
    pub(crate) fn flush(&mut self) {
        while !self.out.is_empty() && !self.broken {
            match wire::send(&self.socket, &self.out, &[], SendFlags::DONTWAIT) {
                Ok(length) => {
                    self.out.drain(..length);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(_) => self.broken = true,
            }
        }
        if self.out.is_empty() {
            self.out = Vec::new();
        }
    }

    /// Whether everything that was said is on its way.
    pub(crate) fn is_flushed(&self) -> bool {
        self.out.is_empty()
    }
}

/// What came is not of this protocol.
struct Nonsense;

fn is_passing(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted)
}

/// Whether a request has a name that this build knows; its content may still be wrong.
fn is_known(request: &serde_json::Value) -> bool {
    let name = match request {
        serde_json::Value::String(name) => Some(name),
        serde_json::Value::Object(map) if map.len() == 1 => map.keys().next(),
        // Of no shape that any version has: let decoding fail.
        _ => return true,
    };
    name.is_some_and(|name| Request::NAMES.contains(&name.as_str()))
}
