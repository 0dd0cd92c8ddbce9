//! `gantry` called as `runc`: the life of containers across processes, bad documents, what is printed.

#![allow(clippy::unwrap_used, reason = "a broken test bench fails the test")]
#![allow(clippy::disallowed_methods, reason = "tests start programs")]

mod bad;
mod life;
mod shown;
mod stage;
mod unified;
