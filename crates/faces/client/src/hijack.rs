//! A connection taken over for the streams of a process.

use crate::stream::Stream;
use std::io::{self, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};

/// Both directions of an attached process.
#[derive(Debug)]
pub struct Hijacked {
    from: BufReader<Stream>,
    multiplexed: Option<bool>,
}

impl Hijacked {
    pub(crate) fn new(from: BufReader<Stream>, media_type: Option<&str>) -> Hijacked {
        let multiplexed = match media_type {
            Some("application/vnd.docker.multiplexed-stream") => Some(true),
            Some("application/vnd.docker.raw-stream") => Some(false),
            _ => None,
        };
        Hijacked { from, multiplexed }
    }

    /// Whether stdout and stderr come in frames; `None` if the daemon is too old to say.
    pub fn is_multiplexed(&self) -> Option<bool> {
        self.multiplexed
    }

    /// The direction towards the process.
    ///
    /// # Errors
    /// No descriptor is free.
    pub fn sink(&self) -> io::Result<Sink> {
        Ok(Sink(self.from.get_ref().try_clone()?))
    }
}

impl Read for Hijacked {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.from.read(into)
    }
}

/// The direction towards an attached process; dropping it does not end the process's input.
#[derive(Debug)]
pub struct Sink(Stream);

impl Sink {
    /// Ends the process's input; its output goes on.
    pub fn close(&self) {
        // A peer that is gone already has nothing left to be told.
        drop(self.0.shutdown(Shutdown::Write));
    }

    /// Ends both directions, so that a reader of the connection sees its end.
    pub fn abort(&self) {
        drop(self.0.shutdown(Shutdown::Both));
    }
}

impl Write for Sink {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.0.write(from)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Sink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Parts a stream of frames into stdout and stderr, until it ends.
///
/// A frame is `[stream, 0, 0, 0, size (4 bytes, big endian)]` and its bytes (Engine API, ContainerAttach).
///
/// # Errors
/// A stream that is not made of frames, an error that the daemon sends in a frame, and failures to read or write.
pub fn demultiplex(from: &mut impl Read, stdout: &mut dyn Write, stderr: &mut dyn Write) -> io::Result<()> {
    let mut buffer = vec![0; 32 * 1024];
    loop {
        let mut header = [0; 8];
        if !fill(from, &mut header)? {
            return Ok(());
        }
        let mut left = u64::from(u32::from_be_bytes([header[4], header[5], header[6], header[7]]));
        let to: &mut dyn Write = match header[0] {
            0 | 1 => stdout,
            2 => stderr,
            3 => {
                let mut text = String::new();
                from.take(left).read_to_string(&mut text)?;
                return Err(io::Error::other(format!("error from daemon in stream: {text}")));
            }
            other => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("unrecognized input header: {other}"),
                ));
            }
        };
        while left > 0 {
            let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let read = from.read(&mut buffer[..room])?;
            if read == 0 {
                return Ok(());
            }
            to.write_all(&buffer[..read])?;
            left -= read as u64;
        }
        to.flush()?;
    }
}

/// Fills `into`; false if the stream ended before or inside it.
fn fill(from: &mut impl Read, into: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(into) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(mut bytes: &[u8]) -> (io::Result<()>, Vec<u8>, Vec<u8>) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let result = demultiplex(&mut bytes, &mut out, &mut err);
        (result, out, err)
    }

    fn frame(stream: u8, bytes: &[u8]) -> Vec<u8> {
        let size = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        [&[stream, 0, 0, 0][..], &size, bytes].concat()
    }

    #[test]
    fn frames_are_parted() {
        let bytes = [frame(1, b"out"), frame(2, b"err"), frame(1, b""), frame(1, b"put")].concat();
        let (result, out, err) = part(&bytes);
        assert!(result.is_ok());
        assert_eq!((out.as_slice(), err.as_slice()), (&b"output"[..], &b"err"[..]));
    }

    #[test]
    fn a_daemons_error_and_garbage_are_reported() {
        assert_eq!(part(&frame(3, b"gone")).0.unwrap_err().to_string(), "error from daemon in stream: gone");
        assert_eq!(part(b"hello world").0.unwrap_err().to_string(), "unrecognized input header: 104");
    }

    proptest::proptest! {
        #[test]
        fn no_stream_makes_it_panic(bytes in proptest::collection::vec(0..5_u8, 0..60)) {
            let _ = part(&bytes);
        }
    }
}
