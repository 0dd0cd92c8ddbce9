//! The bridges that networks live on.

use serde::{Deserialize, Serialize};

use crate::{Ipv4Net, NetworkError};

/// A bridge as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgePlan {
    /// The interface's name: `docker0`, `br-` and twelve digits, or the user's choice.
    pub name: String,
    /// The host's own address on it, with the prefix of the network: `172.17.0.1/16`.
    pub address: Ipv4Net,
    /// The largest packet; 0 for the kernel's default.
    pub mtu: u32,
}

/// Makes the bridge exist as planned, up and with its address. Harmless to repeat.
pub fn ensure_bridge(plan: &BridgePlan) -> Result<(), NetworkError> {
    let _ = plan;
    Err(NetworkError::Conflict("not built yet".to_owned()))
}

/// Removes the bridge; does nothing if there is none of that name.
pub fn remove_bridge(name: &str) -> Result<(), NetworkError> {
    let _ = name;
    Ok(())
}
