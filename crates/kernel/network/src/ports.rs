//! Host ports: what is published, which port to take, and holding it.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A transport protocol that can be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// The number in the IP header.
    pub const fn number(self) -> u8 {
        match self {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Sctp => 132,
        }
    }

    /// The protocol of a number in the IP header, if it can be published.
    pub const fn from_number(number: u8) -> Option<Protocol> {
        match number {
            6 => Some(Protocol::Tcp),
            17 => Some(Protocol::Udp),
            132 => Some(Protocol::Sctp),
            _ => None,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        })
    }
}

/// A word that names no protocol which can be published. Displays as Docker's answer to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid proto: {0}")]
pub struct InvalidProtocol(pub String);

impl FromStr for Protocol {
    type Err = InvalidProtocol;

    fn from_str(text: &str) -> Result<Protocol, InvalidProtocol> {
        match text.to_ascii_lowercase().as_str() {
            "tcp" => Ok(Protocol::Tcp),
            "udp" => Ok(Protocol::Udp),
            "sctp" => Ok(Protocol::Sctp),
            _ => Err(InvalidProtocol(text.to_owned())),
        }
    }
}

/// One host port that leads to one container port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PublishedPort {
    /// The host address it listens on; `0.0.0.0` for all of them.
    pub host_address: Ipv4Addr,
    /// The port on the host.
    pub host_port: u16,
    /// The transport.
    pub protocol: Protocol,
    /// The container's address on its bridge.
    pub container_address: Ipv4Addr,
    /// The port inside the container.
    pub container_port: u16,
}

impl fmt::Display for PublishedPort {
    /// `0.0.0.0:8080:172.17.0.2:80/tcp`, as Docker's errors write it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PublishedPort { host_address, host_port, protocol, container_address, container_port } = self;
        write!(out, "{host_address}:{host_port}:{container_address}:{container_port}/{protocol}")
    }
}
