//! Signals as values that a thread waits for, instead of handlers. `signalfd(2)`, Linux 2.6.27.

use rustix::io::Errno;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

/// Signals that no longer interrupt the process but are read one by one.
#[derive(Debug)]
pub struct Signals(OwnedFd);

fn set_of(signals: &[i32]) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigemptyset` only writes the set it is given.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: `sigemptyset` filled the whole set.
    let mut set = unsafe { set.assume_init() };
    for signal in signals {
        // SAFETY: `set` is a filled set; a number that is no signal is refused with EINVAL and changes nothing.
        unsafe { libc::sigaddset(&raw mut set, *signal) };
    }
    set
}

impl Signals {
    /// Blocks `signals` in this thread and in those it starts from now on, and collects them.
    ///
    /// # Errors
    /// No descriptor is free.
    pub fn collect(signals: &[i32]) -> Result<Signals, Errno> {
        let set = set_of(signals);
        // SAFETY: both calls only read the filled set; the old mask is not wanted.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
        // SAFETY: the kernel only reads the set.
        let fd = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC) };
        if fd < 0 {
            return Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL));
        }
        // SAFETY: `fd` was just made and is owned by nobody else.
        Ok(Signals(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Waits for the next signal and gives its number.
    ///
    /// # Errors
    /// The descriptor cannot be read.
    pub fn wait(&self) -> Result<i32, Errno> {
        let mut record = [0; size_of::<libc::signalfd_siginfo>()];
        loop {
            match rustix::io::read(&self.0, &mut record) {
                Ok(_) => return Ok(i32::from_ne_bytes([record[0], record[1], record[2], record[3]])),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What a signal is called in messages; none for those without a meaning of their own.
#[must_use]
pub fn words(signal: i32) -> Option<&'static str> {
    const WORDS: [&str; 31] = [
        "hangup",
        "interrupt",
        "quit",
        "illegal instruction",
        "trace/breakpoint trap",
        "aborted",
        "bus error",
        "floating point exception",
        "killed",
        "user defined signal 1",
        "segmentation fault",
        "user defined signal 2",
        "broken pipe",
        "alarm clock",
        "terminated",
        "stack fault",
        "child exited",
        "continued",
        "stopped (signal)",
        "stopped",
        "stopped (tty input)",
        "stopped (tty output)",
        "urgent I/O condition",
        "CPU time limit exceeded",
        "file size limit exceeded",
        "virtual timer expired",
        "profiling timer expired",
        "window changed",
        "I/O possible",
        "power failure",
        "bad system call",
    ];
    WORDS.get(usize::try_from(signal).ok()?.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collected_signal_is_read_and_kills_nobody() {
        let signals = Signals::collect(&[libc::SIGUSR2, libc::SIGHUP]).unwrap();
        let myself = rustix::thread::gettid().as_raw_nonzero().get();
        // SAFETY: sends a signal, which is blocked in this thread, to this thread.
        let sent = unsafe { libc::syscall(libc::SYS_tgkill, std::process::id(), myself, libc::SIGUSR2) };
        assert_eq!(sent, 0);
        assert_eq!(signals.wait(), Ok(libc::SIGUSR2));
    }

    #[test]
    fn signals_have_names() {
        assert_eq!(
            [words(9), words(31), words(0), words(64)],
            [Some("killed"), Some("bad system call"), None, None]
        );
    }
}
