//! Accepting connections on all listeners, and stopping in good order.

use crate::connection;
use crate::dispatch;
use crate::listen::Listener;
use engine::Engine;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Bounds of a server.
#[derive(Debug, Clone, Copy)]
pub struct ServerOptions {
    /// Connections that are served at one time; more wait in the kernel's queue.
    pub connections: usize,
    /// How long answers in progress may take when the server stops.
    pub farewell: Duration,
}

impl Default for ServerOptions {
    fn default() -> ServerOptions {
        ServerOptions { connections: 4096, farewell: Duration::from_secs(2) }
    }
}

/// Serves the Engine API.
pub struct Server {
    engine: Engine,
    listeners: Vec<Listener>,
    options: ServerOptions,
}

impl Server {
    /// A server for `engine` on `listeners`.
    #[must_use]
    pub fn new(engine: Engine, listeners: Vec<Listener>, options: ServerOptions) -> Server {
        Server { engine, listeners, options }
    }

    /// Serves until `stop` resolves; then stops listening, and gives the answers in progress a moment.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let (closing, is_closing) = watch::channel(false);
        let permits = Arc::new(Semaphore::new(self.options.connections));
        let mut accepting = JoinSet::new();
        for listener in self.listeners {
            accepting.spawn(accept(self.engine.clone(), listener, permits.clone(), is_closing.clone()));
        }
        drop(is_closing);
        stop.await;
        accepting.shutdown().await;
        let _ = closing.send(true);
        // Resolves when the last connection has dropped its receiver.
        let _ = tokio::time::timeout(self.options.farewell, closing.closed()).await;
    }
}

async fn accept(engine: Engine, listener: Listener, permits: Arc<Semaphore>, closing: watch::Receiver<bool>) {
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok(socket) => {
                let (engine, closing) = (engine.clone(), closing.clone());
                tokio::spawn(async move {
                    let respond = move |request, client| dispatch::answer(engine.clone(), request, client);
                    connection::serve(socket, closing, respond).await;
                    drop(permit);
                });
            }
            Err(cause) => {
                // Out of descriptors, most likely: waiting lets others close theirs.
                tracing::warn!(%cause, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
