//! The one error the engine answers with: a kind to map, Docker's sentence to show, and our advice.
//!
//! Each module has its own enum; it becomes an [`Error`] through [`Explain`] at the public border, so that the
//! HTTP face maps kinds and never looks at text.

use std::fmt;

/// What a caller can do about an error. One place in the HTTP face maps it to a status, without a wildcard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request itself is wrong (400).
    InvalidParameter,
    /// Credentials are missing or wrong (401).
    Unauthorized,
    /// The caller may not do this (403).
    Forbidden,
    /// There is no such object (404).
    NotFound,
    /// The object's present state forbids it (409).
    Conflict,
    /// There is nothing to do (304).
    NotModified,
    /// Not now: a mailbox is full, a supervisor does not answer (503).
    Unavailable,
    /// Not in this version (501).
    NotImplemented,
    /// The host or the engine failed (500).
    System,
}

/// Turns a module's error into what a client sees.
pub trait Explain: std::error::Error {
    /// How the caller should react.
    fn kind(&self) -> Kind;

    /// What to do about it, where we know more than Docker says.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// An answer that is an error. `Display` is Docker's wording wherever Docker has one.
#[derive(Debug, Clone)]
pub struct Error {
    /// How to react.
    pub kind: Kind,
    /// What failed, with its causes, joined by `: `.
    pub message: String,
    /// What to do about it; a second field on the wire that Docker's clients ignore.
    pub hint: Option<String>,
}

impl Error {
    /// An error of `kind` that says `message`.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// A request that cannot be right (400).
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::InvalidParameter, message)
    }

    /// An object that is not there (404).
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    /// A state that forbids the request (409).
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, message)
    }

    /// A failure of the host or of ours (500).
    pub fn system(message: impl Into<String>) -> Self {
        Self::new(Kind::System, message)
    }

    /// Something that a later version brings (501).
    pub fn not_implemented(message: impl Into<String>) -> Self {
        Self::new(Kind::NotImplemented, message)
    }

    /// The same error with advice.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error with `context: ` before its message, as Docker's wrapped errors read.
    #[must_use]
    pub fn within(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// A failure of the host, with its chain of causes.
    pub fn from_cause(context: impl fmt::Display, cause: &dyn std::error::Error) -> Self {
        Self::system(format!("{context}: {}", chain(cause)))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl<E: Explain> From<E> for Error {
    fn from(error: E) -> Self {
        Self { kind: error.kind(), message: chain(&error), hint: error.hint() }
    }
}

/// An error and its causes, joined by `: `; a cause that an error already quotes at its end is not said twice.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let told = next.to_string();
        if !text.ends_with(&told) {
            text.push_str(": ");
            text.push_str(&told);
        }
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot open the box")]
    struct Box2(#[source] std::io::Error);

    impl Explain for Box2 {
        fn kind(&self) -> Kind {
            Kind::System
        }
    }

    #[test]
    fn causes_are_joined_once() {
        let error = Error::from(Box2(std::io::Error::other("it is nailed")));
        assert_eq!(error.message, "cannot open the box: it is nailed");
        assert_eq!(error.within("removal").message, "removal: cannot open the box: it is nailed");
    }
}
