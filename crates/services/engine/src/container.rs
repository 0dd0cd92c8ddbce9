//! Containers: their intent, their life, the actor that owns each, and one file per verb.

pub mod life;
pub mod restart_policy;
