//! The verbs of the platform: containers, images, networks, volumes, events, one actor per object; knows no HTTP.

pub mod container;
pub mod error;
pub mod fault;

pub use error::{Error, Kind};
