//! What is recorded about networks, and about the containers on them.

use std::net::Ipv4Addr;
use std::time::SystemTime;

use engine_api::StringMap;
use engine_api::network::IpamConfig;
use network::{Ipv4Net, MacAddress, NetworkRules, Protocol, PublishedPort};
use serde::{Deserialize, Serialize};

/// Table of [`Record`]s, by id.
pub(super) const NETWORKS: &str = "networks";
/// Table of [`Lease`]s, by the container's id.
pub(super) const LEASES: &str = "leases";

/// How a network connects its containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Driver {
    /// A bridge on the host.
    Bridge,
    /// The host's own network.
    Host,
    /// Not at all.
    Null,
}

impl Driver {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Driver::Bridge => "bridge",
            Driver::Host => "host",
            Driver::Null => "null",
        }
    }
}

/// One network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) created: SystemTime,
    pub(super) driver: Driver,
    pub(super) internal: bool,
    pub(super) labels: StringMap,
    /// Driver options as given.
    pub(super) options: StringMap,
    /// IPAM options as given.
    pub(super) ipam_options: Option<StringMap>,
    /// IPAM configuration as given; empty when the subnet was chosen.
    pub(super) ipam: Vec<IpamConfig>,
    /// Only of networks with a bridge.
    pub(super) bridge: Option<Bridge>,
}

/// What the kernel must know about a network with a bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bridge {
    pub(super) interface: String,
    pub(super) subnet: Ipv4Net,
    /// The bridge's own address.
    pub(super) gateway: Ipv4Addr,
    /// Where containers' default route leads, when not to the bridge.
    pub(super) default_route: Option<Ipv4Addr>,
    /// Where containers' addresses come from, when not from the whole subnet.
    pub(super) range: Option<Ipv4Net>,
    pub(super) mtu: u32,
    pub(super) masquerade: bool,
    pub(super) inter_container: bool,
    /// Where ports are published when nothing is said.
    pub(super) host_binding: Option<Ipv4Addr>,
    /// `eth`, to which a number is added.
    pub(super) interface_prefix: String,
    /// Whether we made the interface, and may remove it.
    pub(super) is_ours: bool,
}

impl Record {
    /// Docker's three networks that are always there.
    pub(super) fn is_predefined(&self) -> bool {
        is_predefined(&self.name)
    }

    /// What the firewall must know; nothing of a network without a bridge.
    pub(super) fn rules(&self) -> Option<NetworkRules> {
        let bridge = self.bridge.as_ref()?;
        Some(NetworkRules {
            bridge: bridge.interface.clone(),
            subnet: bridge.subnet,
            masquerade: bridge.masquerade && !self.internal,
            internal: self.internal,
            inter_container: bridge.inter_container,
        })
    }
}

pub(super) fn is_predefined(name: &str) -> bool {
    ["bridge", "host", "none"].contains(&name)
}

/// What one container has of its network while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lease {
    pub(super) container_id: String,
    pub(super) container_name: String,
    pub(super) network_id: String,
    pub(super) endpoint_id: String,
    /// Only on networks with a bridge.
    pub(super) interface: Option<Interface>,
    pub(super) ports: Vec<LeasedPort>,
}

/// A container's interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Interface {
    pub(super) address: Ipv4Net,
    pub(super) mac: MacAddress,
    /// The host's end of the pair.
    pub(super) host_interface: String,
}

/// A published port of a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LeasedPort {
    host_address: Ipv4Addr,
    host_port: u16,
    protocol: String,
    container_port: u16,
}

impl From<&PublishedPort> for LeasedPort {
    fn from(port: &PublishedPort) -> LeasedPort {
        LeasedPort {
            host_address: port.host_address,
            host_port: port.host_port,
            protocol: port.protocol.to_string(),
            container_port: port.container_port,
        }
    }
}

impl Lease {
    /// The published ports with the container's address.
    pub(super) fn published(&self) -> Vec<PublishedPort> {
        let Some(interface) = &self.interface else { return Vec::new() };
        let ports = self.ports.iter().filter_map(|port| {
            Some(PublishedPort {
                host_address: port.host_address,
                host_port: port.host_port,
                protocol: Protocol::parse(&port.protocol)?,
                container_address: interface.address.address(),
                container_port: port.container_port,
            })
        });
        ports.collect()
    }
}
