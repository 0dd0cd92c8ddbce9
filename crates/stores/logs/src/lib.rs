//! Reading record files: tail, since, until, follow across rotation; knows no container.
//!
//! ```text
//! <path>.2.gz   <path>.1   <path>        oldest to newest, as the shim's writer leaves them
//!       └──── files ────────┘  │
//!              lines ──▶ records ──▶ tail, since, until ──▶ Reader::next
//! ```
//!
//! Memory is bounded whatever the files hold: a block, a line of at most [`lines::LONGEST`] bytes, a record.
//! Nothing blocks except on the disk; a follower waits on the reader's descriptor.

mod files;
pub mod lines;
mod reader;
mod tail;
mod watch;

pub use log_format::{Record, Stream};
pub use reader::{Next, Query, Reader};
