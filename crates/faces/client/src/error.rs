//! Why a call failed, in the words of Docker's client.

use std::io;

/// A failed call.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers at the address.
    #[error("Cannot connect to the Docker daemon at {0}. Is the docker daemon running?")]
    Unreachable(String),
    /// The socket may not be opened by this user.
    #[error(
        "permission denied while trying to connect to the Docker daemon socket at {address}: {request}: dial unix {path}: connect: permission denied"
    )]
    Forbidden {
        /// The address.
        address: String,
        /// The call, as `Get "http://…"`.
        request: String,
        /// The socket.
        path: String,
    },
    /// The connection broke, or what came was not HTTP.
    #[error("error during connect: {request}: {cause}")]
    Broken {
        /// The call, as `Get "http://…"`.
        request: String,
        /// What happened.
        cause: io::Error,
    },
    /// The daemon refused the call.
    #[error("Error response from daemon: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The daemon's message.
        message: String,
        /// What the daemon advises.
        hint: Option<String>,
    },
    /// The daemon refused the call and did not say why.
    #[error(
        "request returned {status} for API route and version {url}, check if the server supports the requested API version"
    )]
    Silent {
        /// The HTTP status with its text.
        status: String,
        /// The call's URL.
        url: String,
    },
    /// The answer's body broke off.
    #[error("{0}")]
    Body(io::Error),
    /// The answer is not the document that was expected.
    #[error("{0}")]
    Document(String),
    /// A connection that was to be taken over was not.
    #[error("unable to upgrade to tcp, received {0}")]
    NotUpgraded(u16),
}

impl Error {
    /// The HTTP status of a refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Error::Refused { status, .. } => Some(*status),
            Error::Silent { status, .. } => status.split(' ').next().and_then(|code| code.parse().ok()),
            _ => None,
        }
    }

    /// Whether the daemon does not know the object.
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(404)
    }

    /// Whether no daemon could be reached at all.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Error::Unreachable(_))
    }

    /// Whether the connection, rather than the daemon, failed.
    pub fn is_connection(&self) -> bool {
        matches!(
            self,
            Error::Unreachable(_) | Error::Forbidden { .. } | Error::Broken { .. } | Error::Body(_)
        )
    }

    /// What the daemon advises.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Error::Refused { hint, .. } => hint.as_deref(),
            _ => None,
        }
    }

    /// What the daemon said, without the `Error response from daemon` in front.
    pub fn message(&self) -> String {
        match self {
            Error::Refused { message, .. } => message.clone(),
            other => other.to_string(),
        }
    }
}
