//! One call: building it, sending it, and reading the head of its answer.

use crate::address::Address;
use crate::body::{Body, Head, read_head};
use crate::client::Client;
use crate::error::Error;
use crate::hijack::Hijacked;
use crate::response::{Response, refusal};
use crate::sender::Sender;
use crate::stream::Stream;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use std::io::{self, BufReader, Read, Write};
use std::time::Duration;

/// What must be escaped in a path; a name's slashes stay.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'\\')
    .add(b'^')
    .add(b'|')
    .add(b'[')
    .add(b']');
/// What may stand in a query as it is.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b' ');

/// A body to send.
enum Payload {
    None,
    Bytes(Vec<u8>),
    Stream(Box<dyn Read + Send>),
}

/// A call being built.
pub struct Request<'c> {
    client: &'c Client,
    method: &'static str,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    payload: Payload,
    versioned: bool,
    deadline: Option<Duration>,
}

impl<'c> Request<'c> {
    pub(crate) fn new(client: &'c Client, method: &'static str, path: &str) -> Request<'c> {
        Request {
            client,
            method,
            path: utf8_percent_encode(path, PATH).to_string(),
            query: Vec::new(),
            headers: Vec::new(),
            payload: Payload::None,
            versioned: true,
            deadline: None,
        }
    }

    /// Makes it a call outside any version of the API, which is to be answered in time.
    pub(crate) fn unversioned(self, deadline: Duration) -> Self {
        Request { versioned: false, deadline: Some(deadline), ..self }
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn query(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    /// Adds a query parameter, unless its value is empty.
    #[must_use]
    pub fn query_some(self, name: &str, value: impl Into<String>) -> Self {
        let value = value.into();
        if value.is_empty() { self } else { self.query(name, value) }
    }

    /// Adds `name=1` if `on`.
    #[must_use]
    pub fn query_if(self, name: &str, on: bool) -> Self {
        if on { self.query(name, "1") } else { self }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sends a document.
    ///
    /// # Panics
    /// Never: the documents of the API have text keys and can be written.
    #[must_use]
    pub fn json(mut self, document: &impl Serialize) -> Self {
        self.payload =
            Payload::Bytes(serde_json::to_vec(document).expect("API documents can be written as JSON"));
        self.header("Content-Type", "application/json")
    }

    /// Sends what `body` reads, in chunks, while the answer is read.
    #[must_use]
    pub fn stream(mut self, content_type: &str, body: impl Read + Send + 'static) -> Self {
        self.payload = Payload::Stream(Box::new(body));
        self.header("Content-Type", content_type)
    }

    /// Makes the call and gives the answer once its head is there.
    ///
    /// # Errors
    /// No daemon, a broken connection, or the daemon's refusal.
    pub fn send(self) -> Result<Response, Error> {
        let url = self.url();
        let (head, body) = self.exchange()?;
        if (200..400).contains(&head.status) {
            return Ok(Response { head, body });
        }
        Err(refusal(&head, body, &url))
    }

    /// Makes the call and takes the connection over for a process's streams.
    ///
    /// # Errors
    /// No daemon, a broken connection, or the daemon's refusal.
    pub fn hijack(self) -> Result<Hijacked, Error> {
        let request = self.header("Connection", "Upgrade").header("Upgrade", "tcp");
        let shown = request.shown();
        let url = request.url();
        let broken = |cause| Error::Broken { request: shown.clone(), cause };
        let mut connection = request.connect()?;
        let head_text = request.head_text();
        let stream = connection.get_mut();
        stream.write_all(&head_text).map_err(broken)?;
        let head = read_head(&mut connection).map_err(broken)?;
        match head.status {
            101 | 200 => Ok(Hijacked::new(connection, head.header("Content-Type"))),
            status if status >= 400 => {
                let body = Body::new(connection, &head, request.method, None);
                Err(refusal(&head, body, &url))
            }
            other => Err(Error::NotUpgraded(other)),
        }
    }

    fn target(&self) -> String {
        let mut target = self.client.options.address.prefix().to_owned();
        if self.versioned {
            target.push_str("/v");
            target.push_str(&self.client.version());
        }
        target.push_str(&self.path);
        // Sorted by name, as Go writes them; the values of one name keep their order.
        let mut query: Vec<&(String, String)> = self.query.iter().collect();
        query.sort_by_key(|(name, _)| name.as_str());
        for (index, (name, value)) in query.into_iter().enumerate() {
            target.push(if index == 0 { '?' } else { '&' });
            target.push_str(&escape(name));
            target.push('=');
            target.push_str(&escape(value));
        }
        target
    }

    fn url(&self) -> String {
        format!("http://{}{}", self.client.options.address.authority(), self.target())
    }

    /// The call as Go's errors name it: `Get "http://…"`.
    fn shown(&self) -> String {
        let mut method = self.method.to_ascii_lowercase();
        if let Some(first) = method.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        format!("{method} \"{}\"", self.url())
    }

    fn head_text(&self) -> Vec<u8> {
        let options = &self.client.options;
        let host = match &options.address {
            Address::Unix(_) => "api.moby.localhost".to_owned(),
            tcp @ Address::Tcp { .. } => tcp.authority(),
        };
        let mut text = format!(
            "{} {} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {}\r\n",
            self.method,
            self.target(),
            options.user_agent
        );
        for (name, value) in options.headers.iter().chain(&self.headers) {
            text.push_str(&format!("{name}: {}\r\n", value.replace(['\r', '\n'], " ")));
        }
        match &self.payload {
            Payload::Stream(_) => text.push_str("Transfer-Encoding: chunked\r\n\r\n"),
            Payload::Bytes(bytes) => text.push_str(&format!("Content-Length: {}\r\n\r\n", bytes.len())),
            Payload::None if self.method == "POST" || self.method == "PUT" => {
                text.push_str("Content-Length: 0\r\n\r\n")
            }
            Payload::None => text.push_str("\r\n"),
        }
        let mut text = text.into_bytes();
        if let Payload::Bytes(bytes) = &self.payload {
            text.extend_from_slice(bytes);
        }
        text
    }

    fn connect(&self) -> Result<BufReader<Stream>, Error> {
        let address = &self.client.options.address;
        let stream = Stream::connect(address).map_err(|cause| match (address, cause.kind()) {
            (Address::Unix(path), io::ErrorKind::PermissionDenied) => Error::Forbidden {
                address: address.to_string(),
                request: self.shown(),
                path: path.display().to_string(),
            },
            (Address::Unix(_), _) | (_, io::ErrorKind::ConnectionRefused | io::ErrorKind::TimedOut) => {
                Error::Unreachable(address.to_string())
            }
            _ => Error::Broken { request: self.shown(), cause },
        })?;
        Ok(BufReader::with_capacity(16 * 1024, stream))
    }

    /// Sends the call and reads the head of its answer, whatever its status.
    pub(crate) fn exchange(mut self) -> Result<(Head, Body), Error> {
        let text = self.head_text();
        let client = self.client;
        let is_stream = matches!(self.payload, Payload::Stream(_));
        // The daemon may close an idle connection at any moment; then nothing of the call has been read and it is
        // made again on a new one.
        if !is_stream && let Some(mut connection) = client.take_idle() {
            match connection.get_mut().write_all(&text).and_then(|()| self.read(&mut connection)) {
                Ok(head) => {
                    let body = Body::new(connection, &head, self.method, Some(client.idle.clone()));
                    return Ok((head, body));
                }
                Err(cause) if !is_closed(&cause) => {
                    return Err(Error::Broken { request: self.shown(), cause });
                }
                Err(_) => {}
            }
        }
        let mut connection = self.connect()?;
        let broken = |request: &Self, cause| Error::Broken { request: request.shown(), cause };
        let written = connection.get_mut().write_all(&text);
        let payload = std::mem::replace(&mut self.payload, Payload::None);
        let sender = match payload {
            Payload::Stream(body) => {
                let to = connection.get_ref().try_clone().map_err(|cause| broken(&self, cause))?;
                Some(Sender::start(body, to))
            }
            _ => None,
        };
        let head = self.read(&mut connection).map_err(|cause| {
            let sent = sender.as_ref().and_then(Sender::failure);
            broken(&self, sent.or(written.err()).unwrap_or(cause))
        })?;
        let idle = (!is_stream).then(|| client.idle.clone());
        let body = Body::new(connection, &head, self.method, idle);
        Ok((head, body))
    }

    fn read(&self, connection: &mut BufReader<Stream>) -> io::Result<Head> {
        if self.deadline.is_none() {
            return read_head(connection);
        }
        connection.get_ref().set_read_deadline(self.deadline)?;
        let head = read_head(connection)?;
        connection.get_ref().set_read_deadline(None)?;
        Ok(head)
    }
}

/// Whether the peer had closed the connection before it answered.
fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

fn escape(text: &str) -> String {
    utf8_percent_encode(text, QUERY).to_string().replace(' ', "+")
}
