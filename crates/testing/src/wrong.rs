//! Calls that must fail, and what Docker 28.5 says to them: read from the list, made against an engine,
//! recorded, compared.

mod call;
mod engine;
mod record;

pub use call::{Call, CallError, parse};
pub use engine::Engine;
pub use record::{Record, Reply, compare};
