//! Bodies: of answers, whole or growing; of requests, as bounded JSON or as a reader for a blocking thread.

use crate::error::ApiError;
use crate::hijack::NextHead;
use bytes::Bytes;
use engine_api::json::{self, JsonError};
use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};

/// The largest JSON document that is read.
pub(crate) const LARGEST_DOCUMENT: usize = 16 << 20;
/// How long a client may pause within a document.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long a client may pause within an archive, which may come out of a slow pipe.
const LONGEST_ARCHIVE_PAUSE: Duration = Duration::from_secs(1800);
/// Blocks in flight between the two ends of a streamed body.
const BLOCKS: usize = 8;

/// The body of an answer.
pub(crate) struct Body {
    inner: Inner,
    /// Dropped with the body, when all of it was sent.
    _mark: Option<NextHead>,
}

enum Inner {
    Whole(Bytes),
    Growing(mpsc::Receiver<Bytes>),
}

/// The writing end of a growing body. Dropping it ends the body.
#[derive(Clone)]
pub(crate) struct Sink(mpsc::Sender<Bytes>);

/// The client went away.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gone;

impl Body {
    /// No bytes.
    pub(crate) fn empty() -> Body {
        Body::full(Bytes::new())
    }

    /// All bytes, with their length in the head.
    pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
        Body { inner: Inner::Whole(bytes.into()), _mark: None }
    }

    /// The same body with a mark that tells when it was sent.
    pub(crate) fn marking(self, mark: NextHead) -> Body {
        Body { inner: self.inner, _mark: Some(mark) }
    }

    /// A chunked body and its writing end.
    pub(crate) fn channel() -> (Body, Sink) {
        let (sink, source) = mpsc::channel(BLOCKS);
        (Body { inner: Inner::Growing(source), _mark: None }, Sink(sink))
    }
}

impl Sink {
    /// Sends a block; waits while the client is slow.
    pub(crate) async fn send(&self, block: impl Into<Bytes>) -> Result<(), Gone> {
        self.0.send(block.into()).await.map_err(|_| Gone)
    }

    /// Resolves when nobody reads any more.
    pub(crate) async fn closed(&self) {
        self.0.closed().await;
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.inner {
            Inner::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Inner::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Inner::Growing(source) => {
                source.poll_recv(context).map(|block| block.map(|block| Ok(Frame::data(block))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.inner, Inner::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Growing(_) => SizeHint::default(),
        }
    }
}

/// Whether the head announces no body at all.
pub(crate) fn is_empty(body: &Incoming) -> bool {
    body.size_hint().exact() == Some(0)
}

async fn next_block(body: &mut Incoming, patience: Duration) -> Option<Result<Bytes, ApiError>> {
    loop {
        let frame = std::future::poll_fn(|context| pin!(&mut *body).poll_frame(context));
        match tokio::time::timeout(patience, frame).await {
            Err(_) => return Some(Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "request body timed out"))),
            Ok(None) => return None,
            Ok(Some(Err(_))) => return Some(Err(ApiError::bad_request("invalid JSON: unexpected EOF"))),
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(block) if !block.is_empty() => return Some(Ok(block)),
                _ => {}
            },
        }
    }
}

/// Reads a body to its end, up to [`LARGEST_DOCUMENT`].
pub(crate) async fn read_all(body: &mut Incoming) -> Result<Vec<u8>, ApiError> {
    let too_large = || ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "http: request body too large");
    if body.size_hint().lower() > LARGEST_DOCUMENT as u64 {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(block) = next_block(body, LONGEST_PAUSE).await {
        let block = block?;
        if bytes.len() + block.len() > LARGEST_DOCUMENT {
            return Err(too_large());
        }
        bytes.extend_from_slice(&block);
    }
    Ok(bytes)
}

/// Refuses a body that does not call itself JSON, in Docker's words. No body needs no type.
pub(crate) fn check_type(headers: &HeaderMap, body: &Incoming) -> Result<(), ApiError> {
    let given = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let given = given.as_deref().unwrap_or_default();
    if given.is_empty() && is_empty(body) {
        return Ok(());
    }
    let media = given.split(';').next().unwrap_or_default().trim();
    if media.is_empty() {
        let message = format!("malformed Content-Type header ({given}): mime: no media type");
        return Err(ApiError::bad_request(message));
    }
    if !media.eq_ignore_ascii_case("application/json") {
        let message = format!("unsupported Content-Type header ({given}): must be 'application/json'");
        return Err(ApiError::bad_request(message));
    }
    Ok(())
}

/// Reads a document; nothing at all is the empty document.
pub(crate) async fn read_json<T: DeserializeOwned + Default>(
    headers: &HeaderMap,
    body: &mut Incoming,
) -> Result<T, ApiError> {
    check_type(headers, body)?;
    if is_empty(body) {
        return Ok(T::default());
    }
    decode(&read_all(body).await?)
}

/// Decodes a document in Docker's words for what is wrong with it.
pub(crate) fn decode<T: DeserializeOwned>(text: &[u8]) -> Result<T, ApiError> {
    json::decode(text).map_err(|cause| {
        ApiError::bad_request(match cause {
            JsonError::Empty => "invalid JSON: got EOF while reading request body".to_owned(),
            JsonError::Trailing => cause.to_string(),
            JsonError::Syntax(_) | JsonError::Shape(_) => format!("invalid JSON: {cause}"),
        })
    })
}

/// Whether a document has any of these members.
pub(crate) fn names_any(text: &[u8], members: &[&str]) -> bool {
    let document = json::parse(text).unwrap_or_default();
    let mut names = document.as_object().into_iter().flat_map(|members| members.keys());
    names.any(|name| members.iter().any(|member| member.eq_ignore_ascii_case(name)))
}

/// Archives that are read at one time: each holds a blocking thread, and clients may take as long as they like. More
/// wait for their turn, while other calls still find a thread.
static ARCHIVES: Semaphore = Semaphore::const_new(8);

/// A request's body for a blocking thread: blocks arrive through a bounded channel.
pub(crate) struct BlockingReader {
    _turn: Option<SemaphorePermit<'static>>,
    source: mpsc::Receiver<Result<Bytes, io::Error>>,
    block: Bytes,
}

impl io::Read for BlockingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.block.is_empty() {
            match self.source.blocking_recv() {
                None => return Ok(0),
                Some(block) => self.block = block?,
            }
        }
        let count = buffer.len().min(self.block.len());
        buffer[..count].copy_from_slice(&self.block.split_to(count));
        Ok(count)
    }
}

/// Feeds a body to a [`BlockingReader`]. When the reader is dropped, the rest is read and thrown away, up to a
/// bound, so that the client gets to read its answer.
pub(crate) async fn blocking_reader(mut body: Incoming) -> BlockingReader {
    const LARGEST_REST: usize = 64 << 20;
    // Never closed; without a turn the archive is read all the same.
    let turn = ARCHIVES.acquire().await.ok();
    let (sink, source) = mpsc::channel(BLOCKS);
    tokio::spawn(async move {
        let mut rest = 0;
        while let Some(block) = next_block(&mut body, LONGEST_ARCHIVE_PAUSE).await {
            let failed = block.is_err();
            let length = block.as_ref().map_or(0, Bytes::len);
            let block = block.map_err(|_| io::Error::new(io::ErrorKind::UnexpectedEof, "unexpected EOF"));
            if sink.send(block).await.is_err() {
                rest += length;
            }
            if failed || rest > LARGEST_REST {
                break;
            }
        }
    });
    BlockingReader { _turn: turn, source, block: Bytes::new() }
}
