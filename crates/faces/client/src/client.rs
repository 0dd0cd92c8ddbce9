//! Calls: building one, sending it, and reading what comes back.

use crate::address::Address;
use crate::body::{Body, Head, Idle, read_head};
use crate::error::Error;
use crate::hijack::Hijacked;
use crate::stream::Stream;
use engine_api::error::ErrorResponse;
use engine_api::version::{self, ApiVersion};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, BufReader, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

const MAX_ERROR: u64 = 1024 * 1024;
const PING_DEADLINE: Duration = Duration::from_secs(10);

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

/// How to reach a daemon.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens.
    pub address: Address,
    /// The API version to speak; negotiated if none.
    pub version: Option<String>,
    /// Sent as `User-Agent`.
    pub user_agent: String,
    /// Sent with every call.
    pub headers: Vec<(String, String)>,
}

impl Options {
    /// The daemon at `address`, its version negotiated.
    pub fn new(address: Address) -> Options {
        Options { address, version: None, user_agent: "Gantry-Client".to_owned(), headers: Vec::new() }
    }
}

/// What a daemon says of itself before any call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ping {
    /// The newest API version it speaks; empty for a very old one.
    pub api_version: String,
    /// The operating system of its containers.
    pub os: String,
    /// Whether experimental features are on.
    pub experimental: bool,
    /// `inactive`, `active/worker`, …
    pub swarm: String,
}

/// A daemon's client.
#[derive(Debug)]
pub struct Client {
    options: Options,
    ping: OnceLock<Ping>,
    idle: Idle,
}

impl Client {
    /// A client of the daemon that `options` name; connects with the first call.
    pub fn new(options: Options) -> Client {
        Client { options, ping: OnceLock::new(), idle: Arc::new(Mutex::new(None)) }
    }

    /// Where the daemon listens.
    pub fn address(&self) -> &Address {
        &self.options.address
    }

    /// Starts a `GET`.
    pub fn get(&self, path: &str) -> Request<'_> {
        Request::new(self, "GET", path)
    }

    /// Starts a `POST`.
    pub fn post(&self, path: &str) -> Request<'_> {
        Request::new(self, "POST", path)
    }

    /// Starts a `PUT`.
    pub fn put(&self, path: &str) -> Request<'_> {
        Request::new(self, "PUT", path)
    }

    /// Starts a `DELETE`.
    pub fn delete(&self, path: &str) -> Request<'_> {
        Request::new(self, "DELETE", path)
    }

    /// Starts a `HEAD`.
    pub fn head(&self, path: &str) -> Request<'_> {
        Request::new(self, "HEAD", path)
    }

    /// Asks the daemon what it is; once.
    ///
    /// # Errors
    /// No daemon answers.
    pub fn ping(&self) -> Result<&Ping, Error> {
        if let Some(ping) = self.ping.get() {
            return Ok(ping);
        }
        let mut request = self.head("/_ping");
        request.versioned = false;
        request.deadline = Some(PING_DEADLINE);
        // A daemon in trouble answers 500 and still says what it is.
        let (head, _) = request.exchange()?;
        let text = |name| head.header(name).unwrap_or("").to_owned();
        let ping = Ping {
            api_version: text("Api-Version"),
            os: text("Ostype"),
            experimental: text("Docker-Experimental") == "true",
            swarm: text("Swarm"),
        };
        Ok(self.ping.get_or_init(|| ping))
    }

    /// The API version that calls are made in: the one of the options, or the newest that both sides speak.
    pub fn version(&self) -> String {
        if let Some(fixed) = &self.options.version {
            return fixed.clone();
        }
        let Ok(ping) = self.ping() else { return version::MAX.to_string() };
        match ping.api_version.parse::<ApiVersion>() {
            Ok(theirs) if theirs < version::MAX => theirs.to_string(),
            Ok(_) => version::MAX.to_string(),
            Err(_) => version::MIN.to_string(),
        }
    }

    /// Whether calls are made in an API version before `1.minor`.
    pub fn is_before(&self, minor: u16) -> bool {
        self.version().parse::<ApiVersion>().is_ok_and(|ours| ours.before(minor))
    }

    /// Drops the idle connection: the daemon behind it may be gone.
    pub fn forget_connection(&self) {
        self.take_idle();
    }

    fn take_idle(&self) -> Option<BufReader<Stream>> {
        self.idle.lock().ok().and_then(|mut slot| slot.take())
    }
}

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
    fn new(client: &'c Client, method: &'static str, path: &str) -> Request<'c> {
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
    fn exchange(mut self) -> Result<(Head, Body), Error> {
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

/// Sends a body in chunks from a thread of its own: the daemon may answer while it still reads.
struct Sender {
    failure: Arc<Mutex<Option<io::Error>>>,
}

impl Sender {
    fn start(mut body: Box<dyn Read + Send>, mut to: Stream) -> Sender {
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
    fn failure(&self) -> Option<io::Error> {
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

/// The error that an answer of 400 and above means.
fn refusal(head: &Head, body: Body, url: &str) -> Error {
    let mut bytes = Vec::new();
    if let Err(error) = body.take(MAX_ERROR).read_to_end(&mut bytes) {
        return Error::Body(error);
    }
    if bytes.is_empty() {
        return Error::Silent { status: format!("{} {}", head.status, head.reason), url: url.to_owned() };
    }
    let refused = |message: String, hint| Error::Refused { status: head.status, message, hint };
    if head.header("Content-Type").is_some_and(|kind| kind.starts_with("application/json")) {
        return match engine_api::json::decode::<ErrorResponse>(&bytes) {
            Ok(answer) if answer.message.is_empty() => refused(
                format!("API returned a {} ({}) but provided no error-message", head.status, head.reason),
                answer.hint,
            ),
            Ok(answer) => refused(answer.message.trim().to_owned(), answer.hint),
            Err(error) => Error::Document(format!("Error reading JSON: {error}")),
        };
    }
    refused(String::from_utf8_lossy(&bytes).trim().to_owned(), None)
}

/// A daemon's answer to a call that it did not refuse.
#[derive(Debug)]
pub struct Response {
    head: Head,
    body: Body,
}

impl Response {
    /// The HTTP status: 200 to 399.
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// The body, as it comes.
    pub fn into_body(self) -> Body {
        self.body
    }

    /// Reads the body to its end.
    ///
    /// # Errors
    /// The connection broke.
    pub fn bytes(mut self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.body.read_to_end(&mut bytes).map_err(Error::Body)?;
        Ok(bytes)
    }

    /// Reads the body as a document.
    ///
    /// # Errors
    /// The connection broke, or the body is another document.
    pub fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        let bytes = self.bytes()?;
        engine_api::json::decode(&bytes).map_err(|error| Error::Document(error.to_string()))
    }

    /// Reads the body as JSON, with every field in the order in which the daemon wrote it.
    ///
    /// # Errors
    /// The connection broke, or the body is no JSON.
    pub fn value(self) -> Result<serde_json::Value, Error> {
        let bytes = self.bytes()?;
        serde_json::from_slice(&bytes).map_err(|error| Error::Document(error.to_string()))
    }
}

#[cfg(test)]
mod tests;
