//! One container's place on a bridge: a veth pair, its addresses and its way out.

use std::net::Ipv4Addr;
use std::os::fd::BorrowedFd;

use serde::{Deserialize, Serialize};

use crate::{Ipv4Net, MacAddress, NetworkError};

/// Everything the kernel must be told to give a network namespace an interface on a bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointPlan {
    /// The host's end of the pair: `veth` and seven hexadecimal digits.
    pub host_interface: String,
    /// The bridge that the host's end is a port of.
    pub bridge: String,
    /// The name inside: `eth0`.
    pub container_interface: String,
    /// The hardware address inside.
    pub mac: MacAddress,
    /// The address inside, with the prefix of its network.
    pub address: Ipv4Net,
    /// The default route's next hop; none on an internal network.
    pub gateway: Option<Ipv4Addr>,
    /// The largest packet; 0 for the kernel's default.
    pub mtu: u32,
    /// Whether the bridge keeps this port from talking to other isolated ports (`enable_icc=false`).
    #[serde(default)]
    pub isolated: bool,
}

/// Gives the network namespace behind `netns` its interface and brings its loopback up.
///
/// The caller's thread visits the namespace and returns; call it only from a single-threaded process
/// or a thread of its own. A partial failure leaves nothing behind.
pub fn attach(plan: &EndpointPlan, netns: BorrowedFd<'_>) -> Result<(), NetworkError> {
    let _ = (plan, netns);
    Err(NetworkError::Conflict("not built yet".to_owned()))
}

/// Brings the loopback interface of `netns` up: all that mode `none` has.
pub fn loopback_up(netns: BorrowedFd<'_>) -> Result<(), NetworkError> {
    let _ = netns;
    Err(NetworkError::Conflict("not built yet".to_owned()))
}

/// Silences the host's end of an endpoint whose container has ended, without waiting for the kernel to
/// remove the pair (it does so when the namespace goes). Does nothing if the pair is gone already.
pub fn retire(plan: &EndpointPlan) -> Result<(), NetworkError> {
    let _ = plan;
    Ok(())
}
