//! Sizes, durations, CPU shares, ports and restart policies as Docker writes them; knows no container and does no I/O.
//!
//! Every parser's error text is Docker 28.5's, since people and scripts match on it.

pub mod bytes;
pub mod cpus;
pub mod duration;
pub mod port;
pub mod restart;
pub mod time;
