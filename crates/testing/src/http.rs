//! A plain HTTP/1.1 client for tests: it sends exactly what it is told, also what is wrong.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

/// Where a server listens.
#[derive(Clone, Debug)]
pub enum Address {
    /// A unix socket.
    Unix(PathBuf),
    /// `host:port`.
    Tcp(String),
}

impl Address {
    /// The unix socket at `path`.
    pub fn unix(path: impl AsRef<Path>) -> Self {
        Self::Unix(path.as_ref().to_owned())
    }

    /// Opens a connection.
    pub fn connect(&self) -> std::io::Result<Stream> {
        let stream = match self {
            Self::Unix(path) => Stream::Unix(UnixStream::connect(path)?),
            Self::Tcp(address) => Stream::Tcp(TcpStream::connect(address)?),
        };
        stream.set_limit(Duration::from_secs(60))?;
        Ok(stream)
    }
}

/// A connection to a server.
#[derive(Debug)]
pub enum Stream {
    /// Over a unix socket.
    Unix(UnixStream),
    /// Over TCP.
    Tcp(TcpStream),
}

impl Stream {
    /// Limits how long one read or write may take.
    pub fn set_limit(&self, limit: Duration) -> std::io::Result<()> {
        match self {
            Self::Unix(stream) => {
                stream.set_read_timeout(Some(limit))?;
                stream.set_write_timeout(Some(limit))
            }
            Self::Tcp(stream) => {
                stream.set_read_timeout(Some(limit))?;
                stream.set_write_timeout(Some(limit))
            }
        }
    }

    /// Says that no more bytes will be sent.
    pub fn half_close(&self) -> std::io::Result<()> {
        match self {
            Self::Unix(stream) => stream.shutdown(std::net::Shutdown::Write),
            Self::Tcp(stream) => stream.shutdown(std::net::Shutdown::Write),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(stream) => stream.as_fd(),
            Self::Tcp(stream) => stream.as_fd(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(buffer),
            Self::Tcp(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(bytes),
            Self::Tcp(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A request, written as it stands.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `GET`, `POST`…
    pub method: String,
    /// Path with query, already encoded.
    pub path: String,
    /// Extra header lines, without the line end.
    pub headers: Vec<String>,
    /// The body; no `Content-Length` is sent for a `GET` without one.
    pub body: Vec<u8>,
    /// A `Content-Length` that is not the body's.
    pub claimed_length: Option<usize>,
}

impl Request {
    /// A request without a body.
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), ..Self::default() }
    }

    /// With a JSON body.
    pub fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string().into_bytes();
        self.header("Content-Type: application/json")
    }

    /// With one more header line.
    pub fn header(mut self, line: &str) -> Self {
        self.headers.push(line.to_owned());
        self
    }

    /// With these bytes as the body.
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = bytes.into();
        self
    }

    fn head(&self) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: docker\r\n", self.method, self.path);
        let upgrades = self.headers.iter().any(|line| line.to_ascii_lowercase().starts_with("connection:"));
        if !upgrades {
            head.push_str("Connection: close\r\n");
        }
        for line in &self.headers {
            head.push_str(line);
            head.push_str("\r\n");
        }
        let length = self.claimed_length.unwrap_or(self.body.len());
        if length > 0 || !matches!(self.method.as_str(), "GET" | "HEAD" | "DELETE") {
            head.push_str(&format!("Content-Length: {length}\r\n"));
        }
        head.push_str("\r\n");
        head
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What was asked, for messages.
    pub asked: String,
    /// Status code.
    pub status: u16,
    /// Header names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The body, unchunked.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}) in {self}"))
    }

    /// The value of the header with this lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The `message` of an error, or the body as it stands.
    pub fn message(&self) -> String {
        serde_json::from_slice::<Value>(&self.body)
            .ok()
            .and_then(|value| value.get("message").and_then(Value::as_str).map(str::to_owned))
            .unwrap_or_else(|| self.text())
    }

    /// Fails the test unless the status is `status`.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "status of {self}");
        self
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {} {}", self.asked, self.status, self.text().trim_end())
    }
}

/// An answer whose head has been read and whose body still flows.
#[derive(Debug)]
pub struct Flowing {
    /// Status code.
    pub status: u16,
    /// Header names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    reader: BufReader<Stream>,
}

impl Flowing {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    }

    /// The next chunk of a chunked body; `None` at its end.
    pub fn chunk(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        let size = usize::from_str_radix(line.trim().split(';').next().unwrap_or(""), 16)
            .map_err(|_| std::io::Error::other(format!("chunk size {line:?}")))?;
        let mut bytes = vec![0; size + 2];
        self.reader.read_exact(&mut bytes)?;
        bytes.truncate(size);
        Ok((size > 0).then_some(bytes))
    }

    /// The next line of the body, whatever its framing; empty at the end.
    pub fn line(&mut self) -> std::io::Result<String> {
        if self.is_chunked() {
            let mut line = Vec::new();
            while !line.ends_with(b"\n") {
                match self.chunk()? {
                    Some(bytes) => line.extend(bytes),
                    None => break,
                }
            }
            return Ok(String::from_utf8_lossy(&line).into_owned());
        }
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        Ok(line)
    }

    /// The raw connection, for both directions of a hijacked stream.
    pub fn raw(&mut self) -> &mut BufReader<Stream> {
        &mut self.reader
    }

    /// Reads the rest of the body.
    pub fn rest(mut self) -> std::io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if self.is_chunked() {
            while let Some(bytes) = self.chunk()? {
                body.extend(bytes);
            }
        } else if let Some(length) = self.header("content-length").and_then(|value| value.parse().ok()) {
            body = vec![0; length];
            self.reader.read_exact(&mut body)?;
        } else if self.status != 204 && self.status != 304 {
            self.reader.read_to_end(&mut body)?;
        }
        Ok(body)
    }
}

/// Sends `request` and reads the head of the answer.
pub fn open(address: &Address, request: &Request) -> std::io::Result<Flowing> {
    let mut stream = address.connect()?;
    stream.write_all(request.head().as_bytes())?;
    // A server may refuse before it has read the whole body: then its answer counts, not our broken pipe.
    let written = stream.write_all(&request.body);
    if request.claimed_length.is_some_and(|claimed| claimed > request.body.len()) {
        stream.half_close()?;
    }
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    if line.is_empty() {
        written?;
        return Err(std::io::Error::other("closed without an answer"));
    }
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|word| word.parse().ok())
        .ok_or_else(|| std::io::Error::other(format!("status line {line:?}")))?;
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
            None => break,
        }
    }
    Ok(Flowing { status, headers, reader })
}

/// Sends `request` and reads the whole answer.
pub fn send(address: &Address, request: &Request) -> std::io::Result<Answer> {
    let flowing = open(address, request)?;
    let (status, headers) = (flowing.status, flowing.headers.clone());
    let body = if request.method == "HEAD" { Vec::new() } else { flowing.rest()? };
    Ok(Answer { asked: format!("{} {}", request.method, request.path), status, headers, body })
}

/// Like [`send`], but a body that has not ended after `limit` without news counts as empty.
pub fn send_within(address: &Address, request: &Request, limit: Duration) -> std::io::Result<Answer> {
    let mut flowing = open(address, request)?;
    flowing.raw().get_ref().set_limit(limit)?;
    let (status, headers) = (flowing.status, flowing.headers.clone());
    let body = match flowing.rest() {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Vec::new(),
        other => other?,
    };
    Ok(Answer { asked: format!("{} {}", request.method, request.path), status, headers, body })
}
