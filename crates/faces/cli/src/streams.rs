//! The streams of an attached process: its output to ours, our input to its, until it ends or the user detaches.
//!
//! The output is copied by the calling thread, the input by a thread of its own: either may block for as long as it
//! likes without the other.

use crate::detach::Watch;
use crate::failure::{Failure, fail};
use crate::output::{Bytes, Channel};
use crate::terminal;
use client::{Hijacked, Sink};
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const BUFFER: usize = 32 * 1024;

/// Which streams are attached, and how.
#[derive(Debug, Clone)]
pub(crate) struct Attachment {
    /// Our stdin goes to the process.
    pub(crate) stdin: bool,
    /// The process's stdout comes to ours.
    pub(crate) stdout: bool,
    /// The process's stderr comes to ours.
    pub(crate) stderr: bool,
    /// The process has a terminal: one stream both ways, keys passed on as they are typed.
    pub(crate) tty: bool,
    /// The keys that detach.
    pub(crate) detach_keys: Vec<u8>,
}

/// How an attachment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The process's output ended.
    Output,
    /// There was no output to wait for.
    NothingToShow,
    /// The user typed the keys that detach.
    Detached,
}

/// Refuses a terminal for a process whose input is none.
///
/// # Errors
/// In Docker's words.
pub(crate) fn check_terminal(attaches_stdin: bool, tty: bool) -> Result<(), Failure> {
    if tty && attaches_stdin && !terminal::is_stdin() {
        return Err(Failure::new("the input device is not a TTY"));
    }
    Ok(())
}

/// Copies the streams until the output ends or the user detaches. The terminal is raw meanwhile.
///
/// # Errors
/// The terminal refuses raw mode, or the output breaks off.
pub(crate) fn copy(mut process: Hijacked, attachment: &Attachment) -> Result<Ended, Failure> {
    if attachment.tty && attachment.stdin {
        terminal::make_raw().map_err(|error| {
            fail!(
                "unable to setup input stream: unable to set IO streams as raw terminal: {}",
                io::Error::from(error)
            )
        })?;
    }
    let detached = Arc::new(AtomicBool::new(false));
    let sink = process.sink().map_err(|error| Failure::new(error.to_string()))?;
    let shows = attachment.stdout || attachment.stderr;
    if attachment.stdin {
        let keys = if attachment.tty { attachment.detach_keys.clone() } else { Vec::new() };
        let (flag, ends_program) = (detached.clone(), !shows);
        std::thread::spawn(move || send_input(sink, Watch::new(keys), &flag, ends_program));
    } else {
        sink.close();
    }
    if !shows {
        return Ok(Ended::NothingToShow);
    }
    let copied = copy_output(&mut process, attachment);
    terminal::restore();
    if detached.load(Ordering::Acquire) {
        return Ok(Ended::Detached);
    }
    copied.map(|()| Ended::Output).map_err(|error| Failure::new(error.to_string()))
}

fn copy_output(process: &mut Hijacked, attachment: &Attachment) -> io::Result<()> {
    let channel = |wanted: bool, channel| Bytes(if wanted { channel } else { Channel::Nowhere });
    let mut out = channel(attachment.stdout, Channel::Out);
    let mut error = channel(attachment.stderr, Channel::Error);
    if process.is_multiplexed().unwrap_or(!attachment.tty) {
        client::demultiplex(process, &mut out, &mut error)
    } else {
        let mut both = if attachment.stdout { out } else { error };
        copy_bytes(process, &mut both)
    }
}

/// Copies until the end of `from`; a daemon that goes away ends it too.
pub(crate) fn copy_bytes(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(size) => to.write_all(&buffer[..size])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn send_input(mut sink: Sink, mut watch: Watch, detached: &AtomicBool, ends_program: bool) {
    let mut buffer = vec![0; BUFFER];
    loop {
        let size = match rustix::io::read(rustix::stdio::stdin(), &mut buffer) {
            Err(rustix::io::Errno::INTR) => continue,
            Ok(0) | Err(_) => return sink.close(),
            Ok(size) => size,
        };
        let (passed, detaches) = watch.feed(&buffer[..size]);
        let sent = sink.write_all(&passed);
        if detaches {
            terminal::restore();
            if ends_program {
                std::process::exit(0);
            }
            detached.store(true, Ordering::Release);
            return sink.abort();
        }
        if sent.is_err() {
            return;
        }
    }
}
