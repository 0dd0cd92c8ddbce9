//! Messages with descriptors over unix sockets; none of it allocates.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

/// At most this many descriptors go with one message.
pub const MAX_DESCRIPTORS: usize = 8;

/// A connected pair of sockets that keep message borders and report the other side's end.
///
/// # Errors
/// EMFILE.
pub fn message_pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}

/// A connected pair of stream sockets.
///
/// # Errors
/// EMFILE.
pub fn stream_pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
}

/// Sends bytes and up to [`MAX_DESCRIPTORS`] descriptors (`SCM_RIGHTS`); gives the number of bytes taken.
/// Never raises SIGPIPE.
///
/// # Errors
/// EPIPE when the other side is gone, AGAIN on a full non-blocking socket, INVAL for too many descriptors.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<usize, Errno> {
    let mut space = [MaybeUninit::<u8>::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Errno::INVAL);
    }
    loop {
        match sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

/// Receives bytes and descriptors; the latter are close-on-exec and handed to `take` one by one.
/// Gives the number of bytes; 0 is the end (or, on a message socket, an empty message).
///
/// # Errors
/// The kernel's; MSGSIZE when the message or its descriptors were longer than the buffer.
pub fn receive(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    mut take: impl FnMut(OwnedFd),
) -> Result<usize, Errno> {
    let mut space = [MaybeUninit::<u8>::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let message = loop {
        match recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            other => break other?,
        }
    };
    for part in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = part {
            descriptors.for_each(&mut take);
        }
    }
    if message.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(Errno::MSGSIZE);
    }
    Ok(message.bytes)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn descriptors_arrive_with_their_message_and_work() {
        let (left, right) = message_pair().unwrap();
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        assert_eq!(send(left.as_fd(), b"here", &[writer.as_fd()]), Ok(4));
        drop(writer);
        let mut buffer = [0; 16];
        let mut received = None;
        assert_eq!(receive(right.as_fd(), &mut buffer, |fd| received = Some(fd)), Ok(4));
        rustix::io::write(received.unwrap(), b"x").unwrap();
        assert_eq!(rustix::io::read(&reader, &mut buffer), Ok(1));
    }

    #[test]
    fn the_end_of_the_other_side_is_seen() {
        let (left, right) = message_pair().unwrap();
        drop(left);
        assert_eq!(receive(right.as_fd(), &mut [0; 4], drop), Ok(0));
        assert_eq!(send(right.as_fd(), b"x", &[]), Err(Errno::PIPE));
    }

    #[test]
    fn a_message_longer_than_the_buffer_is_an_error() {
        let (left, right) = message_pair().unwrap();
        send(left.as_fd(), b"12345", &[]).unwrap();
        assert_eq!(receive(right.as_fd(), &mut [0; 4], drop), Err(Errno::MSGSIZE));
    }
}
