//! The one parent of one container, and the client that talks to it; no async runtime, knows no engine.
//!
//! ```text
//!   daemon ── Spawner ─────▶ gantry-shim          clones itself into a shim
//!          ── IdleShim ────▶ a new shim           Groundwork, Launch, then the answer Started or a refusal
//!          ── ShimClient ──▶ shim.sock            requests, one answer each; after Watch also events
//!
//!   shim   owns   stdin, stdout, stderr or the terminal ◀──▶ attached clients' sockets (by SCM_RIGHTS)
//!                 the log file, the cgroup, the exit record
//! ```
//!
//! The order at a container's end: the last output is read, the log is finished, `exit.json` is in place,
//! the watchers hear `Exited`, then the cgroup and the mount are let go, and the watchers' connections
//! close. So: `Exited` means the container is over, the end of the connection means nothing of it is left.

pub mod protocol;
pub mod record;
pub mod wire;

mod client;
mod control;
mod groundwork;
mod keys;
mod launch;
mod log;
mod role;
mod spawner;
mod streams;
mod supervisor;

pub use client::{IdleShim, SOCKET, ShimClient, ShimError};
pub use protocol::{
    Answer, AttachOptions, Event, ExecOptions, Framing, Groundwork, JsonFile, Launch, LogPolicy, NetworkWish,
    Refusal, RefusalKind, Request, Rootfs, Started, Status, StdinWish, UserWish,
};
pub use record::ExitRecord;
pub use role::main;
pub use spawner::{ROLE, Spawner, own_program};
