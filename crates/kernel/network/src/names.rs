//! The text of `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf` inside a container. Pure.

use std::net::{IpAddr, Ipv4Addr};

/// What `/etc/hosts` of a container says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts<'a> {
    /// The container's own address; none in modes `none` and `host`.
    pub address: Option<Ipv4Addr>,
    /// The container's host name, with its domain if it has one.
    pub hostname: &'a str,
    /// `--add-host`, already resolved: name and address as written.
    pub extra: &'a [(String, String)],
}

/// The text of `/etc/hosts`.
pub fn hosts(hosts: &Hosts<'_>) -> String {
    let _ = hosts;
    String::new()
}

/// The text of `/etc/hostname`.
pub fn hostname(name: &str) -> String {
    format!("{name}\n")
}

/// `--dns`, `--dns-search` and `--dns-option`; each replaces the host's when it is not empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DnsWish {
    /// Name servers.
    pub servers: Vec<IpAddr>,
    /// Search domains; a single `.` means none.
    pub search: Vec<String>,
    /// Options, such as `ndots:2`.
    pub options: Vec<String>,
}

/// Where the container's name servers must be reachable from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsPlace {
    /// The host's own network: loopback servers work.
    Host,
    /// A namespace of its own: loopback servers of the host do not work.
    Own,
}

/// The text of `/etc/resolv.conf`, made from the host's and the wishes.
pub fn resolv_conf(host: &str, wish: &DnsWish, place: DnsPlace) -> String {
    let _ = (wish, place);
    host.to_owned()
}
