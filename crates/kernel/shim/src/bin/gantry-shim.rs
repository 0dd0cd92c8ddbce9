//! The supervisor alone: what the one binary becomes under this name; for the tests of this crate and for measuring.

use std::process::ExitCode;

fn main() -> ExitCode {
    shim::main(std::env::args_os())
}
