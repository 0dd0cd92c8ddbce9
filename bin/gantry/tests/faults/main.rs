//! Crashes, leaks and full disks: the engine killed at every fault point and at random moments, started
//! again, and held against the truth of the machine.
//!
//! Built with the feature `faults`, which puts the fault points into the binary (`cargo xtask faults`).

#![allow(clippy::disallowed_methods, reason = "these tests start engines")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod bench;
mod disk;
mod hostile;
mod planted;
#[cfg(feature = "faults")]
mod points;
mod random;
mod stuck;
