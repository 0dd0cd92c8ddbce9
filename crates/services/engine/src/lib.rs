//! The verbs of the platform: containers, images, networks, volumes, events, one actor per object; knows no HTTP.
//!
//! [`Engine`] is a cheap handle. Each verb is one method in the file of its name: `container/create.rs`,
//! `container/start.rs`, `volume.rs`, `system/info.rs`. Methods take and give the types of `engine-api`; every
//! error is an [`Error`] with a [`Kind`] for the face to map, Docker's sentence, and our advice.
//!
//! ```text
//!  Engine ──▶ registry: id, name ──▶ actor of the container ──▶ life::next ──▶ steps: db, network, shim
//!     │                                   │
//!     └── reads ◀── published views ◀─────┘        (`ps` and `inspect` never wait)
//! ```

pub mod config;
pub mod container;
mod engine;
pub mod error;
pub mod events;
pub mod fault;
pub mod image;
mod moment;
mod names;
pub mod network;
mod reconcile;
mod registry;
pub mod system;
mod volume;

pub use config::EngineConfig;
pub use container::attach::{AttachOptions, AttachTicket};
pub use container::create::CreateOptions;
pub use container::exec::ExecTicket;
pub use container::inspect::Size;
pub use container::list::ListOptions;
pub use container::logs::{LogStream, LogsOptions};
pub use container::remove::RemoveOptions;
pub use container::stop::StopOptions;
pub use container::wait::Waiter;
pub use engine::Engine;
pub use error::{Error, Kind};
pub use events::{EventStream, EventsOptions};
pub use image::{
    ImageListOptions, ImageRemoveOptions, ImportOptions, LoadOptions, ProgressStream, PullOptions,
};
pub use system::disk_usage::DiskUsageOptions;
