//! The way to one container's supervisor: calls with deadlines, and what it tells without being asked.
//!
//! One task owns the socket. Calls are sent in the order in which they were made; answers find their caller by
//! number. When the supervisor closes the connection, nothing of the container is left.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use shim::protocol::{Answer, Call, Message, Started, Status};
use shim::wire::{self, Cutter};
use shim::{Event, Refusal, Request, ShimClient, ShimError};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

/// How long a supervisor may take for anything that does not wait for a container.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);
/// Calls that may be on their way at once.
const QUEUE: usize = 32;

/// Why a call brought no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum CallError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the supervisor is gone")]
    Gone,
    #[error("the supervisor did not answer within {} seconds", DEADLINE.as_secs())]
    Deadline,
    #[error("the supervisor is busy")]
    Busy,
}

/// What a supervisor says without being asked.
#[derive(Debug)]
pub(crate) enum Notice {
    /// Something happened.
    Event(Event),
    /// It closed the connection: nothing is left, or it was killed.
    Closed,
}

/// A handle for calls. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Supervisor {
    calls: mpsc::Sender<Outgoing>,
}

struct Outgoing {
    request: Request,
    descriptors: Vec<OwnedFd>,
    answer: oneshot::Sender<Result<Answer, CallError>>,
}

/// A connection that has been made in a blocking thread and listens already.
#[derive(Debug)]
pub(crate) struct Connection {
    client: ShimClient,
    /// The truth at the moment when listening began.
    pub(crate) started: Started,
    /// Whether the container ran then.
    pub(crate) status: Status,
}

impl Connection {
    /// The connection that a launch was made on listens from its start.
    pub(crate) fn of_launch(client: ShimClient, started: Started) -> Self {
        Self { client, started, status: Status::Running }
    }

    /// Finds the supervisor whose folder is `exec_dir`, and begins to listen. Blocks.
    pub(crate) fn open(exec_dir: &Path) -> Result<Self, ShimError> {
        let mut client = ShimClient::connect(exec_dir)?;
        match client.call(Request::Watch, &[], DEADLINE)? {
            Answer::State(state) => Ok(Self { client, started: state.started, status: state.status }),
            _ => Err(ShimError::Protocol(None)),
        }
    }

    /// Hands the connection to a task of its own; what the supervisor says goes to `notices`.
    pub(crate) fn serve(self, notices: mpsc::Sender<Notice>) -> io::Result<Supervisor> {
        let (socket, events, cutter) = self.client.into_socket();
        socket.set_nonblocking(true)?;
        let socket = UnixStream::from_std(socket)?;
        let (calls, outgoing) = mpsc::channel(QUEUE);
        let line = Line { socket, cutter, waiting: HashMap::new(), next_call: 1 << 32, notices };
        tokio::spawn(async move {
            for event in events {
                if line.notices.send(Notice::Event(event)).await.is_err() {
                    return;
                }
            }
            line.run(outgoing).await;
        });
        Ok(Supervisor { calls })
    }
}

impl Supervisor {
    /// Asks, and waits for the answer. The request is on its way, in order, when this returns its future's first pending.
    pub(crate) async fn call(
        &self,
        request: Request,
        descriptors: Vec<OwnedFd>,
    ) -> Result<Answer, CallError> {
        self.send(request, descriptors)?.wait().await
    }

    /// Puts a request on its way and gives the place where its answer will be.
    pub(crate) fn send(&self, request: Request, descriptors: Vec<OwnedFd>) -> Result<Pending, CallError> {
        let (answer, receiver) = oneshot::channel();
        self.calls.try_send(Outgoing { request, descriptors, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CallError::Busy,
            mpsc::error::TrySendError::Closed(_) => CallError::Gone,
        })?;
        Ok(Pending { receiver })
    }
}

/// An answer to come.
pub(crate) struct Pending {
    receiver: oneshot::Receiver<Result<Answer, CallError>>,
}

impl Pending {
    pub(crate) async fn wait(self) -> Result<Answer, CallError> {
        match tokio::time::timeout(DEADLINE, self.receiver).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(CallError::Gone),
            Err(_) => Err(CallError::Deadline),
        }
    }
}

/// The task's own: the socket and who waits for what.
struct Line {
    socket: UnixStream,
    cutter: Cutter,
    waiting: HashMap<u64, oneshot::Sender<Result<Answer, CallError>>>,
    next_call: u64,
    notices: mpsc::Sender<Notice>,
}

impl Line {
    async fn run(mut self, mut outgoing: mpsc::Receiver<Outgoing>) {
        let mut is_open = true;
        loop {
            tokio::select! {
                call = outgoing.recv(), if is_open => match call {
                    Some(call) => if self.send(call).await.is_err() { break },
                    // Every handle is gone: listen on, for the exit.
                    None => is_open = false,
                },
                ready = self.socket.readable() => {
                    if ready.is_err() || self.receive().await.is_err() {
                        break;
                    }
                }
            }
        }
        self.waiting.clear();
        let _ = self.notices.send(Notice::Closed).await;
    }

    async fn send(&mut self, call: Outgoing) -> io::Result<()> {
        let id = self.next_call;
        self.next_call += 1;
        let frame = match wire::encode(&Call { id, request: call.request }) {
            Ok(frame) => frame,
            Err(_) => return Ok(()),
        };
        self.waiting.retain(|_, waiter| !waiter.is_closed());
        self.waiting.insert(id, call.answer);
        let mut sent = 0;
        while sent < frame.len() {
            self.socket.writable().await?;
            let descriptors: Vec<_> =
                if sent == 0 { call.descriptors.iter().map(AsFd::as_fd).collect() } else { vec![] };
            let written = self.socket.try_io(Interest::WRITABLE, || {
                wire::send(&self.socket, &frame[sent..], &descriptors, rustix::net::SendFlags::empty())
            });
            match written {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn receive(&mut self) -> io::Result<()> {
        self.read()?;
        while let Some(frame) = self.cutter.next_frame().map_err(io::Error::other)? {
            match wire::decode::<Message>(&frame).map_err(io::Error::other)? {
                Message::Answer { id, answer } => self.deliver(id, Ok(answer)),
                Message::Refusal { id, refusal } => self.deliver(id, Err(refusal.into())),
                Message::Event(event) => {
                    let _ = self.notices.send(Notice::Event(event)).await;
                }
            }
        }
        Ok(())
    }

    /// Apart from `receive`, so that the buffer is no part of the task's memory.
    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0u8; 4096];
        match self.socket.try_read(&mut buffer) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.cutter.feed(&buffer[..count]);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn deliver(&mut self, id: u64, answer: Result<Answer, CallError>) {
        if let Some(waiter) = self.waiting.remove(&id) {
            let _ = waiter.send(answer);
        }
    }
}
