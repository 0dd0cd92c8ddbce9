//! Frames: four bytes of length (little endian), then that many bytes of JSON; descriptors by SCM_RIGHTS.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest frame; a longer one means that the other side does not speak this protocol.
pub const LONGEST: usize = 8 * 1024 * 1024;

/// The most descriptors that one frame carries.
pub const MOST_DESCRIPTORS: usize = 64;

/// Why bytes are no frame.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The length is absurd.
    #[error("a frame of {0} bytes is not of this protocol")]
    Length(usize),
    /// The JSON is not what was expected.
    #[error("a frame is malformed")]
    Malformed(#[from] serde_json::Error),
}

/// A value as a frame.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, WireError> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, value)?;
    let length = bytes.len() - 4;
    if length > LONGEST {
        return Err(WireError::Length(length));
    }
    let head = u32::try_from(length).map_err(|_| WireError::Length(length))?;
    bytes[..4].copy_from_slice(&head.to_le_bytes());
    Ok(bytes)
}

/// Reads a frame's content.
pub fn decode<T: DeserializeOwned>(content: &[u8]) -> Result<T, WireError> {
    Ok(serde_json::from_slice(content)?)
}

/// Cuts a stream of bytes into frames. Holds what has arrived, never what a length promises.
#[derive(Debug, Default)]
pub struct Cutter {
    held: Vec<u8>,
}

impl Cutter {
    /// Takes what has arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// The content of the next whole frame.
    pub fn next_frame(&mut self) -> Result<Option<Vec<u8>>, WireError> {
        let Some((head, rest)) = self.held.split_first_chunk::<4>() else { return Ok(None) };
        let length = usize::try_from(u32::from_le_bytes(*head)).unwrap_or(usize::MAX);
        if length == 0 || length > LONGEST {
            return Err(WireError::Length(length));
        }
        if rest.len() < length {
            return Ok(None);
        }
        let frame = rest[..length].to_vec();
        self.held.drain(..4 + length);
        if self.held.is_empty() {
            self.held = Vec::new();
        }
        Ok(Some(frame))
    }

    /// Whether bytes of an unfinished frame are held.
    pub fn is_torn(&self) -> bool {
        !self.held.is_empty()
    }
}

/// Sends as much as the socket takes; the descriptors go with the first byte. Never raises SIGPIPE.
pub fn send(
    socket: impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
    flags: SendFlags,
) -> io::Result<usize> {
    if descriptors.len() > MOST_DESCRIPTORS {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, flags | SendFlags::NOSIGNAL)?)
}

/// Receives bytes, and appends the descriptors that came along to `descriptors` (close-on-exec).
pub fn receive(
    socket: impl AsFd,
    buffer: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
    flags: RecvFlags,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received =
        recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut ancillary, flags | RecvFlags::CMSG_CLOEXEC)?;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            descriptors.extend(fds);
        }
    }
    Ok(received.bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_absurd_length_is_refused_before_anything_is_held_for_it() {
        let mut cutter = Cutter::default();
        cutter.feed(b"GET / HTTP/1.1\r\n");
        assert!(matches!(cutter.next_frame(), Err(WireError::Length(_))));
    }

    proptest! {
        #[test]
        fn frames_survive_any_cut(texts in prop::collection::vec(".{0,40}", 0..6), cut in 1_usize..9) {
            let bytes: Vec<u8> = texts.iter().flat_map(|text| encode(text).unwrap()).collect();
            let mut cutter = Cutter::default();
            let mut seen = Vec::new();
            for piece in bytes.chunks(cut) {
                cutter.feed(piece);
                while let Some(frame) = cutter.next_frame().unwrap() {
                    seen.push(decode::<String>(&frame).unwrap());
                }
            }
            prop_assert!(!cutter.is_torn());
            prop_assert_eq!(seen, texts);
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut cutter = Cutter::default();
            cutter.feed(&bytes);
            while let Ok(Some(_)) = cutter.next_frame() {}
        }
    }
}
