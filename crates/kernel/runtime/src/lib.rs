//! An OCI bundle's life: create, start, exec, kill; namespaces, root file system, capabilities, seccomp; knows no engine.

pub mod create;
pub mod error;
pub mod exec;
pub mod process;
pub mod seccomp;
pub mod user;

pub use create::{CreateRequest, Created, Newborn, Rootfs, create};
pub use error::CreateError;
pub use exec::{ExecChild, ExecRequest, exec};
pub use process::{Stdio, UserWish, WindowSize, kill};
