//! The rows of the inventory, one function a row, a file per area. Each row is run through the stock
//! `docker` client and through Gantry's own; `cargo xtask acceptance` makes the table of it.
//!
//! A row repeats the inventory's check as it is written: the command line and what must be seen.

#![allow(clippy::disallowed_methods, reason = "rows start programs")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod api;
mod command_line;
mod container;
mod developer;
mod engine;
mod format;
mod image;
mod logs;
mod network;
mod run;
mod security;
mod storage;

/// Whether `text` is `count` lower-case hexadecimal digits.
fn is_hex(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A container's first process that ends at once on SIGTERM, unlike a bare `sleep`.
const POLITE: &str = r#"sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done'"#;
