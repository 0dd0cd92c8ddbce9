//! `attach` with `logs`: what was said so far, sent to the client before what is said next.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::attach::AttachOptions;
use super::logs::{self, Look};
use super::view::View;
use crate::engine::{Shared, blocking};
use crate::error::Error;

/// How long a client may leave its connection full.
const PATIENCE: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };

/// Writes the log to the client's socket and gives the socket back.
pub(super) async fn send(
    shared: &Shared,
    view: &View,
    options: &AttachOptions,
    multiplexed: bool,
    mut socket: OwnedFd,
) -> Result<OwnedFd, Error> {
    if view.intent.host_config.log_config.kind != "json-file" {
        return Err(Error::not_implemented("configured logging driver does not support reading"));
    }
    let look = Look {
        stdout: options.stdout,
        stderr: options.stderr,
        timestamps: false,
        details: false,
        multiplexed,
    };
    let mut stream = logs::replay(shared, view, look).await?;
    while let Some(block) = stream.next().await {
        let block = block?;
        socket = blocking(move || {
            write_all(&socket, &block).map_err(|error| Error::from_cause("cannot replay the log", &error))?;
            Ok(socket)
        })
        .await?;
    }
    Ok(socket)
}

/// Writes to a socket that may be in either mode.
fn write_all(socket: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(socket, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let mut waiting = [PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::OUT)];
                if poll(&mut waiting, Some(&PATIENCE))? == 0 {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
