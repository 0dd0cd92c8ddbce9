//! Sending a body while the answer is read.

use crate::stream::Stream;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Mutex};

/// Sends a body in chunks from a thread of its own: the daemon may answer while it still reads.
pub(crate) struct Sender {
    failure: Arc<Mutex<Option<io::Error>>>,
}

impl Sender {
    pub(crate) fn start(mut body: Box<dyn Read + Send>, mut to: Stream) -> Sender {
        let failure = Arc::new(Mutex::new(None));
        let shared = failure.clone();
        std::thread::spawn(move || {
            if let Err(error) = send_chunks(&mut *body, &mut to) {
                // What was sent is incomplete: the daemon must not take it for the whole.
                drop(to.shutdown(Shutdown::Write));
                if let (SendError::Source(cause), Ok(mut slot)) = (error, shared.lock()) {
                    *slot = Some(cause);
                }
            }
        });
        Sender { failure }
    }

    /// Why the body could not be read, if so.
    pub(crate) fn failure(&self) -> Option<io::Error> {
        self.failure.lock().ok().and_then(|mut slot| slot.take())
    }
}

enum SendError {
    Source(io::Error),
    /// The daemon stopped listening; its answer says why.
    Peer,
}

fn send_chunks(body: &mut dyn Read, to: &mut Stream) -> Result<(), SendError> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let size = match body.read(&mut buffer) {
            Ok(size) => size,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(SendError::Source(error)),
        };
        if size == 0 {
            return to.write_all(b"0\r\n\r\n").map_err(|_| SendError::Peer);
        }
        let sent = to
            .write_all(format!("{size:x}\r\n").as_bytes())
            .and_then(|()| to.write_all(&buffer[..size]))
            .and_then(|()| to.write_all(b"\r\n"));
        sent.map_err(|_| SendError::Peer)?;
    }
}
