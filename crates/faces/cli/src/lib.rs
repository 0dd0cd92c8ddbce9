//! Docker's commands: what was typed, through `client`, to what is shown; talks only to the API.
//!
//! ```text
//! words ── tree.rs ──▶ one Command (its flags, its usage, its run function)
//!            │
//!            ▼ flags
//!          Typed ── commands/*.rs ──▶ request ── client ──▶ answer ──▶ listing, progress, streams ──▶ Output
//! ```
//!
//! - `command.rs` says what a command is, `tree.rs` lists all of them, `help.rs` describes them, one file each in
//!   `commands/` means them. The flags of `run` and `create` are in `container/`, by theme.
//! - `session.rs` is what a running command has at hand: the program's name, the configuration, the daemon.
//! - `Output` is the only writer; `Failure` the only way to fail. Both know that the same binary is called `gantry`
//!   or `docker`.

mod auth;
mod autostart;
mod command;
mod commands;
mod config;
mod container;
mod detach;
mod failure;
mod format;
mod globals;
mod help;
mod inspect;
mod keyvalue;
mod listing;
mod output;
mod parallel;
mod platform;
mod ports;
mod program;
mod progress;
mod pull;
mod session;
mod signals;
mod streams;
mod table;
mod terminal;
mod tree;
mod wait;
mod zone;

pub use program::Program;

use std::process::ExitCode;
use std::time::SystemTime;

/// Runs the command that `words` (without the program's own name) ask for, and gives its exit code.
pub fn main(program: Program, words: Vec<String>) -> ExitCode {
    let asked_at = SystemTime::now();
    terminal::restore_on_panic();
    let code = match tree::run(program, words, asked_at) {
        Ok(()) => 0,
        Err(failure) => {
            failure.show(program);
            failure.code
        }
    };
    terminal::restore();
    ExitCode::from(code)
}
