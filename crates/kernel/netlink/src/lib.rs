//! rtnetlink and nf_tables messages: encode, send, decode; knows no network model.
//!
//! [`wire`] is the codec, [`Socket`] the conversation; [`route`], [`nftables`] and [`conntrack`] say the messages that
//! Gantry needs.

use std::io;

pub mod conntrack;
pub mod namespace;
pub mod nftables;
pub mod route;
mod socket;
pub mod wire;

pub use socket::{Socket, Subsystem};

/// Why a conversation with the kernel failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused a message.
    #[error("{cause}{}", .text.as_deref().map(|text| format!(" ({text})")).unwrap_or_default())]
    Refused {
        /// The error number.
        cause: io::Error,
        /// The kernel's own words, when it sent any.
        text: Option<String>,
        /// Which of the messages sent together, from 0.
        position: u32,
    },
    /// A system call failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The kernel's answer makes no sense.
    #[error("malformed netlink answer: {0}")]
    Malformed(&'static str),
    /// A value does not fit the message.
    #[error("a value is too long for a netlink message")]
    TooLong,
    /// A list changed while it was read; ask again.
    #[error("the kernel's list changed while it was read")]
    Interrupted,
}

impl Error {
    fn refused(errno: i32, text: Option<String>, position: u32) -> Error {
        Error::Refused { cause: io::Error::from_raw_os_error(errno), text, position }
    }

    /// The error number of a refusal or failed call.
    pub fn errno(&self) -> Option<rustix::io::Errno> {
        match self {
            Error::Refused { cause, .. } | Error::Io(cause) => rustix::io::Errno::from_io_error(cause),
            Error::Malformed(_) | Error::TooLong | Error::Interrupted => None,
        }
    }

    /// Whether the kernel says that the object is not there.
    pub fn is_missing(&self) -> bool {
        use rustix::io::Errno;
        matches!(self.errno(), Some(Errno::NODEV | Errno::NOENT | Errno::SRCH | Errno::ADDRNOTAVAIL))
    }

    /// Whether the kernel says that the object is there already.
    pub fn is_present(&self) -> bool {
        self.errno() == Some(rustix::io::Errno::EXIST)
    }
}

impl From<rustix::io::Errno> for Error {
    fn from(errno: rustix::io::Errno) -> Error {
        Error::Io(errno.into())
    }
}
