//! Containers: their intent, their life, the actor that owns each, and one file per verb.

pub mod attach;
pub mod create;
pub mod exec;
pub mod inspect;
pub mod kill;
pub mod life;
pub mod list;
pub mod logs;
pub mod pause;
pub mod prune;
pub mod remove;
pub mod rename;
pub mod resize;
pub mod restart;
pub mod restart_policy;
pub mod start;
pub mod stop;
pub mod top;
pub mod wait;
