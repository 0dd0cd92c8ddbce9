//! What a handler gives back: a document, a stream, or the wish to take the socket.

use crate::body::{Body, Sink};
use crate::error::ApiError;
use crate::hijack::Takeover;
use bytes::Bytes;
use engine_api::version;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde::Serialize;

/// `application/json`.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// `text/plain`, as Docker says it.
pub(crate) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// Bytes of a terminal, or of a stream that is told apart by frames for clients older than 1.42.
pub(crate) const RAW_STREAM: &str = "application/vnd.docker.raw-stream";
/// Frames with an 8-byte head.
pub(crate) const MULTIPLEXED_STREAM: &str = "application/vnd.docker.multiplexed-stream";

/// An answer.
pub(crate) enum Answer {
    /// Head and body.
    Plain(Response<Body>),
    /// The socket leaves HTTP.
    Takeover(Takeover),
}

impl Answer {
    /// A document.
    pub(crate) fn json<T: Serialize>(status: StatusCode, document: &T) -> Result<Answer, ApiError> {
        json_bytes(document).map(|text| Answer::Plain(respond(status, JSON, Body::full(text))))
    }

    /// 200 with a document.
    pub(crate) fn ok<T: Serialize>(document: &T) -> Result<Answer, ApiError> {
        Answer::json(StatusCode::OK, document)
    }

    /// 201 with a document.
    pub(crate) fn created<T: Serialize>(document: &T) -> Result<Answer, ApiError> {
        Answer::json(StatusCode::CREATED, document)
    }

    /// A status alone.
    pub(crate) fn empty(status: StatusCode) -> Answer {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        Answer::Plain(response)
    }

    /// 204.
    pub(crate) fn no_content() -> Answer {
        Answer::empty(StatusCode::NO_CONTENT)
    }

    /// 200 with a body that grows; its head is sent at once.
    pub(crate) fn stream(content_type: HeaderValue) -> (Answer, Sink) {
        let (body, sink) = Body::channel();
        (Answer::Plain(respond(StatusCode::OK, content_type, body)), sink)
    }
}

/// A document as Docker writes it: JSON and a line end.
pub(crate) fn json_bytes<T: Serialize>(document: &T) -> Result<Bytes, ApiError> {
    let mut text = serde_json::to_vec(document)
        .map_err(|cause| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, cause.to_string()))?;
    text.push(b'\n');
    Ok(Bytes::from(text))
}

/// Head and body.
pub(crate) fn respond(status: StatusCode, content_type: HeaderValue, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// An error as a response; 304 carries no body.
pub(crate) fn error_response(error: &ApiError) -> Response<Body> {
    if error.status == StatusCode::NOT_MODIFIED {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = error.status;
        return response;
    }
    let text = json_bytes(&error.body).unwrap_or_default();
    let mut response = respond(error.status, JSON, Body::full(text));
    if error.status == StatusCode::PAYLOAD_TOO_LARGE {
        // The rest of the body is not read: the connection cannot serve another request.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The headers that tell a client what it talks to; on every answer of a known route.
pub(crate) fn identity(experimental: bool) -> [(HeaderName, HeaderValue); 4] {
    let server = concat!("Gantry/", env!("CARGO_PKG_VERSION"), " Docker/28.5.2 (linux)");
    let experimental = if experimental { "true" } else { "false" };
    let newest = HeaderValue::from_str(&version::MAX.to_string());
    [
        (HeaderName::from_static("api-version"), newest.unwrap_or(HeaderValue::from_static("1.51"))),
        (HeaderName::from_static("docker-experimental"), HeaderValue::from_static(experimental)),
        (HeaderName::from_static("ostype"), HeaderValue::from_static("linux")),
        (http::header::SERVER, HeaderValue::from_static(server)),
    ]
}
