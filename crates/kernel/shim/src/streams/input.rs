//! The way to a process's standard input.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

/// A pipe's write end or a terminal, and the bytes it has not taken yet.
#[derive(Debug)]
pub(super) struct Input {
    /// Absent once it is closed or nobody reads it; bytes are dropped then.
    fd: Option<OwnedFd>,
    waiting: Vec<u8>,
    ending: bool,
}

impl Input {
    pub(super) fn new(fd: OwnedFd) -> Result<Self, Errno> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        Ok(Self { fd: Some(fd), waiting: Vec::new(), ending: false })
    }

    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().map(AsFd::as_fd)
    }

    /// Whether bytes are waiting: whoever brings more should not be listened to.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.fd.is_some() && !self.ending {
            self.waiting.extend_from_slice(bytes);
            self.flush();
        }
    }

    /// Closes it once everything has been taken.
    pub(super) fn end(&mut self) {
        self.ending = true;
        self.flush();
    }

    pub(super) fn flush(&mut self) {
        while let Some(fd) = &self.fd
            && !self.waiting.is_empty()
        {
            match rustix::io::write(fd, &self.waiting) {
                Ok(length) => {
                    self.waiting.drain(..length);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                // A terminal without a program; the next one may want what is typed then.
                Err(Errno::IO) => self.waiting.clear(),
                Err(_) => self.fd = None,
            }
        }
        self.waiting = Vec::new();
        if self.ending {
            self.fd = None;
        }
    }
}
