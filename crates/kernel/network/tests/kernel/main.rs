//! Links, rules and ports in real network namespaces; the machine's own namespace is never touched.

#![allow(clippy::disallowed_methods, reason = "tests look at the kernel with `ip` and `nft`")]
#![allow(clippy::unwrap_used, reason = "a broken test bench fails the test")]

mod attach;
mod hosts;
mod isolation;
mod publish;
mod speed;
mod table;
