//! Which commit this binary was built from; knows nothing else.
//!
//! A crate of its own, so that a new commit compiles only those anew that show it.

/// The first twelve digits of the commit, or `unknown` when built outside a checkout.
pub const COMMIT: &str = env!("BUILD_COMMIT");

/// When the commit was made (RFC 3339, UTC), so that the same commit gives the same binary; empty when unknown.
pub const TIME: &str = env!("BUILD_TIME");
