//! A process that this one waits for: signals go to it, its terminal is joined to ours, its exit code is ours.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use runtime::WindowSize;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{Errno, ioctl_fionbio, read, write};
use rustix::process::{Pid, WaitOptions, WaitStatus, set_child_subreaper, wait};
use rustix::termios::{OptionalActions, OutputModes, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};
use sys::signal::Signals;

use crate::Failure;

/// SIGCHLD, SIGURG, SIGWINCH.
const CHILD: i32 = 17;
const URGENT: i32 = 23;
const WINDOW: i32 = 28;

/// Signals that tell of a fault of this process itself, or cannot be had.
const OWN: [i32; 6] = [4, 7, 8, 9, 11, 19];

/// Readiness to wait for a process.
#[derive(Debug)]
pub(crate) struct Foreground {
    signals: Signals,
    host: Option<Host>,
}

/// The terminal that we were called from; as it was, when this ends.
#[derive(Debug)]
struct Host {
    terminal: OwnedFd,
    before: Termios,
}

impl Foreground {
    /// Collects signals from now on, so that none is lost; looks for a terminal where one is wanted.
    pub(crate) fn prepare(wants_terminal: bool, reaps_orphans: bool) -> Result<Self, Failure> {
        let host = if wants_terminal { Some(Host::find()?) } else { None };
        if reaps_orphans {
            let _ = set_child_subreaper(Some(Pid::INIT));
        }
        let all: Vec<_> = (1..=64).filter(|signal| !OWN.contains(signal)).collect();
        Ok(Self { signals: Signals::collect(&all)?, host })
    }

    /// The size of our terminal.
    pub(crate) fn size(&self) -> Option<WindowSize> {
        self.host.as_ref().and_then(Host::size)
    }

    /// Waits for the process; gives its exit code, or 128 and the signal.
    pub(crate) fn attend(
        self,
        pid: u32,
        pidfd: BorrowedFd<'_>,
        terminal: Option<OwnedFd>,
    ) -> Result<u8, Failure> {
        let mut relay = terminal.map(Relay::new).transpose()?;
        if let (Some(host), Some(_)) = (&self.host, &relay) {
            host.become_raw()?;
        }
        self.resize(relay.as_ref());
        loop {
            let is_signalled = match &mut relay {
                None => true,
                Some(relay) => relay.step(self.signals.as_fd())?,
            };
            if !is_signalled {
                continue;
            }
            match self.signals.wait()? {
                CHILD => {
                    if let Some(code) = reap(pid) {
                        if let Some(relay) = &mut relay {
                            relay.drain();
                        }
                        return Ok(code);
                    }
                }
                WINDOW => self.resize(relay.as_ref()),
                URGENT => {}
                signal => {
                    let _ = sys::process::signal_pidfd(pidfd, signal);
                }
            }
        }
    }

    fn resize(&self, relay: Option<&Relay>) {
        if let (Some(relay), Some(size)) = (relay, self.size()) {
            let _ = sys::pty::set_size(relay.master.as_fd(), size.rows, size.columns);
        }
    }
}

/// Takes in all children that have ended; the exit code of the one that counts.
fn reap(pid: u32) -> Option<u8> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((ended, status))) if u32::try_from(ended.as_raw_nonzero().get()) == Ok(pid) => {
                return Some(code(status));
            }
            Ok(Some(_)) | Err(Errno::INTR) => {}
            _ => return None,
        }
    }
}

fn code(status: WaitStatus) -> u8 {
    let code = status.exit_status().or(status.terminating_signal().map(|signal| 128 + signal));
    u8::try_from(code.unwrap_or(255)).unwrap_or(255)
}

impl Host {
    /// Any of the standard streams, or else the controlling terminal.
    fn find() -> Result<Self, Failure> {
        for stream in [rustix::stdio::stderr(), rustix::stdio::stdout(), rustix::stdio::stdin()] {
            if isatty(stream) {
                return Self::new(stream.try_clone_to_owned()?);
            }
        }
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = openat(CWD, c"/dev/tty", flags, Mode::empty()).map_err(|errno| {
            let cause = std::io::Error::from(errno);
            Failure::new(format!("open /dev/tty: {}", cause.to_string().to_lowercase()))
        })?;
        Self::new(terminal)
    }

    fn new(terminal: OwnedFd) -> Result<Self, Failure> {
        let before = tcgetattr(&terminal)?;
        Ok(Self { terminal, before })
    }

    fn size(&self) -> Option<WindowSize> {
        let size = tcgetwinsize(&self.terminal).ok()?;
        Some(WindowSize { rows: size.ws_row, columns: size.ws_col })
    }

    /// Every key goes to the container. Line ends are still made here: output may also come from elsewhere.
    fn become_raw(&self) -> Result<(), Failure> {
        let mut raw = self.before.clone();
        raw.make_raw();
        raw.output_modes |= OutputModes::OPOST;
        Ok(tcsetattr(&self.terminal, OptionalActions::Now, &raw)?)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

/// Joins the container's terminal to our stdin and stdout.
#[derive(Debug)]
struct Relay {
    master: File,
    /// Read from stdin, not yet taken by the terminal.
    pending: Vec<u8>,
    has_input: bool,
    has_output: bool,
}

impl Relay {
    fn new(master: OwnedFd) -> Result<Self, Failure> {
        ioctl_fionbio(&master, true)?;
        Ok(Self { master: master.into(), pending: Vec::new(), has_input: true, has_output: true })
    }

    /// Waits for something to do and does it; whether a signal has come.
    fn step(&mut self, signals: BorrowedFd<'_>) -> Result<bool, Failure> {
        let mut wanted = PollFlags::empty();
        wanted.set(PollFlags::IN, self.has_output);
        wanted.set(PollFlags::OUT, !self.pending.is_empty());
        let reads = self.has_input && self.pending.is_empty();
        let (is_signalled, terminal, input) = {
            let stdin = rustix::stdio::stdin();
            let mut watched = vec![PollFd::from_borrowed_fd(signals, PollFlags::IN)];
            if !wanted.is_empty() {
                watched.push(PollFd::new(&self.master, wanted));
            }
            if reads {
                watched.push(PollFd::from_borrowed_fd(stdin, PollFlags::IN));
            }
            match poll(&mut watched, None) {
                Err(Errno::INTR) => return Ok(false),
                other => other?,
            };
            let mut results = watched.iter().map(PollFd::revents);
            let signal = results.next().unwrap_or(PollFlags::empty());
            let terminal = if wanted.is_empty() {
                PollFlags::empty()
            } else {
                results.next().unwrap_or(PollFlags::empty())
            };
            let input = if reads { results.next().unwrap_or(PollFlags::empty()) } else { PollFlags::empty() };
            (!signal.is_empty(), terminal, input)
        };
        if terminal.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            self.pump();
        }
        if terminal.contains(PollFlags::OUT) {
            self.push();
        }
        if !input.is_empty() {
            let mut buffer = [0; 4096];
            match read(rustix::stdio::stdin(), &mut buffer) {
                Ok(0) | Err(_) => self.has_input = false,
                Ok(count) => {
                    self.pending.extend(&buffer[..count]);
                    self.push();
                }
            }
        }
        Ok(is_signalled)
    }

    /// From the container to stdout; false when there is nothing for now.
    fn pump(&mut self) -> bool {
        let mut buffer = [0; 32 << 10];
        match read(&self.master, &mut buffer) {
            Ok(0) => self.has_output = false,
            Ok(count) => {
                let mut rest = &buffer[..count];
                while !rest.is_empty() {
                    match write(rustix::stdio::stdout(), rest) {
                        Ok(count) => rest = &rest[count..],
                        Err(Errno::INTR | Errno::AGAIN) => {}
                        // Nobody reads: the container need not wait for that.
                        Err(_) => break,
                    }
                }
                return true;
            }
            Err(Errno::INTR | Errno::AGAIN) => {}
            // EIO: nobody has the other side open.
            Err(_) => self.has_output = false,
        }
        false
    }

    fn push(&mut self) {
        match write(&self.master, &self.pending) {
            Ok(count) => drop(self.pending.drain(..count)),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => self.pending.clear(),
        }
    }

    /// What was written before the end.
    fn drain(&mut self) {
        while self.has_output && self.pump() {}
    }
}
