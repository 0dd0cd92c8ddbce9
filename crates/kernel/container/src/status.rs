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

/// State (field 3) and start time (field 22) of `/proc/pid/stat`, behind the name in brackets, which may hold anything.
fn lives(pid: Pid, start_time: u64) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())) else { return false };
    let Some((_, rest)) = stat.rsplit_once(')') else { return false };
    let mut fields = rest.split_ascii_whitespace();
    let is_dead = matches!(fields.next(), None | Some("Z" | "X" | "x"));
    !is_dead && fields.nth(18).and_then(|field| field.parse().ok()) == Some(start_time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_counts_only_with_its_start_time() {
        let own = std::process::id();
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        let start =
            stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().nth(19).unwrap().parse().unwrap();
        assert!(open_process(own, start).is_some());
        assert!(open_process(own, start + 1).is_none());
        assert!(open_process(0, start).is_none());
    }
}
