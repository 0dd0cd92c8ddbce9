//! The Engine API from the other side: a small blocking client over unix sockets and TCP; no policy.
//!
//! A [`Client`] speaks HTTP/1.1 to one [`Address`]. It asks the daemon for its API version before the first versioned
//! call (`HEAD /_ping`), keeps one idle connection, and reports failures as [`Error`] in Docker's words.
//!
//! ```no_run
//! use client::{Address, Client, Options};
//! let client = Client::new(Options::new(Address::parse("unix:///run/gantry/gantry.sock").unwrap()));
//! let list: serde_json::Value = client.get("/containers/json").query("all", "1").send()?.json()?;
//! # Ok::<(), client::Error>(())
//! ```
//!
//! No threads run unless a request streams its body (`load`, `import`); no async runtime ever.

mod address;
mod body;
mod client;
mod error;
mod hijack;
mod request;
mod resolve;
mod response;
mod sender;
mod stream;

pub use address::{Address, AddressError};
pub use body::Body;
pub use client::{Client, Options, Ping};
pub use error::Error;
pub use hijack::{Hijacked, Sink, demultiplex};
pub use request::Request;
pub use response::Response;
