//! The daemon's side: launches a container in a shim, finds the shim again, asks it things.
//!
//! Blocking, with a deadline on every wait. An async caller does the spawning in a blocking thread and then
//! takes the socket ([`ShimClient::into_socket`]) to read events with its own machinery and [`wire::Cutter`].

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with,
};

use crate::protocol::{Answer, Call, Event, Groundwork, Launch, Message, Refusal, Request, Started};
use crate::wire::{self, WireError};

/// The socket's file name in a container's folder under the exec root.
pub const SOCKET: &str = "shim.sock";

/// Why a shim did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ShimError {
    /// The shim answered, with a refusal.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nothing listens: the shim is gone, its exit record tells the rest.
    #[error("the supervisor is gone")]
    Gone,
    /// No answer in time.
    #[error("the supervisor did not answer in {0:?}")]
    Deadline(Duration),
    /// The answer was not of this protocol.
    #[error("the supervisor answered out of turn")]
    Protocol(#[source] Option<WireError>),
    /// The process could not be started.
    #[error("cannot start the supervisor")]
    Spawn(#[source] io::Error),
    /// The connection broke.
    #[error("the connection to the supervisor broke")]
    Io(#[source] io::Error),
}

impl From<io::Error> for ShimError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof => ShimError::Gone,
            _ => ShimError::Io(error),
        }
    }
}

impl From<WireError> for ShimError {
    fn from(error: WireError) -> Self {
        ShimError::Protocol(Some(error))
    }
}

/// A shim's process that waits for its container. Dropped before the launch, it ends, and nothing of the container's is
/// left when the drop returns: the next attempt finds the ground free.
#[derive(Debug)]
pub struct IdleShim {
    client: Option<ShimClient>,
}

impl IdleShim {
    /// The one at the other end of `socket`.
    pub(crate) fn over(socket: UnixStream) -> Self {
        Self { client: Some(ShimClient::over(socket)) }
    }

    /// Hands over what is known already. The shim sets to work while the caller finds out the rest; how it went is told
    /// by [`Self::launch`], which has to follow.
    ///
    /// # Errors
    /// When the shim is gone, or does not take it in time.
    pub fn prepare(&mut self, groundwork: &Groundwork, deadline: Duration) -> Result<(), ShimError> {
        let client = self.client.as_mut().ok_or(ShimError::Gone)?;
        client.send_frame(&wire::encode(groundwork)?, &[], Instant::now() + deadline, deadline)
    }

    /// Hands over the rest and waits for the container's start. `sockets` belong to `launch.clients`.
    ///
    /// # Errors
    /// [`ShimError::Refused`] if the container could not be started; nothing of it is left then, except
    /// the folder that the caller made.
    pub fn launch(
        mut self,
        launch: &Launch,
        sockets: &[BorrowedFd<'_>],
        deadline: Duration,
    ) -> Result<(ShimClient, Started), ShimError> {
        let mut client = self.client.take().ok_or(ShimError::Gone)?;
        let end = Instant::now() + deadline;
        client.send_frame(&wire::encode(launch)?, sockets, end, deadline)?;
        match client.answer_to(0, end, deadline)? {
            Answer::Started(started) => Ok((client, started)),
            _ => Err(ShimError::Protocol(None)),
        }
    }
}

impl Drop for IdleShim {
    fn drop(&mut self) {
        const LIMIT: Duration = Duration::from_secs(5);
        let Some(mut client) = self.client.take() else { return };
        // It sees that there will be no launch, lets go, and closes its end as the last thing.
        if client.socket.shutdown(std::net::Shutdown::Write).is_ok() {
            let _ = client.next_message(Instant::now() + LIMIT, LIMIT);
        }
    }
}

/// A connection to one shim.
#[derive(Debug)]
pub struct ShimClient {
    socket: UnixStream,
    cutter: wire::Cutter,
    events: VecDeque<Event>,
    calls: u64,
}

impl ShimClient {
    /// Connects to the shim of the container whose folder under the exec root is `exec_dir`.
    ///
    /// # Errors
    /// [`ShimError::Gone`] if none listens there.
    pub fn connect(exec_dir: &Path) -> Result<Self, ShimError> {
        let gone = |error: rustix::io::Errno| match error {
            rustix::io::Errno::NOENT | rustix::io::Errno::CONNREFUSED => ShimError::Gone,
            other => ShimError::Io(other.into()),
        };
        let dir = open_dir(exec_dir).map_err(gone)?;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
            .map_err(|error| ShimError::Io(error.into()))?;
        connect(&socket, &socket_address(dir.as_fd()).map_err(gone)?).map_err(gone)?;
        Ok(Self::over(UnixStream::from(socket)))
    }

    fn over(socket: UnixStream) -> Self {
        Self { socket, cutter: wire::Cutter::default(), events: VecDeque::new(), calls: 0 }
    }

    /// Asks, and waits for the answer. Events that arrive meanwhile are kept for [`Self::next_event`].
    ///
    /// # Errors
    /// [`ShimError::Refused`] if the shim refuses; the connection is good for further calls then. After
    /// any other error it is not.
    pub fn call(
        &mut self,
        request: Request,
        descriptors: &[BorrowedFd<'_>],
        deadline: Duration,
    ) -> Result<Answer, ShimError> {
        let end = Instant::now() + deadline;
        self.calls += 1;
        let id = self.calls;
        self.send_frame(&wire::encode(&Call { id, request })?, descriptors, end, deadline)?;
        self.answer_to(id, end, deadline)
    }

    /// The next event after [`Request::Watch`]; `None` if none came in time.
    ///
    /// # Errors
    /// [`ShimError::Gone`] when the shim has let go of everything and closed the connection.
    pub fn next_event(&mut self, deadline: Duration) -> Result<Option<Event>, ShimError> {
        if let Some(event) = self.events.pop_front() {
            return Ok(Some(event));
        }
        match self.next_message(Instant::now() + deadline, deadline) {
            Ok(Message::Event(event)) => Ok(Some(event)),
            Ok(_) => Err(ShimError::Protocol(None)),
            Err(ShimError::Deadline(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// The socket, with what has been read from it and not been used: events, and the bytes of an unfinished
    /// frame in the cutter.
    pub fn into_socket(self) -> (UnixStream, VecDeque<Event>, wire::Cutter) {
        (self.socket, self.events, self.cutter)
    }

    fn answer_to(&mut self, call: u64, end: Instant, deadline: Duration) -> Result<Answer, ShimError> {
        loop {
            match self.next_message(end, deadline)? {
                Message::Answer { id, answer } if id == call => return Ok(answer),
                Message::Refusal { id, refusal } if id == call => return Err(refusal.into()),
                Message::Event(event) => self.events.push_back(event),
                _ => return Err(ShimError::Protocol(None)),
            }
        }
    }

    fn next_message(&mut self, end: Instant, deadline: Duration) -> Result<Message, ShimError> {
        loop {
            if let Some(frame) = self.cutter.next_frame()? {
                return Ok(wire::decode(&frame)?);
            }
            self.wait_for(PollFlags::IN, end, deadline)?;
            let mut buffer = [0; 4096];
            match rustix::net::recv(&self.socket, &mut buffer, RecvFlags::DONTWAIT) {
                Ok((0, _)) => return Err(ShimError::Gone),
                Ok((length, _)) => self.cutter.feed(&buffer[..length]),
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
    }

    fn send_frame(
        &mut self,
        mut bytes: &[u8],
        mut descriptors: &[BorrowedFd<'_>],
        end: Instant,
        deadline: Duration,
    ) -> Result<(), ShimError> {
        while !bytes.is_empty() {
            match wire::send(&self.socket, bytes, descriptors, SendFlags::DONTWAIT) {
                Ok(length) => {
                    bytes = &bytes[length..];
                    descriptors = &[];
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.wait_for(PollFlags::OUT, end, deadline)?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn wait_for(&self, what: PollFlags, end: Instant, deadline: Duration) -> Result<(), ShimError> {
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 });
            match poll(&mut [PollFd::new(&self.socket, what)], Some(&timeout)) {
                Ok(0) => return Err(ShimError::Deadline(deadline)),
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(ShimError::Io(error.into())),
            }
        }
    }
}

impl AsFd for ShimClient {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Opens a folder as an anchor for the names in it.
pub(crate) fn open_dir(path: &Path) -> rustix::io::Result<OwnedFd> {
    rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// The address of the socket in `dir`. An address holds 108 bytes and data roots may be deeper than that,
/// so the way goes through the descriptor.
pub(crate) fn socket_address(dir: BorrowedFd<'_>) -> rustix::io::Result<SocketAddrUnix> {
    SocketAddrUnix::new(PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd())))
}
