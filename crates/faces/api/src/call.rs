//! One request as a handler sees it.

use crate::body;
use crate::error::ApiError;
use crate::listen::Socket;
use crate::query::Query;
use engine::Engine;
use engine_api::filters::Filters;
use engine_api::version::ApiVersion;
use http::HeaderMap;
use hyper::body::{Body as _, Incoming};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tokio::sync::watch;

/// A request: whom to ask, what was asked.
pub(crate) struct Call {
    /// The engine.
    pub(crate) engine: Engine,
    /// The version that the client speaks.
    pub(crate) version: ApiVersion,
    /// What stood where the route has `{name}`.
    pub(crate) name: String,
    /// The query.
    pub(crate) query: Query,
    /// The head.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) body: Incoming,
    /// The client's side of the connection.
    pub(crate) client: Client,
}

/// The client's side of the connection: lets a long answer see that nobody waits for it any more.
#[derive(Clone)]
pub(crate) struct Client {
    socket: Arc<Socket>,
    closing: watch::Receiver<bool>,
}

impl Client {
    /// The client behind `socket`; `closing` turns true when the server stops.
    pub(crate) fn new(socket: Arc<Socket>, closing: watch::Receiver<bool>) -> Client {
        Client { socket, closing }
    }

    /// Resolves when the client has closed its side, or the server stops.
    pub(crate) async fn gone(&self) {
        let mut closing = self.closing.clone();
        tokio::select! {
            () = self.socket.closed() => {}
            _ = closing.wait_for(|closing| *closing) => {}
        }
    }
}

impl Call {
    /// The body as a document; no body is the empty document.
    pub(crate) async fn document<T: DeserializeOwned + Default>(&mut self) -> Result<T, ApiError> {
        body::read_json(&self.headers, &mut self.body).await
    }

    /// The length of the body as the head announces it; `None` for a chunked one.
    pub(crate) fn announced_length(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// Reads and forgets the body, so that the socket stands right behind the request.
    pub(crate) async fn drain(&mut self) -> Result<(), ApiError> {
        body::read_all(&mut self.body).await.map(drop)
    }

    /// The `filters` parameter.
    pub(crate) fn filters(&self) -> Result<Filters, ApiError> {
        Ok(Filters::parse(self.query.text("filters"))?)
    }

    /// Whether the client asks for `101` instead of the older form of taking the socket.
    pub(crate) fn wants_upgrade(&self) -> bool {
        self.headers.contains_key(http::header::UPGRADE)
    }
}
