//! rtnetlink and nf_tables messages: encode, send, decode; knows no network model.

/// Why a conversation with the kernel failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused a message.
    #[error("{}{}", .cause, .text.as_deref().map(|t| format!(" ({t})")).unwrap_or_default())]
    Refused {
        /// The error number.
        cause: std::io::Error,
        /// The kernel's own words, when it sent any.
        text: Option<String>,
    },
    /// A system call failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The kernel's answer makes no sense.
    #[error("malformed netlink answer: {0}")]
    Malformed(&'static str),
}
