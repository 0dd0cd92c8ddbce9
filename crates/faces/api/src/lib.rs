//! HTTP routes of the Engine API: decode, call one engine method, encode; no policy.
//!
//! ```text
//!  listen ─▶ connection ─▶ dispatch (path, version) ─▶ routes (one table) ─▶ handler ─▶ engine
//!                 │                                                             │
//!                 └── hijack: the socket leaves HTTP and goes to the shim ◀─────┘
//! ```
//!
//! A handler gets a `call::Call` and gives an `answer::Answer` or an `error::ApiError`. It holds no state and
//! takes no decision; what depends on the API version (`gate`) is a change of plain data before or after the call.

mod answer;
mod body;
mod call;
mod connection;
mod dispatch;
mod error;
mod gate;
mod hijack;
pub mod listen;
mod path;
mod query;
mod routes;
mod server;

pub use server::{Server, ServerOptions};
