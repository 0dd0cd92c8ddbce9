//! The parent's side of a birth: reads what the child reports, tells it to go on, cleans up after it.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use sys::process::Child;

use crate::error::CreateError;
use crate::plan::ProcessPlan;
use crate::report::{BEGIN, Failure, LENGTH, Message, Step};

/// A child on its way, and the parent's end of its socket. Killed and reaped when dropped, unless it was let go.
#[derive(Debug)]
pub(crate) struct Ward {
    child: Option<Child>,
    socket: OwnedFd,
    pub(crate) terminal: Option<OwnedFd>,
}

impl Ward {
    pub(crate) fn new(child: Child, socket: OwnedFd) -> Self {
        Self { child: Some(child), socket, terminal: None }
    }

    pub(crate) fn child(&self) -> Option<&Child> {
        self.child.as_ref()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, |child| child.pid)
    }

    /// Says one word; that nobody hears it shows in what is read next.
    pub(crate) fn say(&self, word: u8) {
        let _ = sys::socket::send(self.socket.as_fd(), &[word], &[]);
    }

    /// Reads until the child is ready, keeping its terminal. None when it ended without a report.
    pub(crate) fn await_ready(&mut self) -> Result<(), Option<Failure>> {
        loop {
            match self.read() {
                Some(Message::Ready) => return Ok(()),
                Some(Message::Terminal) => {}
                Some(Message::Failed(failure)) => return Err(Some(failure)),
                None => return Err(None),
            }
        }
    }

    /// A failure that the child has reported by now: it may be why the parent's own work failed.
    pub(crate) fn reported_failure(&mut self) -> Option<Failure> {
        loop {
            let mut readable = [PollFd::new(&self.socket, PollFlags::IN)];
            if poll(&mut readable, Some(&Timespec::default())) != Ok(1) {
                return None;
            }
            match self.read()? {
                Message::Failed(failure) => return Some(failure),
                Message::Terminal | Message::Ready => {}
            }
        }
    }

    fn read(&mut self) -> Option<Message> {
        let mut bytes = [0; LENGTH];
        let terminal = &mut self.terminal;
        let mut receive = || sys::socket::receive(self.socket.as_fd(), &mut bytes, |fd| *terminal = Some(fd));
        // A child that ended without hearing our last word resets the connection; its own last word is behind that.
        let length = match receive() {
            Err(Errno::CONNRESET) => receive(),
            other => other,
        };
        let length = length.ok()?;
        if length == LENGTH { Message::from_bytes(bytes) } else { None }
    }

    /// Applies what only the parent can: the host's `/proc` is out of the child's sight.
    pub(crate) fn apply(&self, process: &ProcessPlan) -> Result<(), CreateError> {
        let pid = self.pid();
        if let Some(adjustment) = process.oom_score_adj {
            let path = format!("/proc/{pid}/oom_score_adj");
            fs::write(&path, adjustment.to_string()).map_err(|cause| {
                let errno = Errno::from_io_error(&cause).unwrap_or(Errno::IO);
                CreateError::step(format!("unable to apply oom score adj: write {path}"), errno)
            })?;
        }
        Ok(())
    }

    /// Lets the program begin, and waits until it has. A failure of exec itself is the container's business: its
    /// process has begun, wrote the reason to its stderr and ends with 255, as under runc.
    pub(crate) fn begin(&mut self) -> Result<(), CreateError> {
        self.say(BEGIN);
        match self.read() {
            None | Some(Message::Failed(Failure { step: Step::Execute, .. })) => Ok(()),
            Some(_) => Err(CreateError::Gone),
        }
    }

    /// Gives the child away: it is no longer killed.
    pub(crate) fn release(mut self) -> Option<Child> {
        self.child.take()
    }
}

impl Drop for Ward {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            let _ = pidfd_send_signal(&child.pidfd, Signal::KILL);
            let _ = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED);
        }
    }
}
