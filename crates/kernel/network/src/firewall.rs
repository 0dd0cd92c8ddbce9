//! Packet rules: one nftables table per daemon, with a fixed skeleton of chains and the changing part in sets and maps.

use serde::{Deserialize, Serialize};

use crate::{Ipv4Net, NetworkError, PublishedPort};

/// What the rules must know about one bridge network.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NetworkRules {
    /// The bridge's interface.
    pub bridge: String,
    /// The network's addresses.
    pub subnet: Ipv4Net,
    /// Whether traffic to the outside takes the host's address.
    pub masquerade: bool,
    /// Whether the network has no way out and none in.
    pub internal: bool,
    /// Whether its containers may talk to each other.
    pub inter_container: bool,
}

/// All the rules of one daemon.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// The bridge networks.
    pub networks: Vec<NetworkRules>,
    /// The published ports.
    pub published: Vec<PublishedPort>,
}

/// One daemon's nftables table. A handle: the rules are the kernel's and outlive the daemon.
#[derive(Debug, Clone)]
pub struct Firewall {
    table: String,
}

impl Firewall {
    /// The table of this name: `gantry` for the default data root.
    pub fn new(table: impl Into<String>) -> Firewall {
        Firewall { table: table.into() }
    }

    /// The table's name.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Makes the table hold exactly these rules, in one transaction, whatever was there before.
    pub fn sync(&self, wanted: &Rules) -> Result<(), NetworkError> {
        let _ = wanted;
        Err(NetworkError::Conflict("not built yet".to_owned()))
    }

    /// What the table holds now; `None` if there is no such table.
    pub fn read(&self) -> Result<Option<Rules>, NetworkError> {
        Err(NetworkError::Conflict("not built yet".to_owned()))
    }

    /// Adds a network.
    pub fn add_network(&self, network: &NetworkRules) -> Result<(), NetworkError> {
        let _ = network;
        Err(NetworkError::Conflict("not built yet".to_owned()))
    }

    /// Removes a network; harmless if it is not there.
    pub fn remove_network(&self, network: &NetworkRules) -> Result<(), NetworkError> {
        let _ = network;
        Err(NetworkError::Conflict("not built yet".to_owned()))
    }

    /// Publishes ports: all or none.
    pub fn publish(&self, ports: &[PublishedPort]) -> Result<(), NetworkError> {
        let _ = ports;
        Err(NetworkError::Conflict("not built yet".to_owned()))
    }

    /// Takes published ports back; harmless for those that are not there.
    pub fn unpublish(&self, ports: &[PublishedPort]) -> Result<(), NetworkError> {
        let _ = ports;
        Err(NetworkError::Conflict("not built yet".to_owned()))
    }

    /// Removes the whole table; harmless if there is none.
    pub fn remove(&self) -> Result<(), NetworkError> {
        Err(NetworkError::Conflict("not built yet".to_owned()))
    }
}
