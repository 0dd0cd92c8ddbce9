//! Addresses as values: networks, hardware addresses, pools and leases. Pure.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub mod lease;
pub mod pool;

/// An IPv4 address with the length of its network prefix: `172.17.0.2/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ipv4Net {
    address: Ipv4Addr,
    prefix: u8,
}

impl Ipv4Net {
    /// `None` when `prefix` is longer than 32 bits.
    pub const fn new(address: Ipv4Addr, prefix: u8) -> Option<Ipv4Net> {
        if prefix > 32 { None } else { Some(Ipv4Net { address, prefix }) }
    }

    /// The address as written, host bits included.
    pub const fn address(self) -> Ipv4Addr {
        self.address
    }

    /// How many leading bits name the network.
    pub const fn prefix(self) -> u8 {
        self.prefix
    }

    /// The mask as a number, most significant bit first.
    const fn mask(self) -> u32 {
        match self.prefix {
            0 => 0,
            n => u32::MAX << (32 - n as u32),
        }
    }

    /// The network itself: host bits cleared.
    pub const fn network(self) -> Ipv4Net {
        Ipv4Net { address: self.first(), prefix: self.prefix }
    }

    /// The first address of the network.
    pub const fn first(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() & self.mask())
    }

    /// The last address of the network: its broadcast address where it has one.
    pub const fn last(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() | !self.mask())
    }

    /// Whether `address` lies inside.
    pub const fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & self.mask() == self.first().to_bits()
    }

    /// Whether the two networks share an address.
    pub const fn overlaps(self, other: Ipv4Net) -> bool {
        self.contains(other.first()) || other.contains(self.first())
    }

    /// This network's prefix with another address of it.
    pub const fn with_address(self, address: Ipv4Addr) -> Ipv4Net {
        Ipv4Net { address, prefix: self.prefix }
    }
}

impl fmt::Display for Ipv4Net {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.address, self.prefix)
    }
}

/// A text that is no `a.b.c.d/n`. Displays as Docker's answer to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid CIDR address: {0}")]
pub struct InvalidNet(pub String);

impl FromStr for Ipv4Net {
    type Err = InvalidNet;

    fn from_str(text: &str) -> Result<Ipv4Net, InvalidNet> {
        let invalid = || InvalidNet(text.to_owned());
        let (address, prefix) = text.split_once('/').ok_or_else(invalid)?;
        if prefix.is_empty() || prefix.len() > 2 || !prefix.bytes().all(|b| b.is_ascii_digit()) {
            return Err(invalid());
        }
        let address = address.parse().map_err(|_| invalid())?;
        Ipv4Net::new(address, prefix.parse().map_err(|_| invalid())?).ok_or_else(invalid)
    }
}

impl TryFrom<String> for Ipv4Net {
    type Error = InvalidNet;

    fn try_from(text: String) -> Result<Ipv4Net, InvalidNet> {
        text.parse()
    }
}

impl From<Ipv4Net> for String {
    fn from(net: Ipv4Net) -> String {
        net.to_string()
    }
}

/// An Ethernet address: `02:42:ac:11:00:02`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddress([u8; 6]);

impl MacAddress {
    /// The address of these six octets.
    pub const fn new(octets: [u8; 6]) -> MacAddress {
        MacAddress(octets)
    }

    /// The six octets in the order of the wire.
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }

    /// The locally administered address that belongs to an IPv4 address: `02:42` and its four octets.
    ///
    /// An address that moves to a new container keeps its hardware address, so the caches of its
    /// neighbours stay true without an announcement.
    pub const fn for_ipv4(address: Ipv4Addr) -> MacAddress {
        let [a, b, c, d] = address.octets();
        MacAddress([0x02, 0x42, a, b, c, d])
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(out, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

/// A text that is no Ethernet address. Displays as Docker's answer to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("address {0}: invalid MAC address")]
pub struct InvalidMac(pub String);

impl FromStr for MacAddress {
    type Err = InvalidMac;

    /// Takes six pairs of digits with `:` or `-` between them, as Docker does.
    fn from_str(text: &str) -> Result<MacAddress, InvalidMac> {
        let invalid = || InvalidMac(text.to_owned());
        let separator = if text.contains('-') { '-' } else { ':' };
        let mut octets = [0; 6];
        let mut parts = text.split(separator);
        for octet in &mut octets {
            let part = parts.next().ok_or_else(invalid)?;
            if part.len() != 2 || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(invalid());
            }
            *octet = u8::from_str_radix(part, 16).map_err(|_| invalid())?;
        }
        if parts.next().is_some() { Err(invalid()) } else { Ok(MacAddress(octets)) }
    }
}

impl TryFrom<String> for MacAddress {
    type Error = InvalidMac;

    fn try_from(text: String) -> Result<MacAddress, InvalidMac> {
        text.parse()
    }
}

impl From<MacAddress> for String {
    fn from(mac: MacAddress) -> String {
        mac.to_string()
    }
}
