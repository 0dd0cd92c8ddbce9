//! Compatibility: Docker's errors word for word, answers held against the API documents, streams as Docker's
//! clients expect them, images that Docker pushed.

#![allow(clippy::disallowed_methods, reason = "these tests start clients")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod answers;
mod errors;
mod fields;
mod pushed;
mod streams;
