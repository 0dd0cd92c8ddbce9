//! Running a program to its end, with a deadline and everything it printed.

use std::fs::File;
use std::io::Seek;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::wait;

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// What was run, for messages.
    pub what: String,
    /// Exit code as a shell shows it: 128 + signal for a killed program.
    pub code: i32,
    /// Everything on standard output.
    pub stdout: String,
    /// Everything on standard error.
    pub stderr: String,
    /// Wall time from start to end.
    pub took: Duration,
}

impl Ran {
    /// Fails the test unless the exit code is `code`.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code of {self}");
        self
    }

    /// Fails the test unless the program succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.code(0)
    }

    /// Fails the test unless standard output is exactly `text`.
    #[track_caller]
    pub fn prints(self, text: &str) -> Self {
        assert_eq!(self.stdout, text, "standard output of {self}");
        self
    }

    /// Fails the test unless standard output holds `text`.
    #[track_caller]
    pub fn shows(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "no {text:?} in the output of {self}");
        self
    }

    /// Fails the test unless standard error holds `text`.
    #[track_caller]
    pub fn complains(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no {text:?} in the complaint of {self}");
        self
    }

    /// Standard output without white space at its ends.
    pub fn text(&self) -> &str {
        self.stdout.trim()
    }

    /// The lines of standard output.
    pub fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON ({error}) from {self}"))
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "`{}` (exit {}, {} ms)\n--- stdout\n{}\n--- stderr\n{}\n---",
            self.what,
            self.code,
            self.took.as_millis(),
            self.stdout.trim_end(),
            self.stderr.trim_end()
        )
    }
}

/// An anonymous file for a program to write to: unlike a pipe it never fills up, and a child that
/// outlives the program does not keep the reader waiting.
fn scratch() -> File {
    File::from(memfd_create("output", MemfdFlags::CLOEXEC).expect("memfd_create(2)"))
}

/// A program that runs beside the test; killed with its process group when dropped.
#[derive(Debug)]
pub struct Running {
    what: String,
    child: Child,
    stdout: File,
    stderr: File,
    since: Instant,
}

/// Starts `command` in a process group of its own, with its output collected.
///
/// # Panics
/// When the program cannot be started.
#[track_caller]
pub fn start(mut command: Command, what: &str) -> Running {
    let (stdout, stderr) = (scratch(), scratch());
    let child = command
        .stdout(Stdio::from(stdout.try_clone().expect("descriptor")))
        .stderr(Stdio::from(stderr.try_clone().expect("descriptor")))
        .process_group(0)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start `{what}`: {error}"));
    Running { what: what.to_owned(), child, stdout, stderr, since: Instant::now() }
}

impl Running {
    /// Process id of the program, which is also its process group.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Gives the program's standard input away, if it was started with a pipe.
    pub fn take_stdin(&mut self) -> Option<std::process::ChildStdin> {
        self.child.stdin.take()
    }

    /// Everything on standard output so far.
    pub fn stdout_so_far(&self) -> String {
        // The offset is shared with the writer, so the file is read by position, not by seeking.
        read_by_position(&self.stdout)
    }

    /// Everything on standard error so far.
    pub fn stderr_so_far(&self) -> String {
        read_by_position(&self.stderr)
    }

    /// Waits until standard output holds `text`.
    #[track_caller]
    pub fn expect_output(&self, text: &str) {
        let seen = wait::until(wait::PATIENCE, || self.stdout_so_far().contains(text));
        assert!(
            seen,
            "`{}` never printed {text:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.what,
            self.stdout_so_far(),
            self.stderr_so_far()
        );
    }

    /// Sends a signal to the program alone.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, signal);
    }

    /// Waits for the end, or kills the whole group after `limit` and fails the test.
    #[track_caller]
    pub fn finish(mut self, limit: Duration) -> Ran {
        let in_time = wait::exited(self.child.id(), limit);
        if !in_time {
            self.kill_group();
        }
        let status = self.child.wait().expect("our own child");
        let ran = Ran {
            what: self.what.clone(),
            code: shell_code(status),
            stdout: read_by_position(&self.stdout),
            stderr: read_by_position(&self.stderr),
            took: self.since.elapsed(),
        };
        assert!(in_time, "not finished after {limit:?}: {ran}");
        ran
    }

    fn kill_group(&self) {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill_group();
            let _ = self.child.wait();
        }
    }
}

fn read_by_position(file: &File) -> String {
    use std::os::unix::fs::FileExt;
    let length = usize::try_from(file.metadata().map_or(0, |meta| meta.len())).unwrap_or(0);
    let mut bytes = vec![0; length];
    let got = file.read_at(&mut bytes, 0).unwrap_or(0);
    bytes.truncate(got);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn shell_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Runs `command` to its end within `limit`, feeding it `stdin`.
#[track_caller]
pub fn run(mut command: Command, what: &str, stdin: &[u8], limit: Duration) -> Ran {
    if stdin.is_empty() {
        command.stdin(Stdio::null());
    } else {
        let mut file = scratch();
        std::io::Write::write_all(&mut file, stdin).expect("memory files write");
        file.rewind().expect("memory files seek");
        command.stdin(Stdio::from(file));
    }
    start(command, what).finish(limit)
}

/// Runs a line of shell without a deadline worth naming, for the tests' own chores.
#[track_caller]
pub fn shell(line: &str) -> Ran {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", line]);
    run(command, line, b"", Duration::from_secs(300))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_and_code_are_collected() {
        let ran = shell("echo out; echo err >&2; exit 7");
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (7, "out\n", "err\n"));
    }

    #[test]
    fn a_program_that_outlives_its_parent_does_not_hold_the_reader() {
        let ran = shell("sleep 5 & echo done");
        assert_eq!(ran.stdout, "done\n");
        assert!(ran.took < Duration::from_secs(4));
    }

    #[test]
    #[should_panic(expected = "not finished after")]
    fn a_program_past_its_deadline_is_killed() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "sleep 100"]);
        run(command, "sleep 100", b"", Duration::from_millis(50));
    }
}
