//! An OCI bundle's life: create, start, exec, kill; namespaces, root file system, capabilities, seccomp; knows no engine.
//!
//! ```text
//! create ─ plan ─ mount root ─ clone ┬─ parent: cgroup, the caller's network ─ hooks ──┬─ limits ─ Created ─ start
//!                                    └─ child: mounts, cgroup entered, pivot, identity ─┘
//! ```
//! The documents become plans (`plan`) in the parent; the child (`child`) works them off without allocating, and reports
//! the numbered step that failed (`report`). The caller is single-threaded: the child runs on a copy of its memory.

mod birth;
pub mod capability;
mod child;
pub mod create;
pub mod error;
pub mod exec;
pub mod hand_over;
mod handshake;
pub mod hooks;
mod label;
mod limits;
mod options;
mod plan;
mod prepare;
pub mod process;
mod report;
mod rootfs;
pub mod sealed;
pub mod seccomp;
pub mod user;

pub use create::{CreateRequest, Created, Meanwhile, Newborn, create};
pub use error::CreateError;
pub use exec::{ExecChild, ExecRequest, exec};
pub use options::{Advance, Affinity, CreateOptions, ExecOptions, Keyring, RootChange};
pub use plan::check;
pub use process::{LineEnds, Stdio, UserWish, WindowSize, kill};
pub use rootfs::Rootfs;
