//! Containers on a real kernel: a busybox root file system, Docker's usual document.

#![allow(clippy::unwrap_used)]

mod attacks;
mod create;
mod devices;
mod exec;
mod hooks;
mod mounts;
mod namespaces;
mod seccomp;
mod stage;
mod streams;
mod surroundings;
