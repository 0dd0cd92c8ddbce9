//! What registries answer instead of content. Distribution protocol, "Error codes"; the words are Docker's.

use serde::Deserialize;

use super::auth::{Challenge, Scheme};
use super::connect::ConnectError;
use super::url::Url;

/// A registry that cannot be reached, refuses, or answers nonsense.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No connection, or it broke.
    #[error("{method} \"{url}\": {cause}")]
    Transport {
        /// `Get`, `Head` or `Post`.
        method: &'static str,
        /// What was asked for.
        url: String,
        /// Why it failed.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The registry wants to know who asks, and we cannot say.
    #[error("{method} \"{url}\": {reason}")]
    Proof {
        /// `Get`, `Head` or `Post`.
        method: &'static str,
        /// What was asked for.
        url: String,
        /// What is missing or refused.
        reason: String,
    },
    /// The registry refused and said why.
    #[error("{}: {message}", code.to_lowercase().replace('_', " "))]
    Refused {
        /// The protocol's code, such as `MANIFEST_UNKNOWN`.
        code: String,
        /// The reason for people.
        message: String,
    },
    /// The registry refused in a way that the protocol does not know.
    #[error("error parsing HTTP {status} response body: {cause}: {body:?}")]
    Nonsense {
        /// The status.
        status: u16,
        /// Why it could not be read.
        cause: String,
        /// What was said.
        body: String,
    },
    /// The registry is in trouble.
    #[error("received unexpected HTTP status: {0}")]
    Status(String),
    /// More redirects than anybody needs, or one that leads nowhere.
    #[error("{method} \"{url}\": stopped after 10 redirects")]
    Redirects {
        /// `Get` or `Head`.
        method: &'static str,
        /// Where it stopped.
        url: String,
    },
}

impl RegistryError {
    pub(super) fn transport(method: &http::Method, url: &Url, cause: ConnectError) -> RegistryError {
        RegistryError::Transport { method: method_name(method), url: url.to_string(), cause: Box::new(cause) }
    }

    /// True if another server may do better: this one could not be spoken with.
    pub(crate) fn is_transport(&self) -> bool {
        matches!(self, RegistryError::Transport { .. })
    }

    /// True if the registry answered that these credentials will not do.
    pub fn is_refusal(&self) -> bool {
        match self {
            RegistryError::Proof { .. } => true,
            RegistryError::Refused { code, .. } => code == "UNAUTHORIZED" || code == "DENIED",
            _ => false,
        }
    }

    /// True if it makes sense to ask the same again.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, RegistryError::Transport { .. } | RegistryError::Status(_))
    }

    /// The protocol's code, if the registry gave one.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            RegistryError::Refused { code, .. } => Some(code),
            _ => None,
        }
    }
}

/// `Get` for GET, as Go writes methods in errors.
pub(super) fn method_name(method: &http::Method) -> &'static str {
    match *method {
        http::Method::HEAD => "Head",
        http::Method::POST => "Post",
        _ => "Get",
    }
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    details: Option<String>,
    #[serde(default)]
    errors: Option<Vec<Item>>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: Option<String>,
}

/// The codes of the protocol and what they mean when the registry says no more.
const CODES: &[(&str, &str)] = &[
    ("UNKNOWN", "unknown error"),
    ("UNSUPPORTED", "The operation is unsupported."),
    ("UNAUTHORIZED", "authentication required"),
    ("DENIED", "requested access to the resource is denied"),
    ("UNAVAILABLE", "service unavailable"),
    ("TOOMANYREQUESTS", "too many requests"),
    ("DIGEST_INVALID", "provided digest did not match uploaded content"),
    ("NAME_INVALID", "invalid repository name"),
    ("TAG_INVALID", "manifest tag did not match URI"),
    ("NAME_UNKNOWN", "repository name not known to registry"),
    ("MANIFEST_UNKNOWN", "manifest unknown"),
    ("MANIFEST_INVALID", "manifest invalid"),
    ("MANIFEST_UNVERIFIED", "manifest failed signature verification"),
    ("MANIFEST_BLOB_UNKNOWN", "blob unknown to registry"),
    ("BLOB_UNKNOWN", "blob unknown to registry"),
    ("PAGINATION_NUMBER_INVALID", "invalid number of results requested"),
];

fn refused(code: &str, message: Option<String>) -> RegistryError {
    let (code, meaning) = CODES.iter().find(|(known, _)| *known == code).unwrap_or(&CODES[0]);
    let message = message.filter(|message| !message.is_empty()).unwrap_or_else(|| (*meaning).to_owned());
    RegistryError::Refused { code: (*code).to_owned(), message }
}

/// Reads an answer whose status says that something failed. Pure.
pub(super) fn read_failure(
    status: http::StatusCode,
    challenges: &[Challenge],
    content_type: Option<&str>,
    body: &[u8],
) -> RegistryError {
    if !(400..500).contains(&status.as_u16()) {
        return RegistryError::Status(status.to_string());
    }
    for challenge in challenges.iter().filter(|challenge| challenge.scheme == Scheme::Bearer) {
        let code = match challenge.parameter("error") {
            Some("invalid_token") => "UNAUTHORIZED",
            Some("insufficient_scope") => "DENIED",
            _ => continue,
        };
        return refused(code, challenge.parameter("error_description").map(str::to_owned));
    }
    let text = String::from_utf8_lossy(body).into_owned();
    let kind = content_type.and_then(|kind| kind.split(';').next()).map(str::trim);
    if !matches!(kind, Some("application/json" | "application/vnd.api+json")) {
        return by_status(status, text);
    }
    match serde_json::from_slice::<Document>(body) {
        Ok(Document { details: Some(details), .. }) if !details.is_empty() => by_status(status, details),
        Ok(Document { errors: Some(errors), .. }) if !errors.is_empty() => errors
            .into_iter()
            .next()
            .map(|first| refused(&first.code, first.message))
            .unwrap_or_else(|| by_status(status, text)),
        _ if status == http::StatusCode::UNAUTHORIZED => refused("UNAUTHORIZED", None),
        Ok(_) => RegistryError::Nonsense {
            status: status.as_u16(),
            cause: "no error details found in HTTP response body".to_owned(),
            body: text,
        },
        Err(cause) => {
            RegistryError::Nonsense { status: status.as_u16(), cause: cause.to_string(), body: text }
        }
    }
}

fn by_status(status: http::StatusCode, details: String) -> RegistryError {
    let code = match status.as_u16() {
        401 => "UNAUTHORIZED",
        403 => "DENIED",
        429 => "TOOMANYREQUESTS",
        _ => "UNKNOWN",
    };
    RegistryError::Refused { code: code.to_owned(), message: details.trim_end().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_in_dockers_words() {
        let json = Some("application/json; charset=utf-8");
        for (status, kind, body, expected) in [
            (
                404,
                json,
                r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#,
                "manifest unknown: manifest unknown",
            ),
            (401, json, r#"{"errors":[{"code":"UNAUTHORIZED"}]}"#, "unauthorized: authentication required"),
            (400, json, r#"{"errors":[{"code":"NOVEL","message":"why"}]}"#, "unknown: why"),
            (401, json, "{}", "unauthorized: authentication required"),
            (
                404,
                json,
                "{}",
                "error parsing HTTP 404 response body: no error details found in HTTP response body: \"{}\"",
            ),
            (403, None, "no\n", "denied: no"),
            (429, json, r#"{"details":"slow down"}"#, "toomanyrequests: slow down"),
            (502, None, "", "received unexpected HTTP status: 502 Bad Gateway"),
        ] {
            let status = http::StatusCode::from_u16(status).unwrap();
            assert_eq!(read_failure(status, &[], kind, body.as_bytes()).to_string(), expected);
        }
    }
}
