//! What a daemon answers: a document, a stream, or a refusal.

use crate::body::{Body, Head};
use crate::error::Error;
use engine_api::error::ErrorResponse;
use serde::de::DeserializeOwned;
use std::io::Read;

const MAX_ERROR: u64 = 1024 * 1024;

/// The error that an answer of 400 and above means.
pub(crate) fn refusal(head: &Head, body: Body, url: &str) -> Error {
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
    pub(crate) head: Head,
    pub(crate) body: Body,
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
