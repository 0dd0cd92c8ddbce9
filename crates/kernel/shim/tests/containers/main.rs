//! The supervisor with real containers: busybox in namespaces and cgroups of its own. Needs root.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod calls;
mod clients;
mod daemons;
mod ends;
mod execs;
mod harness;
mod logs;
mod memory;
