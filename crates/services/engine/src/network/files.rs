//! The files with names that a container gets.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use network::names::{self, DnsPlace, DnsWish, Hosts, RESOLV_CONF};

use super::Wish;
use crate::config::NetworkConfig;
use crate::error::Error;

/// The texts of `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf`.
#[derive(Debug)]
pub(super) struct NameFiles {
    pub(super) hosts: String,
    pub(super) hostname: String,
    pub(super) resolv_conf: String,
}

/// What the container's names depend on beside its wish.
pub(super) struct Facts {
    /// Its own address, if it has one.
    pub(super) address: Option<Ipv4Addr>,
    pub(super) place: DnsPlace,
    /// What `host-gateway` means.
    pub(super) host_gateways: Vec<IpAddr>,
    /// Whether the kernel knows IPv6.
    pub(super) ipv6: bool,
}

/// Makes the texts; reads the host's own files.
pub(super) fn make(wish: &Wish, config: &NetworkConfig, facts: &Facts) -> Result<NameFiles, Error> {
    let extra = parse_extra_hosts(&wish.extra_hosts, &facts.host_gateways)?;
    // A container on the host's own network sees the host's names, unless it asked for some of its own.
    let hosts = if facts.place == DnsPlace::Host && extra.is_empty() {
        read("/etc/hosts")
    } else {
        names::hosts(&Hosts {
            ipv6: facts.ipv6,
            extra: &extra,
            address: facts.address,
            hostname: &wish.hostname,
            domain: &wish.domainname,
        })
    };
    let dns = parse_dns(wish, config)?;
    let etc = read(RESOLV_CONF);
    let path = names::resolv_conf_path(&etc, facts.place);
    let host = if path == RESOLV_CONF { etc } else { read(path) };
    Ok(NameFiles {
        hosts,
        hostname: names::hostname(&wish.hostname),
        resolv_conf: names::resolv_conf(path, &host, &dns, facts.place),
    })
}

/// The text of a file of the host; a missing one is an empty one.
fn read(path: &str) -> String {
    String::from_utf8_lossy(&std::fs::read(Path::new(path)).unwrap_or_default()).into_owned()
}

fn parse_extra_hosts(entries: &[String], gateways: &[IpAddr]) -> Result<Vec<(String, IpAddr)>, Error> {
    let mut found = Vec::new();
    for entry in entries {
        // Only the first colon separates: an IPv6 address has more of them.
        let (name, address) = entry.split_once(':').unwrap_or((entry, ""));
        if address == "host-gateway" {
            if gateways.is_empty() {
                return Err(Error::system("unable to derive the IP value for host-gateway"));
            }
            found.extend(gateways.iter().map(|gateway| (name.to_owned(), *gateway)));
            continue;
        }
        let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
        let parsed = bare
            .parse()
            .map_err(|_| Error::invalid(format!("invalid IP address in add-host: {address:?}")))?;
        found.push((name.to_owned(), parsed));
    }
    Ok(found)
}

/// The container's settings, each with the daemon's as its default.
fn parse_dns(wish: &Wish, config: &NetworkConfig) -> Result<DnsWish, Error> {
    let either =
        |own: &[String], default: &[String]| if own.is_empty() { default.to_vec() } else { own.to_vec() };
    let mut servers = Vec::new();
    for text in either(&wish.dns, &config.dns) {
        let address = text
            .parse()
            .map_err(|_| Error::invalid(format!("bad nameserver address {text}: unable to parse IP")))?;
        servers.push(address);
    }
    Ok(DnsWish {
        servers,
        search: either(&wish.dns_search, &config.dns_search),
        options: either(&wish.dns_options, &config.dns_options),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_hosts_are_read_with_the_hosts_gateway() {
        let entries =
            ["db:10.0.0.9", "six:fd00::1", "seven:[fd00::2]", "host:host-gateway"].map(str::to_owned);
        let gateway: IpAddr = Ipv4Addr::new(172, 17, 0, 1).into();
        let found: Vec<_> = parse_extra_hosts(&entries, &[gateway])
            .unwrap()
            .into_iter()
            .map(|(name, address)| format!("{name} {address}"))
            .collect();
        assert_eq!(found, ["db 10.0.0.9", "six fd00::1", "seven fd00::2", "host 172.17.0.1"]);
        let error = parse_extra_hosts(&entries[3..], &[]).unwrap_err();
        assert_eq!(error.message, "unable to derive the IP value for host-gateway");
    }
}
