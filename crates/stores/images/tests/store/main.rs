//! The store on a real file system, as root: what lands on disk, what never does, what a registry may do.

#![allow(clippy::unwrap_used, reason = "a broken test bench fails the test")]

#[path = "../../src/tar/build.rs"]
mod build;

mod bench;
mod hostile;
mod load;
mod pull;
mod server;
mod snapshot;
mod unpack;
