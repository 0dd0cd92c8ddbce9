//! The standard streams of one process, and the clients attached to them.
//!
//! ```text
//!   client ──▶ detach keys ──▶ input queue ──▶ stdin or terminal
//!   client ◀── out queue ◀── frames ◀─┬─ stdout, stderr or terminal
//!                                     └─▶ log
//! ```
//!
//! Nothing here blocks. Queues hold at most what one read brought: an output is not read while a client that
//! wants it has bytes waiting, a client is not read while input is waiting.

mod client;
mod input;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use log_format::Stream;
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer};

pub(crate) use client::is_stream_socket;
use client::{Client, Heard, Sent};
use input::Input;

use crate::log::Log;
use crate::protocol::{AttachOptions, Framing, StdinWish};

/// The size of the one buffer that everything is read into.
pub(crate) const BUFFER: usize = 64 * 1024;

/// How long outputs are waited for that outlive their process: something else holds them open.
const GRACE: Duration = Duration::from_secs(2);

/// How much is read at once at a process's end; more than any pipe holds.
const LAST_GULP: usize = 2 * 1024 * 1024;

/// What a descriptor in the poll set belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The n-th output.
    Output(usize),
    /// Standard input.
    Input,
    /// The client of that number.
    Client(u64),
}

/// What the pumps work with; one for the whole shim.
pub(crate) struct Tools<'a> {
    /// Everything is read into it.
    pub(crate) buffer: &'a mut [u8],
    /// Where output goes besides the clients.
    pub(crate) log: Option<&'a mut Log>,
}

/// The daemon's side of a process's standard streams, as they were made for it.
#[derive(Debug)]
pub(crate) enum Ends {
    /// The process has `/dev/null`.
    None,
    /// The other ends of its pipes.
    Pipes {
        /// Write end.
        stdin: Option<OwnedFd>,
        /// Read end.
        stdout: OwnedFd,
        /// Read end.
        stderr: OwnedFd,
    },
    /// The master of its terminal.
    Terminal(OwnedFd),
}

/// The standard streams of one process, and the clients attached to them.
#[derive(Debug)]
pub(crate) struct Streams {
    outputs: Vec<Output>,
    input: Option<Input>,
    /// Whether a client's end of input is the process's.
    once: bool,
    /// Keeps the terminal from hanging up while no process has it open.
    peer: Option<OwnedFd>,
    has_terminal: bool,
    clients: Vec<Client>,
    /// The next client's number.
    numbers: u64,
    /// Labels of clients that typed their detach keys and have not been reported.
    detached: Vec<String>,
    /// Set once the process is over and something else still holds an output open.
    grace: Option<Instant>,
}

#[derive(Debug)]
struct Output {
    stream: Stream,
    /// Absent once it has ended.
    fd: Option<OwnedFd>,
}

impl Streams {
    /// Takes the streams of a new process over.
    pub(crate) fn new(ends: Ends, stdin: StdinWish) -> Result<Self, Errno> {
        let mut streams = Self {
            outputs: Vec::new(),
            input: None,
            once: stdin == StdinWish::Once,
            peer: None,
            has_terminal: matches!(ends, Ends::Terminal(_)),
            clients: Vec::new(),
            numbers: 0,
            detached: Vec::new(),
            grace: None,
        };
        match ends {
            Ends::None => {}
            Ends::Pipes { stdin, stdout, stderr } => {
                for (stream, fd) in [(Stream::Stdout, stdout), (Stream::Stderr, stderr)] {
                    rustix::io::ioctl_fionbio(&fd, true)?;
                    streams.outputs.push(Output { stream, fd: Some(fd) });
                }
                streams.input = stdin.map(Input::new).transpose()?;
            }
            Ends::Terminal(master) => {
                streams.peer = open_peer(&master);
                if stdin != StdinWish::Closed {
                    streams.input = Some(Input::new(rustix::io::fcntl_dupfd_cloexec(&master, 3)?)?);
                }
                rustix::io::ioctl_fionbio(&master, true)?;
                streams.outputs.push(Output { stream: Stream::Stdout, fd: Some(master) });
            }
        }
        Ok(streams)
    }

    /// Connects a client. What it sent early counts as received.
    pub(crate) fn attach(&mut self, socket: OwnedFd, mut options: AttachOptions) {
        self.numbers += 1;
        let number = self.numbers;
        let framing = if self.has_terminal { Framing::Raw } else { options.framing };
        let early = std::mem::take(&mut options.early_input);
        let listens = options.stdin && self.input.is_some();
        self.clients.push(Client::new(number, socket, options, framing, listens, self.has_terminal));
        if listens && !early.is_empty() {
            self.hear(number, Heard::Bytes(early));
        }
    }

    /// How many clients are connected.
    pub(crate) fn clients(&self) -> usize {
        self.clients.iter().filter(|client| client.is_open()).count()
    }

    /// Whether no client is left, not even one that fetches its last bytes.
    pub(crate) fn is_deserted(&self) -> bool {
        self.clients.is_empty()
    }

    /// The terminal, to change its size.
    pub(crate) fn terminal(&self) -> Option<BorrowedFd<'_>> {
        let output = self.outputs.first().filter(|_| self.has_terminal)?;
        output.fd.as_ref().map(AsFd::as_fd)
    }

    /// The clients that typed their detach keys since the last call.
    pub(crate) fn take_detached(&mut self) -> Vec<String> {
        std::mem::take(&mut self.detached)
    }

    /// Adds what is worth waiting for to a poll set.
    pub(crate) fn interests<'a>(&'a self, mut add: impl FnMut(BorrowedFd<'a>, PollFlags, Part)) {
        for (index, output) in self.outputs.iter().enumerate() {
            if let Some(fd) = &output.fd
                && !self.clients.iter().any(|client| client.holds_up(output.stream))
            {
                add(fd.as_fd(), PollFlags::IN, Part::Output(index));
            }
        }
        // A pipe nobody reads any more reports an error for ever, so it is watched only while bytes wait.
        let waiting = self.input.as_ref().filter(|input| input.is_waiting()).and_then(Input::descriptor);
        if let Some(fd) = waiting {
            add(fd, PollFlags::OUT, Part::Input);
        }
        for client in &self.clients {
            if let Some((fd, flags)) = client.interest(waiting.is_some()) {
                add(fd, flags, Part::Client(client.number()));
            }
        }
    }

    /// Goes on where poll(2) says that something can be done.
    pub(crate) fn ready(&mut self, part: Part, flags: PollFlags, tools: &mut Tools<'_>) {
        match part {
            Part::Output(index) => {
                self.pump_output(index, tools);
            }
            Part::Input => {
                if let Some(input) = &mut self.input {
                    input.flush();
                }
            }
            Part::Client(number) => self.serve_client(number, flags, tools),
        }
    }

    /// Reads a part of an output once; answers how much there was.
    fn pump_output(&mut self, index: usize, tools: &mut Tools<'_>) -> usize {
        let Some(output) = self.outputs.get_mut(index) else { return 0 };
        let Some(fd) = &output.fd else { return 0 };
        let length = match rustix::io::read(fd, &mut *tools.buffer) {
            Ok(length) if length > 0 => length,
            Err(Errno::AGAIN | Errno::INTR) => return 0,
            // A terminal's programs have let go of it, by exit or by vhangup(2): another one may take it.
            Err(Errno::IO) if self.has_terminal && self.peer.take().is_some() && self.grace.is_none() => {
                self.peer = open_peer(fd);
                return 0;
            }
            _ => {
                output.fd = None;
                return 0;
            }
        };
        let stream = output.stream;
        let bytes = &tools.buffer[..length];
        let mut lost = Vec::new();
        for client in &mut self.clients {
            if client.wants(stream) && client.send(stream, bytes) == Sent::Gone {
                lost.push(client.number());
            }
        }
        if let Some(log) = &mut tools.log {
            log.take(stream, bytes);
        }
        for number in lost {
            self.lose_hearing(number);
        }
        length
    }

    fn serve_client(&mut self, number: u64, flags: PollFlags, tools: &mut Tools<'_>) {
        let Some(client) = self.clients.iter_mut().find(|client| client.number() == number) else { return };
        if flags.intersects(PollFlags::OUT) && client.flush() == Sent::Gone {
            return self.lose_hearing(number);
        }
        if flags.intersects(PollFlags::IN) {
            let heard = client.receive(tools.buffer);
            self.hear(number, heard);
        } else if flags.intersects(PollFlags::HUP | PollFlags::ERR) {
            self.lose_hearing(number);
        }
        self.clients.retain(|client| !client.is_done());
    }

    fn hear(&mut self, number: u64, heard: Heard) {
        let Some(client) = self.clients.iter_mut().find(|client| client.number() == number) else { return };
        match heard {
            Heard::Nothing => {}
            Heard::Bytes(bytes) => {
                let mut meant = Vec::new();
                let detached = client.filter(bytes, &mut meant);
                if let Some(input) = &mut self.input {
                    input.push(&meant);
                }
                if detached {
                    self.detached.push(client.label().to_owned());
                    client.stop_listening();
                    self.close_client(number);
                }
            }
            Heard::End => {
                let mut rest = Vec::new();
                client.release_keys(&mut rest);
                client.stop_listening();
                if let Some(input) = &mut self.input {
                    input.push(&rest);
                }
                self.end_of_client_input(number);
            }
        }
    }

    /// A client's input has ended. With `StdinOnce` that is the end of the process's; else, and with a terminal, the
    /// client's session is over, as Docker has it.
    fn end_of_client_input(&mut self, number: u64) {
        if self.once && !self.has_terminal {
            if let Some(input) = &mut self.input {
                input.end();
            }
        } else {
            self.close_client(number);
        }
    }

    /// A client takes no more output. What it has sent before still counts; without that it is gone.
    fn lose_hearing(&mut self, number: u64) {
        self.clients.retain_mut(|client| client.number() != number || client.lose_hearing());
    }

    /// Lets a client have what is waiting for it, then the end.
    fn close_client(&mut self, number: u64) {
        if let Some(client) = self.clients.iter_mut().find(|client| client.number() == number) {
            client.close();
        }
        self.clients.retain(|client| !client.is_done());
    }

    /// The process is over: reads what it has left. Answers whether every output has ended; if not, something
    /// else holds one open, and [`Self::is_over`] tells when to stop waiting for it.
    pub(crate) fn drain(&mut self, now: Instant, tools: &mut Tools<'_>) -> bool {
        self.input = None;
        self.grace = Some(now + GRACE);
        for index in 0..self.outputs.len() {
            let mut total = 0;
            loop {
                let length = self.pump_output(index, tools);
                total += length;
                if length == 0 || total > LAST_GULP {
                    break;
                }
            }
            // A terminal never reports its end here, because this process holds its other side too.
            if self.has_terminal
                && let Some(output) = self.outputs.get_mut(index)
            {
                output.fd = None;
            }
        }
        self.is_over(now)
    }

    /// Whether no more output will be read, after [`Self::drain`].
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.outputs.iter().all(|output| output.fd.is_none()) || self.grace.is_some_and(|end| end <= now)
    }

    /// Lets go of the outputs; every client gets what is waiting for it, then the end.
    pub(crate) fn finish(&mut self) {
        self.outputs.clear();
        self.input = None;
        self.peer = None;
        for client in &mut self.clients {
            client.close();
        }
        self.clients.retain(|client| !client.is_done());
    }

    /// When something must be looked at again though no descriptor moves.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let grace = self.grace.filter(|_| !self.outputs.is_empty());
        self.clients.iter().filter_map(Client::deadline).chain(grace).min()
    }

    /// Drops clients that had time enough.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.clients.retain(|client| client.deadline().is_none_or(|end| end > now));
    }
}

/// Opens the other side of a terminal without becoming its session's.
fn open_peer(master: &OwnedFd) -> Option<OwnedFd> {
    ioctl_tiocgptpeer(master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).ok()
}

#[cfg(test)]
mod tests;
