//! HTTP/1.1 requests over kept connections.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::connect::{ConnectError, connect};
use super::tls::client_config;
use super::url::Url;
use crate::blob::LARGEST_DOCUMENT;

/// How long a server may take to begin its answer, and between two pieces of it.
const PATIENCE: Duration = Duration::from_secs(60);
/// Connections to one server that are kept for the next request.
const KEPT: usize = 4;

type Sender = SendRequest<Full<Bytes>>;
type Pool = Arc<Mutex<HashMap<String, Vec<Sender>>>>;

/// Sends requests. One per pull; cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    certificates: PathBuf,
    user_agent: String,
    is_insecure: bool,
    kept: Pool,
}

/// What to send.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What came back. Reading the body to its end gives the connection back.
pub(crate) struct Answer {
    pub(crate) response: Response<Incoming>,
    sender: Option<Sender>,
    key: String,
    kept: Pool,
}

impl Client {
    /// For servers whose certificates are in `certificates/<host:port>`; `is_insecure` takes any.
    pub(crate) fn new(certificates: PathBuf, user_agent: String, is_insecure: bool) -> Client {
        Client { certificates, user_agent, is_insecure, kept: Pool::default() }
    }

    /// Sends a request and waits for the head of the answer.
    pub(crate) async fn send(&self, outgoing: &Outgoing) -> Result<Answer, ConnectError> {
        let key = format!("{}://{}", outgoing.url.scheme(), outgoing.url.authority);
        while let Some(mut sender) = self.take(&key) {
            // The server may have closed a kept connection; then the next one, at last a new one.
            if sender.ready().await.is_ok()
                && let Ok(answer) = self.exchange(&mut sender, outgoing).await
            {
                return Ok(self.answer(answer, sender, key));
            }
        }
        let tls = match outgoing.url.is_secure {
            true => Some(client_config(&self.certificates.join(&outgoing.url.authority), self.is_insecure)?),
            false => None,
        };
        let stream = connect(&outgoing.url, tls).await?;
        let (mut sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| explain(&error))?;
        tokio::spawn(connection);
        let answer = self.exchange(&mut sender, outgoing).await?;
        Ok(self.answer(answer, sender, key))
    }

    async fn exchange(
        &self,
        sender: &mut Sender,
        outgoing: &Outgoing,
    ) -> Result<Response<Incoming>, ConnectError> {
        let mut request = Request::builder()
            .method(&outgoing.method)
            .uri(&outgoing.url.path)
            .header("Host", &outgoing.url.authority)
            .header("User-Agent", &self.user_agent)
            .body(Full::new(outgoing.body.clone()))
            .map_err(|error| ConnectError::Http(error.to_string()))?;
        request.headers_mut().extend(outgoing.headers.clone());
        match timeout(PATIENCE, sender.send_request(request)).await {
            Ok(answer) => answer.map_err(|error| explain(&error)),
            Err(_) => Err(ConnectError::NoAnswer),
        }
    }

    fn answer(&self, response: Response<Incoming>, sender: Sender, key: String) -> Answer {
        Answer { response, sender: Some(sender), key, kept: Arc::clone(&self.kept) }
    }

    fn take(&self, key: &str) -> Option<Sender> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).get_mut(key)?.pop()
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The next piece of the body; nothing at its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, ConnectError> {
        loop {
            match timeout(PATIENCE, self.response.body_mut().frame()).await {
                Ok(None) => {
                    self.give_back();
                    return Ok(None);
                }
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Ok(Some(Err(error))) => return Err(explain(&error)),
                Err(_) => return Err(ConnectError::Http("i/o timeout".to_owned())),
            }
        }
    }

    /// The whole body of a small document.
    pub(crate) async fn document(mut self) -> Result<Vec<u8>, ConnectError> {
        let most = usize::try_from(LARGEST_DOCUMENT).unwrap_or(usize::MAX);
        let body = Limited::new(self.response.body_mut(), most).collect();
        let bytes = match timeout(PATIENCE, body).await {
            Ok(Ok(body)) => body.to_bytes().to_vec(),
            Ok(Err(error)) => return Err(ConnectError::Http(error.to_string())),
            Err(_) => return Err(ConnectError::Http("i/o timeout".to_owned())),
        };
        self.give_back();
        Ok(bytes)
    }

    fn give_back(&mut self) {
        let Some(sender) = self.sender.take() else { return };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let list = kept.entry(self.key.clone()).or_default();
        if list.len() < KEPT {
            list.push(sender);
        }
    }
}

fn explain(error: &hyper::Error) -> ConnectError {
    match error.is_incomplete_message() || error.is_closed() {
        true => ConnectError::Http("unexpected EOF".to_owned()),
        false => ConnectError::Http(error.to_string()),
    }
}
