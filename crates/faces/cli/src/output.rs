//! The one writer to stdout and stderr.

use crate::terminal;
use std::io::{self, Write};

/// Exit code of a process that SIGPIPE ended, which is what Docker's client does when nobody reads.
const NOBODY_READS: i32 = 141;

fn write_out(text: &str, newline: &str) {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.write_all(newline.as_bytes()));
    if let Err(error) = written.and_then(|()| out.flush())
        && error.kind() == io::ErrorKind::BrokenPipe
    {
        nobody_reads();
    }
}

fn nobody_reads() -> ! {
    terminal::restore();
    std::process::exit(NOBODY_READS);
}

/// Writes `text` to stdout.
pub(crate) fn text(text: &str) {
    write_out(text, "");
}

/// Writes `text` and a newline to stdout.
pub(crate) fn line(text: &str) {
    write_out(text, "\n");
}

/// Writes `text` to stderr. There is nowhere to report a failure to.
pub(crate) fn error_text(text: &str) {
    drop(io::stderr().lock().write_all(text.as_bytes()));
}

/// Writes `text` and a newline to stderr.
pub(crate) fn error_line(text: &str) {
    error_text(&format!("{text}\n"));
}

/// Where a stream of text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    /// Standard output.
    Out,
    /// Standard error.
    Error,
    /// Nowhere.
    Nowhere,
}

impl Channel {
    /// Writes `text` there.
    pub(crate) fn write(self, shown: &str) {
        match self {
            Channel::Out => text(shown),
            Channel::Error => error_text(shown),
            Channel::Nowhere => {}
        }
    }
}

/// Bytes of a process for one of the standard streams, written as they come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bytes(pub(crate) Channel);

impl Write for Bytes {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        let written = match self.0 {
            Channel::Out => rustix::io::write(rustix::stdio::stdout(), from),
            Channel::Error => rustix::io::write(rustix::stdio::stderr(), from),
            Channel::Nowhere => Ok(from.len()),
        };
        match written {
            Err(rustix::io::Errno::PIPE) => nobody_reads(),
            written => written.map_err(io::Error::from),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
