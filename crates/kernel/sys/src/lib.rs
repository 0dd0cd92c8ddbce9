//! Every system call we wrap, and all `unsafe` code; knows no container.

pub mod background;
pub mod bpf;
pub mod credentials;
pub mod inherit;
pub mod mount;
pub mod netlink_socket;
pub mod process;
pub mod programs;
pub mod pty;
pub mod scheduling;
pub mod seccomp;
pub mod session;
pub mod signal;
pub mod socket;
pub mod xattr;
