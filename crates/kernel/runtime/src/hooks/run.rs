//! One hook: born, fed, waited for. Nothing here allocates.

use std::fmt::{self, Write};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{SeekFrom, ftruncate, seek};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use sys::process::{
    Birth, Child, clone_process, close_on_exec_from, execute, replace_standard_stream, reset_signals,
};

use super::{HookList, HookPlan, HookStage};
use crate::report::words;

/// Why a hook failed.
enum Setback {
    /// It could not be started.
    NotStarted(Errno),
    /// It ended with this code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// It was killed after its time.
    Late(u64),
}

impl HookStage {
    /// Runs hooks one after the other, telling them this pid. Gives the place of the first that fails; the reason stands
    /// in the files.
    pub(crate) fn run(&self, list: &HookList, range: Range<usize>, pid: Option<u32>) -> Result<(), usize> {
        for (index, hook) in list.hooks.iter().enumerate().skip(range.start).take(range.len()) {
            let setback = match self.run_one(hook, pid) {
                Ok(None) => continue,
                Ok(Some(setback)) => setback,
                Err(errno) => Setback::NotStarted(errno),
            };
            let mut text = Text { bytes: [0; 256], length: 0 };
            let _ = match setback {
                Setback::NotStarted(errno) => {
                    write!(text, "fork/exec {}: {}", hook.path.to_str().unwrap_or("?"), words(errno))
                }
                Setback::Code(code) => write!(text, "exit status {code}"),
                Setback::Signal(number) => match sys::signal::words(number) {
                    Some(words) => write!(text, "signal: {words}"),
                    None => write!(text, "signal: signal {number}"),
                },
                Setback::Late(seconds) => {
                    write!(text, "hook ran past specified timeout of {seconds}.0s")
                }
            };
            let _ = refill(self.reason.as_fd(), &[text.bytes.get(..text.length).unwrap_or_default()]);
            return Err(index);
        }
        Ok(())
    }

    fn run_one(&self, hook: &HookPlan, pid: Option<u32>) -> Result<Option<Setback>, Errno> {
        let mut number = Text { bytes: [0; 256], length: 0 };
        let _ = match pid {
            Some(pid) => write!(number, "{{\"pid\":{pid},"),
            None => write!(number, "{{"),
        };
        let number = number.bytes.get(..number.length).unwrap_or_default();
        refill(self.stdin.as_fd(), &[number, self.state.as_bytes()])?;
        refill(self.stdout.as_fd(), &[])?;
        refill(self.stderr.as_fd(), &[])?;
        let (failure, tell) = pipe_with(PipeFlags::CLOEXEC)?;
        let child = clone_process(Birth::default(), || {
            let errno = self.become_hook(hook);
            let _ = rustix::io::write(&tell, &errno.raw_os_error().to_ne_bytes());
            127
        })?;
        drop(tell);
        let end = hook.limit.map(|limit| (Instant::now() + limit, limit.as_secs()));
        let is_late = !ends_before(&child, end.map(|(end, _)| end));
        if is_late {
            let _ = pidfd_send_signal(&child.pidfd, Signal::KILL);
        }
        let status =
            waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED)?.ok_or(Errno::CHILD)?;
        let mut errno = [0; 4];
        if rustix::io::read(&failure, &mut errno) == Ok(errno.len()) {
            return Err(Errno::from_raw_os_error(i32::from_ne_bytes(errno)));
        }
        Ok(match (end.filter(|_| is_late), status.exit_status(), status.terminating_signal()) {
            (Some((_, seconds)), ..) => Some(Setback::Late(seconds)),
            (None, Some(0), _) => None,
            (None, Some(code), _) => Some(Setback::Code(code)),
            (None, None, signal) => Some(Setback::Signal(signal.unwrap_or(0))),
        })
    }

    fn become_hook(&self, hook: &HookPlan) -> Errno {
        reset_signals();
        for (number, stream) in (0..).zip([&self.stdin, &self.stdout, &self.stderr]) {
            if let Err(errno) = replace_standard_stream(stream.as_fd(), number) {
                return errno;
            }
        }
        if let Err(errno) = close_on_exec_from(3) {
            return errno;
        }
        execute(&hook.path, &hook.arguments, &hook.environment)
    }
}

/// Empties a file and writes into it from its beginning; leaves the offset there.
fn refill(file: BorrowedFd<'_>, parts: &[&[u8]]) -> Result<(), Errno> {
    ftruncate(file, 0)?;
    let mut offset = 0;
    for mut part in parts.iter().copied() {
        while !part.is_empty() {
            let written = rustix::io::pwrite(file, part, offset)?;
            offset += u64::try_from(written).unwrap_or(0);
            part = part.get(written..).unwrap_or_default();
        }
    }
    seek(file, SeekFrom::Start(0)).map(drop)
}

/// Waits for a process to end, but not beyond `end`.
fn ends_before(child: &Child, end: Option<Instant>) -> bool {
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let left = left.map(|left| Timespec::try_from(left).unwrap_or_default());
        match poll(&mut [PollFd::new(&child.pidfd, PollFlags::IN)], left.as_ref()) {
            Ok(0) => return false,
            Err(Errno::INTR) => {}
            Ok(_) | Err(_) => return true,
        }
    }
}

/// A short text, cut at the end of its buffer.
struct Text {
    bytes: [u8; 256],
    length: usize,
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.length..).unwrap_or_default();
        let length = text.len().min(room.len());
        for (to, from) in room.iter_mut().zip(text.as_bytes()) {
            *to = *from;
        }
        self.length += length;
        Ok(())
    }
}
