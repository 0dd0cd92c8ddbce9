//! The parent's side of a birth: reads what the child reports, tells it to go on, cleans up after it.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use sys::mount::Reach;
use sys::process::Child;

use crate::error::CreateError;
use crate::plan::ProcessPlan;
use crate::report::{
    BEGIN, Failure, LENGTH, LINKS_ARE_THERE, MOUNT_IS_MAPPED, MOUNT_IS_NOT_MAPPED, Message, Step,
};
use crate::seccomp::Listener;

/// How long a killed child is waited for. One that hangs in the kernel (a dead file server, a frozen group) dies
/// when the kernel lets go of it, and its parent has others to serve.
const DEATH_LIMIT: Duration = Duration::from_secs(1);

/// A child on its way, and the parent's end of its socket. Killed and reaped when dropped, unless it was let go.
#[derive(Debug)]
pub(crate) struct Ward {
    child: Option<Child>,
    socket: OwnedFd,
    /// How long it may take to each of its two reports: that it is ready, and that its program has begun.
    limit: Duration,
    pub(crate) terminal: Option<OwnedFd>,
    /// What came with the last message.
    received: Option<OwnedFd>,
    /// How the ids of mounts are mapped that the child makes itself.
    pub(crate) mappings: Vec<Mapping>,
}

/// Ids of one mount.
#[derive(Debug)]
pub(crate) struct Mapping {
    /// Which mount of the plan.
    pub(crate) index: usize,
    pub(crate) reach: Reach,
    /// A user namespace that has them.
    pub(crate) namespace: OwnedFd,
}

/// Why a child will not become ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setback {
    /// It said why.
    Reported(Failure),
    /// It ended without a report.
    Gone,
    /// It said nothing for so long.
    Late(Duration),
}

/// What a child waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    /// The hooks of the runtime.
    Hooks,
    /// To be told to begin.
    Ready,
    /// That its listener, this descriptor, comes to the agent: it goes on, but any call may wait for an answer.
    Listener(i32),
}

impl Ward {
    pub(crate) fn new(child: Child, socket: OwnedFd, limit: Duration) -> Self {
        Self { child: Some(child), socket, limit, terminal: None, received: None, mappings: Vec::new() }
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

    /// Reads until the child is ready, keeping its terminal, and gives its filter's listener to the agent.
    pub(crate) fn await_ready(
        &mut self,
        listener: Option<Listener<'_>>,
        explain: impl Fn(Setback) -> CreateError,
    ) -> Result<(), CreateError> {
        loop {
            match self.await_pause().map_err(&explain)? {
                Pause::Ready => return Ok(()),
                Pause::Hooks => {}
                Pause::Listener(number) => {
                    let listener = listener
                        .ok_or_else(|| CreateError::Invalid("seccomp listenerPath is not set".to_owned()))?;
                    let child = self.child.as_ref().ok_or(CreateError::Gone)?;
                    listener.hand_over(child.pid, child.pidfd.as_fd(), number)?;
                }
            }
        }
    }

    /// Reads until the child waits for the parent.
    pub(crate) fn await_pause(&mut self) -> Result<Pause, Setback> {
        let end = self.end();
        loop {
            match self.read_until(end)? {
                Some(Message::Ready) => return Ok(Pause::Ready),
                Some(Message::HooksDue) => return Ok(Pause::Hooks),
                Some(Message::Listener(number)) => return Ok(Pause::Listener(number)),
                Some(Message::Terminal) => {}
                Some(Message::MapIds(index)) => self.map_ids(usize::from(index)),
                // Nobody listens here before the links are there.
                Some(Message::LinksDue) => self.say(LINKS_ARE_THERE),
                Some(Message::Failed(failure)) => return Err(Setback::Reported(failure)),
                None => return Err(Setback::Gone),
            }
        }
    }

    /// Maps the ids of a clone that the child made inside its user namespace, where nobody may.
    fn map_ids(&mut self, index: usize) {
        let clone = self.received.take();
        let mapping = self.mappings.iter().find(|mapping| mapping.index == index);
        let outcome = clone.zip(mapping).map(|(clone, mapping)| {
            sys::mount::map_ids(clone.as_fd(), mapping.reach, mapping.namespace.as_fd())
        });
        self.say(if outcome == Some(Ok(())) { MOUNT_IS_MAPPED } else { MOUNT_IS_NOT_MAPPED });
    }

    /// Gives it all the time of the world, where hooks run on its way: they have limits of their own.
    pub(crate) fn be_patient(&mut self) {
        self.limit = Duration::MAX;
    }

    fn end(&self) -> Option<Instant> {
        Instant::now().checked_add(self.limit)
    }

    /// A failure that the child has reported by now: it may be why the parent's own work failed.
    pub(crate) fn reported_failure(&mut self) -> Option<Failure> {
        loop {
            if !becomes_readable(&self.socket, Some(Instant::now())) {
                return None;
            }
            match self.read()? {
                Message::Failed(failure) => return Some(failure),
                Message::Terminal | Message::Ready | Message::HooksDue | Message::LinksDue => {}
                Message::Listener(_) | Message::MapIds(_) => {}
            }
        }
    }

    /// The next message; none when the child's end is closed.
    fn read_until(&mut self, end: Option<Instant>) -> Result<Option<Message>, Setback> {
        if becomes_readable(&self.socket, end) { Ok(self.read()) } else { Err(Setback::Late(self.limit)) }
    }

    fn read(&mut self) -> Option<Message> {
        let mut bytes = [0; LENGTH];
        let received = &mut self.received;
        let mut receive = || sys::socket::receive(self.socket.as_fd(), &mut bytes, |fd| *received = Some(fd));
        // A child that ended without hearing our last word resets the connection; its own last word is behind that.
        let length = match receive() {
            Err(Errno::CONNRESET) => receive(),
            other => other,
        };
        let length = length.ok()?;
        let message = if length == LENGTH { Message::from_bytes(bytes) } else { None };
        if message == Some(Message::Terminal) {
            self.terminal = self.received.take();
        }
        message
    }

    /// Applies what only the parent can: the host's `/proc` is out of the child's sight.
    pub(crate) fn apply(&self, process: &ProcessPlan) -> Result<(), CreateError> {
        let pid = self.pid();
        for (number, soft, hard) in process.limits.iter().filter(|_| process.has_outer_limits) {
            sys::process::set_limit(pid, *number, *soft, *hard)
                .map_err(|errno| CreateError::step(format!("error setting rlimit type {number}"), errno))?;
        }
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
    pub(crate) fn begin(&mut self) -> Result<(), Setback> {
        self.say(BEGIN);
        match self.read_until(self.end())? {
            None | Some(Message::Failed(Failure { step: Step::Execute, .. })) => Ok(()),
            Some(Message::Failed(failure)) => Err(Setback::Reported(failure)),
            Some(_) => Err(Setback::Gone),
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
            if becomes_readable(&child.pidfd, Some(Instant::now() + DEATH_LIMIT)) {
                let _ = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED);
            }
        }
    }
}

/// Waits until something can be read, or the other side is gone, but not beyond `end`; without one, for ever.
fn becomes_readable(fd: &OwnedFd, end: Option<Instant>) -> bool {
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let left = left.map(|left| Timespec::try_from(left).unwrap_or_default());
        match poll(&mut [PollFd::new(fd, PollFlags::IN)], left.as_ref()) {
            Ok(0) => return false,
            Err(Errno::INTR) => {}
            // A socket that cannot be polled is read, which tells why.
            Ok(_) | Err(_) => return true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Pid, test_kill_process};
    use sys::process::{Birth, clone_process};

    /// A child that says `first`, if anything, and then hangs.
    fn hanging(first: Option<Message>) -> (Ward, Pid) {
        let (ours, theirs) = sys::socket::message_pair().unwrap();
        let child = clone_process(Birth::default(), || {
            if let Some(message) = first {
                let _ = rustix::io::write(&theirs, &message.to_bytes());
            }
            loop {
                let _ = poll(&mut [], Some(&Timespec { tv_sec: 60, tv_nsec: 0 }));
            }
        })
        .unwrap();
        let pid = Pid::from_raw(i32::try_from(child.pid).unwrap()).unwrap();
        (Ward::new(child, ours, Duration::from_millis(50)), pid)
    }

    #[test]
    fn a_child_that_never_becomes_ready_is_given_up_and_killed() {
        let (mut ward, pid) = hanging(None);
        assert_eq!(ward.await_pause(), Err(Setback::Late(Duration::from_millis(50))));
        assert_eq!(test_kill_process(pid), Ok(()));
        drop(ward);
        assert_eq!(test_kill_process(pid), Err(Errno::SRCH));
    }

    #[test]
    fn a_program_that_never_begins_is_given_up() {
        let (mut ward, pid) = hanging(Some(Message::Ready));
        assert_eq!(ward.await_pause(), Ok(Pause::Ready));
        assert_eq!(ward.begin(), Err(Setback::Late(Duration::from_millis(50))));
        let error = CreateError::Late(Duration::from_millis(50));
        assert_eq!(error.to_string(), "the container's process was not ready within 50ms");
        drop(ward);
        assert_eq!(test_kill_process(pid), Err(Errno::SRCH));
    }
}
