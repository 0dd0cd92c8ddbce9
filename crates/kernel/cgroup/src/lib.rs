//! Control groups v1 and v2 behind one interface: plans as data, applied by file writes; knows no container engine.
//!
//! [`Layout`] is what the host has; [`Plan`] is what shall be written, computed without touching anything; [`Group`] is
//! what exists then. A process enters cheaply: into a unified hierarchy it is born, on v1 the single-threaded child itself
//! writes `0` to each `tasks` file, which costs 0.1 ms where a write of its pid by somebody else, or any to a
//! `cgroup.procs`, waits 5 to 11 ms for a grace period. Where [`systemd`] manages groups, the plan names a unit too; everything else stays the same.

mod check;
mod device_program;
mod devices;
mod error;
mod group;
mod layout;
mod own;
mod plan;
pub mod stats;
pub mod systemd;
mod v1;
mod v2;
mod watch;

pub use devices::{Access, DeviceKind, DevicePolicy, Exception};
pub use error::CgroupError;
pub use group::{FreezeState, Group, Reach, View};
pub use layout::{Hierarchy, Layout, Version};
pub use own::OwnGroups;
pub use plan::{GroupPlan, Plan, Write};
pub use stats::Stats;
pub use watch::{Heard, OomWatch, PressureLevel};
