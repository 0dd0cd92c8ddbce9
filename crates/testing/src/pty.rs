//! A program at a terminal: what a person sees and types.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::wait::{self, PATIENCE};

/// The keys that detach: Ctrl-P, Ctrl-Q.
pub const DETACH: &[u8] = b"\x10\x11";

/// Ctrl-C.
pub const INTERRUPT: &[u8] = b"\x03";

/// A program whose controlling terminal is ours.
#[derive(Debug)]
pub struct Pty {
    what: String,
    child: Child,
    keyboard: File,
    screen: Arc<Screen>,
}

#[derive(Debug, Default)]
struct Screen {
    text: Mutex<Vec<u8>>,
    news: Condvar,
}

impl Screen {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Pty {
    /// Starts `command` at a terminal of 24 lines and 80 columns.
    ///
    /// # Panics
    /// When there is no terminal to be had.
    pub fn start(command: &Command, what: &str) -> Self {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
        grantpt(&master).expect("our own terminal");
        unlockpt(&master).expect("our own terminal");
        let name = ptsname(&master, Vec::new()).expect("our own terminal");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(name, flags, Mode::empty()).expect("our own terminal");
        set_size(&master, 24, 80);

        // setsid(1) makes the terminal the program's own, which needs code between fork and exec.
        let mut wrapped = Command::new("setsid");
        wrapped.arg("--ctty").arg(command.get_program()).args(command.get_args()).env_clear();
        wrapped.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        if let Some(folder) = command.get_current_dir() {
            wrapped.current_dir(folder);
        }
        let end = || Stdio::from(slave.try_clone().expect("descriptor"));
        let child = wrapped.stdin(end()).stdout(end()).stderr(end()).spawn().expect("setsid starts");
        drop(slave);

        let keyboard = File::from(master);
        let screen = Arc::new(Screen::default());
        let (mut reader, shown) = (keyboard.try_clone().expect("descriptor"), Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut buffer = [0_u8; 4096];
            // The read fails with EIO when the last program at the terminal is gone.
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                shown.text.lock().unwrap_or_else(PoisonError::into_inner).extend(&buffer[..count]);
                shown.news.notify_all();
            }
        });
        Self { what: what.to_owned(), child, keyboard, screen }
    }

    /// Types these bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.keyboard.write_all(bytes.as_ref()).expect("the terminal is open");
    }

    /// Waits until the screen shows `text`.
    #[track_caller]
    pub fn expect(&self, text: &str) {
        self.expect_times(text, 1);
    }

    /// Waits until the screen has shown `text` so many times.
    #[track_caller]
    pub fn expect_times(&self, text: &str, times: usize) {
        let deadline = Instant::now() + PATIENCE;
        let mut shown = self.screen.text.lock().unwrap_or_else(PoisonError::into_inner);
        while String::from_utf8_lossy(&shown).matches(text).count() < times {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "`{}` never showed {text:?} {times} times:\n{}",
                self.what,
                String::from_utf8_lossy(&shown)
            );
            let (guard, _) =
                self.screen.news.wait_timeout(shown, left).unwrap_or_else(PoisonError::into_inner);
            shown = guard;
        }
    }

    /// Everything shown so far.
    pub fn screen(&self) -> String {
        self.screen.text()
    }

    /// Changes the window's size, which signals the program.
    pub fn resize(&self, rows: u16, columns: u16) {
        set_size(&self.keyboard, rows, columns);
    }

    /// Waits until the program ends; its exit code.
    #[track_caller]
    pub fn finish(mut self, limit: Duration) -> i32 {
        assert!(wait::exited(self.child.id(), limit), "`{}` goes on:\n{}", self.what, self.screen());
        let status = self.child.wait().expect("our own child");
        std::os::unix::process::ExitStatusExt::signal(&status)
            .map_or(status.code().unwrap_or(-1), |signal| 128 + signal)
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn set_size(terminal: &impl std::os::fd::AsFd, rows: u16, columns: u16) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).expect("a terminal has a size");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_reads_the_keyboard_and_writes_the_screen() {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "tty; stty size; read word; echo got $word; exit 3"])
            .env("PATH", "/usr/bin:/bin");
        let mut pty = Pty::start(&command, "sh");
        pty.expect("24 80");
        pty.send("hello\n");
        pty.expect("got hello");
        assert_eq!(pty.finish(PATIENCE), 3);
    }
}
