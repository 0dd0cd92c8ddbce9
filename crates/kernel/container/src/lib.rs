//! The on-disk life of an OCI container: created by one process, started, paused and deleted by others; knows no engine
//! and no command line.
//!
//! ```text
//! <root>/<id>/            made first, by mkdir: who makes it owns the name
//!   state.json            what was made: bundle, cgroup, then the first process and its start time
//!   config.json           the document as it was at create
//!   exec.fifo             the gate at which a created container waits; gone when it was started
//! ```
//! The status is never written down: it is derived from the process, the gate and the freezer. Whoever changes something
//! holds a lock on the folder, which ends with its process. A creator that dies leaves a child that ends by itself, and a
//! record from which `delete` removes the rest.

mod bundle;
mod create;
mod delete;
mod error;
mod exec;
mod groups;
mod home;
mod id;
mod record;
mod signal;
mod start;
mod status;

pub use bundle::{Bundle, parse_process};
pub use create::{CreateOptions, Fresh, GroupManager};
pub use error::{BundleError, ContainerError};
pub use exec::ExecOptions;
pub use home::{Container, Home};
pub use record::{NOTIFY, Record};
pub use status::Status;
