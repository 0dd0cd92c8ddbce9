//! What a container is doing, derived from the kernel.

use std::fmt;
use std::fs;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// What a container is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Its creator is at work.
    Creating,
    /// It waits to be started.
    Created,
    /// Its program runs.
    Running,
    /// Its processes are frozen.
    Paused,
    /// Its first process has ended.
    Stopped,
}

impl Status {
    /// The word for it (OCI runtime-spec, State; `paused` is runc's).
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

/// A handle on the process with this id and start time, if it still lives.
pub(crate) fn open_process(pid: u32, start_time: u64) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    // Asked after the handle exists: from here on it is the same process.
    lives(pid, start_time).then_some(pidfd)
}

/// Whether it has not ended, and is the one that began then.
fn lives(pid: Pid, start_time: u64) -> bool {
    match look(pid.as_raw_nonzero().get().unsigned_abs()) {
        Some((state, start)) => !matches!(state, 'Z' | 'X' | 'x') && start == start_time,
        None => false,
    }
}

/// Clock ticks since boot at which a process began, which make its id unique.
pub(crate) fn start_time(pid: u32) -> Option<u64> {
    look(pid).map(|(_, start)| start)
}

/// State (field 3) and start time (field 22) of `/proc/pid/stat`, behind the name in brackets, which may hold anything.
fn look(pid: u32) -> Option<(char, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_counts_only_with_its_start_time() {
        let own = std::process::id();
        let start = start_time(own).unwrap();
        assert!(open_process(own, start).is_some());
        assert!(open_process(own, start + 1).is_none());
        assert!(open_process(0, start).is_none());
    }
}
