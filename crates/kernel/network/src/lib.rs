//! Plans and applies links, addresses, packet rules and name files from plain data; knows no API and keeps no state.
//!
//! ```text
//!   eth0 (in the container) ══ veth… ── docker0 ── the host's routes ── outside
//!                                 │        │
//!                       endpoint.rs   bridge.rs          firewall.rs: one nftables table
//! ```
//!
//! Pure parts: [`addresses`] (pools and leases), [`names`] (the text of `/etc/hosts` and its
//! siblings), [`ports`] (which host port to take). The rest is a thin layer over `netlink`.

pub mod addresses;
pub mod bridge;
pub mod endpoint;
pub mod firewall;
pub mod names;
pub mod ports;

pub use addresses::{Ipv4Net, MacAddress};
pub use bridge::{BridgePlan, ensure_bridge, remove_bridge};
pub use endpoint::{EndpointPlan, attach, loopback_up, retire};
pub use firewall::{Blocking, Firewall, NetworkRules, Rules};
pub use ports::{HeldPort, PortError, PortTable, PortWish, Protocol, PublishedPort};

/// Why the kernel's network could not be brought to the wanted shape.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// A message to the kernel was refused.
    #[error("cannot {step}")]
    Kernel {
        /// What was being done, as a verb phrase with its object.
        step: String,
        /// The kernel's answer.
        #[source]
        cause: netlink::Error,
    },
    /// A system call or a file under `/proc/sys/net` was refused.
    #[error("cannot {step}")]
    System {
        /// What was being done, as a verb phrase with its object.
        step: String,
        /// The kernel's answer.
        #[source]
        cause: std::io::Error,
    },
    /// There is no bridge of this name to attach to.
    #[error("bridge {0} is not there")]
    NoBridge(String),
    /// An interface has the name that a bridge should have.
    #[error("interface {0} exists and is not a bridge")]
    NotABridge(String),
    /// An interface disappeared while it was being set up.
    #[error("interface {0} disappeared while it was being set up")]
    Lost(String),
}

impl NetworkError {
    /// Whether the kernel says that what should be changed is not there.
    pub fn is_missing(&self) -> bool {
        match self {
            NetworkError::Kernel { cause, .. } => cause.is_missing(),
            NetworkError::NoBridge(_) | NetworkError::Lost(_) => true,
            NetworkError::System { .. } | NetworkError::NotABridge(_) => false,
        }
    }

    pub(crate) fn kernel(step: impl Into<String>) -> impl FnOnce(netlink::Error) -> NetworkError {
        let step = step.into();
        move |cause| NetworkError::Kernel { step, cause }
    }

    pub(crate) fn system(step: impl Into<String>) -> impl FnOnce(std::io::Error) -> NetworkError {
        let step = step.into();
        move |cause| NetworkError::System { step, cause }
    }
}
