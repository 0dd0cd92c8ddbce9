//! The head and the body of an answer, as HTTP/1.1 frames them (RFC 9112).

use crate::stream::Stream;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::{Arc, Mutex};

const MAX_HEAD: usize = 256 * 1024;
const MAX_HEADERS: usize = 100;

/// The idle connection that the next call may use.
pub(crate) type Idle = Arc<Mutex<Option<BufReader<Stream>>>>;

/// Status and headers of an answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) reason: String,
    headers: Vec<(String, String)>,
}

impl Head {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn has_word(&self, name: &str, word: &str) -> bool {
        self.headers
            .iter()
            .filter(|(have, _)| have.eq_ignore_ascii_case(name))
            .any(|(_, value)| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
    }
}

/// Reads the head of the answer, past interim ones (`100 Continue`).
pub(crate) fn read_head(from: &mut BufReader<Stream>) -> io::Result<Head> {
    loop {
        let head = read_one_head(from)?;
        if head.status == 101 || head.status >= 200 {
            return Ok(head);
        }
    }
}

fn read_one_head(from: &mut BufReader<Stream>) -> io::Result<Head> {
    let mut text = Vec::with_capacity(512);
    loop {
        let before = text.len();
        from.by_ref().take((MAX_HEAD - before) as u64).read_until(b'\n', &mut text)?;
        if text.len() == before {
            return Err(if before == MAX_HEAD {
                io::Error::new(io::ErrorKind::InvalidData, "net/http: server response headers exceeded limit")
            } else {
                io::Error::new(io::ErrorKind::UnexpectedEof, "EOF")
            });
        }
        if matches!(&text[before..], b"\r\n" | b"\n") {
            break;
        }
    }
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut answer = httparse::Response::new(&mut headers);
    let malformed = || {
        let shown: String = String::from_utf8_lossy(&text).chars().take(60).collect();
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("net/http: HTTP/1.x transport connection broken: malformed HTTP response {shown:?}"),
        )
    };
    match answer.parse(&text) {
        Ok(httparse::Status::Complete(_)) => {}
        _ => return Err(malformed()),
    }
    Ok(Head {
        status: answer.code.unwrap_or(0),
        reason: answer.reason.unwrap_or("").to_owned(),
        headers: answer
            .headers
            .iter()
            .map(|header| (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned()))
            .collect(),
    })
}

/// How much of the body is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Bytes(u64),
    Chunk(u64),
    NextChunk,
    UntilClose,
    Nothing,
}

/// The body of an answer; reading it to its end gives the connection back to the client.
#[derive(Debug)]
pub struct Body {
    connection: Option<BufReader<Stream>>,
    rest: Rest,
    idle: Option<Idle>,
}

impl Body {
    /// The body that follows `head`, the answer to a call by `method`; the connection returns to `idle` if it may be
    /// used again.
    pub(crate) fn new(connection: BufReader<Stream>, head: &Head, method: &str, idle: Option<Idle>) -> Body {
        let rest = if method == "HEAD" || matches!(head.status, 204 | 304) {
            Rest::Nothing
        } else if head.has_word("Transfer-Encoding", "chunked") {
            Rest::NextChunk
        } else if let Some(size) = head.header("Content-Length").and_then(|text| text.trim().parse().ok()) {
            Rest::Bytes(size)
        } else {
            Rest::UntilClose
        };
        let keep = rest != Rest::UntilClose && !head.has_word("Connection", "close");
        let mut body = Body { connection: Some(connection), rest, idle: idle.filter(|_| keep) };
        if matches!(rest, Rest::Nothing | Rest::Bytes(0)) {
            body.finish();
        }
        body
    }

    /// Gives the connection back to the client.
    fn finish(&mut self) {
        self.rest = Rest::Nothing;
        let connection = self.connection.take();
        if let (Some(connection), Some(idle)) = (connection, self.idle.take())
            && let Ok(mut slot) = idle.lock()
        {
            *slot = Some(connection);
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let Some(connection) = self.connection.as_mut() else { return Ok(String::new()) };
        let mut line = Vec::new();
        connection.by_ref().take(4096).read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned())
    }

    /// Reads the size of the next chunk; the last one ends the body.
    fn next_chunk(&mut self) -> io::Result<()> {
        let line = self.line()?;
        let digits = line.split(';').next().unwrap_or("").trim();
        let size = u64::from_str_radix(digits, 16)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "invalid byte in chunk length"))?;
        if size > 0 {
            self.rest = Rest::Chunk(size);
            return Ok(());
        }
        while !self.line()?.is_empty() {}
        self.finish();
        Ok(())
    }

    fn read_some(&mut self, into: &mut [u8], most: u64) -> io::Result<usize> {
        let room = into.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        match self.connection.as_mut() {
            Some(connection) => connection.read(&mut into[..room]),
            None => Ok(0),
        }
    }
}

impl Read for Body {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        if self.rest == Rest::NextChunk {
            self.next_chunk()?;
        }
        let most = match self.rest {
            Rest::Nothing | Rest::NextChunk => return Ok(0),
            Rest::Bytes(left) | Rest::Chunk(left) => left,
            Rest::UntilClose => u64::MAX,
        };
        let read = self.read_some(into, most)?;
        let left = most - read as u64;
        match self.rest {
            Rest::UntilClose if read == 0 => self.finish(),
            Rest::UntilClose => {}
            _ if read == 0 => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "unexpected EOF")),
            Rest::Bytes(_) if left == 0 => self.finish(),
            Rest::Bytes(_) => self.rest = Rest::Bytes(left),
            _ if left == 0 => {
                self.line()?;
                self.rest = Rest::NextChunk;
                // The last chunk is usually here already; reading it now gives the connection back early.
                if self.connection.as_ref().is_some_and(|connection| !connection.buffer().is_empty()) {
                    self.next_chunk()?;
                }
            }
            _ => self.rest = Rest::Chunk(left),
        }
        Ok(read)
    }
}
