//! One attached client: its socket, what it wants, what is waiting for it.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use log_format::Stream;
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, recv, sendmsg, shutdown};

use crate::keys::DetachKeys;
use crate::protocol::{AttachOptions, Framing};

/// How long a client that is no longer needed may take to fetch what is waiting for it.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long to go on listening to a client after it was told the end: closing a socket with bytes unread
/// would make the client's own reading fail.
const LINGER: Duration = Duration::from_secs(1);

/// How much input is taken at once.
const GULP: usize = 16 * 1024;

/// Whether a client is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    Well,
    Gone,
}

/// What a client has sent.
#[derive(Debug)]
pub(super) enum Heard {
    Nothing,
    Bytes(Vec<u8>),
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// Gets what is waiting, nothing new.
    Closing {
        until: Instant,
    },
    /// Was told the end; is listened to until it goes.
    Lingering {
        until: Instant,
    },
    Done,
}

/// One attached client.
#[derive(Debug)]
pub(crate) struct Client {
    number: u64,
    label: String,
    socket: OwnedFd,
    stdout: bool,
    stderr: bool,
    framing: Framing,
    /// Whether what it sends is input.
    listens: bool,
    /// Whether more may come from it.
    speaks: bool,
    keys: Option<DetachKeys>,
    waiting: Vec<u8>,
    phase: Phase,
}

impl Client {
    pub(super) fn new(
        number: u64,
        socket: OwnedFd,
        options: AttachOptions,
        framing: Framing,
        listens: bool,
        has_terminal: bool,
    ) -> Self {
        Self {
            number,
            label: options.client,
            socket,
            stdout: options.stdout,
            stderr: options.stderr,
            framing,
            listens,
            speaks: true,
            keys: has_terminal.then(|| DetachKeys::new(options.detach_keys)),
            waiting: Vec::new(),
            phase: Phase::Open,
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn label(&self) -> &str {
        &self.label
    }

    pub(super) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    pub(super) fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    pub(super) fn stop_listening(&mut self) {
        self.listens = false;
    }

    pub(super) fn wants(&self, stream: Stream) -> bool {
        self.is_open()
            && match stream {
                Stream::Stdout => self.stdout,
                Stream::Stderr => self.stderr,
            }
    }

    /// How many bytes are waiting for it.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether an output must wait for it.
    pub(super) fn holds_up(&self, stream: Stream) -> bool {
        self.wants(stream) && !self.waiting.is_empty()
    }

    /// What to wait for on its socket, whose hanging up is reported whatever is asked for: a client whose
    /// input must wait is not looked at, lest the end of its connection overtake what it sent.
    pub(super) fn interest(&self, input_waits: bool) -> Option<(BorrowedFd<'_>, PollFlags)> {
        let mut flags = PollFlags::empty();
        if !self.waiting.is_empty() {
            flags |= PollFlags::OUT;
        } else if self.listens && input_waits {
            return None;
        }
        let lingers = matches!(self.phase, Phase::Lingering { .. });
        if self.speaks && (lingers || (self.listens && !input_waits)) {
            flags |= PollFlags::IN;
        }
        Some((self.socket.as_fd(), flags))
    }

    /// It takes no more output; answers whether there is still input to be read from it.
    pub(super) fn lose_hearing(&mut self) -> bool {
        self.stdout = false;
        self.stderr = false;
        self.waiting = Vec::new();
        self.is_open() && self.listens
    }

    /// Passes input through the watch for detach keys; answers whether they were typed.
    pub(super) fn filter(&mut self, mut bytes: Vec<u8>, out: &mut Vec<u8>) -> bool {
        match &mut self.keys {
            Some(keys) => keys.filter(&bytes, out),
            None => {
                out.append(&mut bytes);
                false
            }
        }
    }

    pub(super) fn release_keys(&mut self, out: &mut Vec<u8>) {
        if let Some(keys) = &mut self.keys {
            keys.release(out);
        }
    }

    /// Sends a part of an output, or keeps it for later.
    pub(super) fn send(&mut self, stream: Stream, bytes: &[u8]) -> Sent {
        let mut head = [0; 8];
        let head: &[u8] = match self.framing {
            Framing::Raw => &[],
            Framing::Multiplexed => {
                head[0] = match stream {
                    Stream::Stdout => 1,
                    Stream::Stderr => 2,
                };
                head[4..].copy_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
                &head
            }
        };
        let mut taken = 0;
        if self.waiting.is_empty() {
            match send_some(self.socket.as_fd(), head, bytes) {
                Ok(length) => taken = length,
                Err(Errno::AGAIN) => {}
                Err(_) => return Sent::Gone,
            }
        }
        self.waiting.extend_from_slice(head.get(taken..).unwrap_or_default());
        self.waiting.extend_from_slice(&bytes[taken.saturating_sub(head.len())..]);
        Sent::Well
    }

    /// Sends what is waiting.
    pub(super) fn flush(&mut self) -> Sent {
        match send_some(self.socket.as_fd(), &[], &self.waiting) {
            Ok(length) => {
                self.waiting.drain(..length);
            }
            Err(Errno::AGAIN) => {}
            Err(_) => return Sent::Gone,
        }
        if self.waiting.is_empty() {
            self.waiting = Vec::new();
        }
        if let Phase::Closing { until } = &mut self.phase {
            *until = Instant::now() + PATIENCE;
            self.say_end();
        }
        Sent::Well
    }

    /// Receives once.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Heard {
        let most = buffer.len().min(GULP);
        let heard = match recv(&self.socket, &mut buffer[..most], RecvFlags::DONTWAIT) {
            Ok((0, _)) => Heard::End,
            Ok((length, _)) => Heard::Bytes(buffer[..length].to_vec()),
            Err(Errno::AGAIN | Errno::INTR) => Heard::Nothing,
            Err(_) => Heard::End,
        };
        if matches!(heard, Heard::End) {
            self.speaks = false;
            if matches!(self.phase, Phase::Lingering { .. }) {
                self.phase = Phase::Done;
            }
        }
        if self.listens { heard } else { Heard::Nothing }
    }

    /// Lets it have what is waiting, then the end.
    pub(super) fn close(&mut self) {
        if self.is_open() {
            self.phase = Phase::Closing { until: Instant::now() + PATIENCE };
            self.listens = false;
            self.say_end();
        }
    }

    fn say_end(&mut self) {
        if !self.waiting.is_empty() {
            return;
        }
        let told = shutdown(&self.socket, Shutdown::Write);
        self.phase = if told.is_err() || !self.speaks {
            Phase::Done
        } else {
            Phase::Lingering { until: Instant::now() + LINGER }
        };
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Closing { until } | Phase::Lingering { until } => Some(until),
            Phase::Open | Phase::Done => None,
        }
    }
}

/// Sends as much of two parts as the socket takes, without waiting and without SIGPIPE.
fn send_some(socket: BorrowedFd<'_>, head: &[u8], bytes: &[u8]) -> Result<usize, Errno> {
    loop {
        let parts = [IoSlice::new(head), IoSlice::new(bytes)];
        let mut nothing = SendAncillaryBuffer::default();
        match sendmsg(socket, &parts, &mut nothing, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

/// Whether a descriptor is what clients are expected on: a connected stream socket.
pub(crate) fn is_stream_socket(fd: &OwnedFd) -> bool {
    rustix::net::sockopt::socket_type(fd).is_ok_and(|kind| kind == rustix::net::SocketType::STREAM)
}
