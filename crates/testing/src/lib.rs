//! Namespaces, leak check and fault driver for tests; knows only `sys` and drives the engine as a built binary.

#![allow(clippy::disallowed_methods, reason = "tests start programs: clients, registries, the engine itself")]
#![allow(clippy::unwrap_used, reason = "a broken test bench fails the test")]

pub mod acceptance;
pub mod client;
pub mod contract;
pub mod daemon;
mod host;
pub mod http;
pub mod images;
pub mod leaks;
pub mod mask;
mod needs;
pub mod program;
pub mod pty;
pub mod reference;
pub mod registry;
pub mod schema;
pub mod tar;
pub mod wait;
pub mod wrong;

pub use host::{Host, Outcome, on_host, outcome_of};
pub use needs::Needs;
