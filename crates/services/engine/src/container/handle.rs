//! What verbs hold of a container: its published view, and the two doors to its actor.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::view::View;
use crate::error::{Error, Kind};

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// Requests that may wait for one container.
pub(crate) const MAILBOX: usize = 32;

/// How long a start waits for clients that attach at the same time.
const ATTACH_LIMIT: Duration = Duration::from_secs(2);

/// What an actor can be asked. Kills have their own door.
pub(crate) enum Request {
    Start(Reply<()>),
    /// The next exit is followed by a start; the stop itself comes through the other door.
    Restart(Reply<Restarting>),
    Pause(Reply<()>),
    Unpause(Reply<()>),
    Remove {
        force: bool,
        volumes: bool,
        reply: Reply<()>,
    },
    Rename {
        name: String,
        reply: Reply<()>,
    },
    /// A client to be connected to the container's streams, now or when it starts.
    Attach {
        options: Box<shim::AttachOptions>,
        socket: OwnedFd,
        reply: Reply<()>,
    },
}

/// What a restart has to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restarting {
    /// It runs: somebody must stop it.
    MustStop,
    /// It did not run: the start is under way.
    Begun,
}

/// A signal to send.
pub(crate) struct Kill {
    pub(crate) signal: i32,
    /// Whether the container is meant to stay down.
    pub(crate) stop: bool,
    pub(crate) reply: Reply<()>,
}

/// The front of one container.
pub(crate) struct Handle {
    view: watch::Receiver<Arc<View>>,
    requests: mpsc::Sender<Request>,
    kills: mpsc::Sender<Kill>,
    /// Clients whose attach was accepted and whose socket is not with the actor yet.
    attaching: Arc<watch::Sender<usize>>,
}

/// An attach under way. A client starts the container as soon as it has read the head of the attach's answer,
/// which is before its socket has come to the actor: without this the start could overtake the socket, and a
/// short container would print to nobody.
pub(crate) struct Attaching(Arc<watch::Sender<usize>>);

impl Drop for Attaching {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Handle {
    pub(crate) fn new(
        view: watch::Receiver<Arc<View>>,
        requests: mpsc::Sender<Request>,
        kills: mpsc::Sender<Kill>,
    ) -> Self {
        Self { view, requests, kills, attaching: Arc::new(watch::Sender::new(0)) }
    }

    /// The container as it was published last.
    pub(crate) fn view(&self) -> Arc<View> {
        self.view.borrow().clone()
    }

    /// A receiver of what will be published.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<View>> {
        self.view.clone()
    }

    /// Notes that a client is about to hand its socket over.
    pub(crate) fn begin_attach(&self) -> Attaching {
        self.attaching.send_modify(|count| *count += 1);
        Attaching(self.attaching.clone())
    }

    /// Waits until no attach is under way, but not for ever: a client may be slow to read its log.
    pub(crate) async fn attached(&self) {
        let mut attaching = self.attaching.subscribe();
        let _ = tokio::time::timeout(ATTACH_LIMIT, attaching.wait_for(|count| *count == 0)).await;
    }

    /// Asks the actor, and waits for its answer.
    pub(crate) async fn ask<T>(&self, make: impl FnOnce(Reply<T>) -> Request) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.requests.try_send(make(reply)).map_err(|error| self.refused(&error))?;
        self.wait(answer).await
    }

    /// Sends a signal through the door that is looked at first.
    pub(crate) async fn kill(&self, signal: i32, stop: bool) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        self.kills.try_send(Kill { signal, stop, reply }).map_err(|error| self.refused(&error))?;
        self.wait(answer).await
    }

    async fn wait<T>(&self, answer: oneshot::Receiver<Result<T, Error>>) -> Result<T, Error> {
        answer.await.unwrap_or_else(|_| Err(self.gone()))
    }

    fn refused<T>(&self, error: &mpsc::error::TrySendError<T>) -> Error {
        match error {
            mpsc::error::TrySendError::Full(_) => {
                let text = format!("container {} has too many requests waiting", self.view().id());
                Error::new(Kind::Unavailable, text).with_hint("try again in a moment")
            }
            mpsc::error::TrySendError::Closed(_) => self.gone(),
        }
    }

    fn gone(&self) -> Error {
        Error::not_found(format!("No such container: {}", self.view().id()))
    }
}
