//! A container's ports: what the API asks for, and what it shows. Pure.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use engine_api::StringSet;
use engine_api::container::{PortBinding, PortMap};
use network::{PortWish, PublishedPort};
use units::port::{self, Port};

use super::options::later;
use crate::error::Error;

/// The ports of a container, and what of them shall be published.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    /// All ports, published or not.
    pub(super) known: Vec<Port>,
    /// What to publish.
    pub(super) publish: Vec<PortWish>,
}

/// Reads the three fields of a container that speak about ports; `default` is where a port listens when nothing is said.
pub(super) fn parse(
    exposed: &StringSet,
    bindings: &PortMap,
    publish_all: bool,
    default: Ipv4Addr,
) -> Result<Wishes, Error> {
    let mut all: BTreeMap<Port, &[PortBinding]> = BTreeMap::new();
    for text in exposed.keys() {
        all.insert(parse_port(text)?, &[]);
    }
    for (text, wanted) in bindings {
        all.insert(parse_port(text)?, wanted.as_deref().unwrap_or_default());
    }
    let mut wishes = Wishes::default();
    for (port, wanted) in all {
        let wish = |host_address, host_ports| PortWish {
            host_address,
            host_ports,
            protocol: port.protocol,
            container_port: port.number,
        };
        for binding in wanted {
            let address = parse_address(&binding.host_ip, default)?;
            wishes.publish.push(wish(address, parse_host_ports(&binding.host_port)?));
        }
        if publish_all && wanted.is_empty() {
            wishes.publish.push(wish(default, None));
        }
        wishes.known.push(port);
    }
    Ok(wishes)
}

fn parse_port(text: &str) -> Result<Port, Error> {
    Port::parse(text).map_err(|error| Error::invalid(error.to_string()))
}

/// An address that cannot be read means all addresses, as with Docker.
fn parse_address(text: &str, default: Ipv4Addr) -> Result<Ipv4Addr, Error> {
    match text.parse() {
        Ok(IpAddr::V4(address)) => Ok(address),
        Ok(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
            Some(address) => Ok(address),
            None => Err(later(&format!("publishing a port on the IPv6 address {address}"))),
        },
        Err(_) => Ok(default),
    }
}

fn parse_host_ports(text: &str) -> Result<Option<(u16, u16)>, Error> {
    let number = text.split('/').next().unwrap_or_default();
    if number.is_empty() || number == "0" {
        return Ok(None);
    }
    match port::range(number) {
        Some(range) => Ok(Some((*range.start(), *range.end()))),
        None => Err(Error::invalid(format!("invalid port specification: {text:?}"))),
    }
}

/// `NetworkSettings.Ports`: every port, with its host ports if it is published.
pub(super) fn show(known: &[Port], published: &[PublishedPort]) -> PortMap {
    let bindings = |port: &Port| {
        let own = published
            .iter()
            .filter(|binding| (binding.container_port, binding.protocol) == (port.number, port.protocol));
        let shown: Vec<_> = own
            .map(|binding| PortBinding {
                host_ip: binding.host_address.to_string(),
                host_port: binding.host_port.to_string(),
            })
            .collect();
        (!shown.is_empty()).then_some(shown)
    };
    known.iter().map(|port| (port.to_string(), bindings(port))).collect()
}

#[cfg(test)]
mod tests {
    use units::port::Protocol;

    use super::*;
    use crate::error::Kind;

    const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

    fn binding(host_ip: &str, host_port: &str) -> PortBinding {
        PortBinding { host_ip: host_ip.to_owned(), host_port: host_port.to_owned() }
    }

    fn read(bindings: &[(&str, &[PortBinding])], publish_all: bool) -> Result<Wishes, Error> {
        let exposed = StringSet::from([("53/udp".to_owned(), Default::default())]);
        let bindings =
            bindings.iter().map(|(port, list)| ((*port).to_owned(), Some(list.to_vec()))).collect();
        parse(&exposed, &bindings, publish_all, ANY)
    }

    #[test]
    fn bindings_become_wishes() {
        let wishes = read(
            &[("80/tcp", &[binding("", "8080"), binding("127.0.0.1", ""), binding("nope", "9000-9002")])],
            true,
        )
        .unwrap();
        let wish = |host_address, host_ports| PortWish {
            host_address,
            host_ports,
            protocol: Protocol::Tcp,
            container_port: 80,
        };
        let dns = PortWish { protocol: Protocol::Udp, container_port: 53, ..wish(ANY, None) };
        assert_eq!(
            wishes.publish,
            [
                dns,
                wish(ANY, Some((8080, 8080))),
                wish(Ipv4Addr::LOCALHOST, None),
                wish(ANY, Some((9000, 9002))),
            ]
        );
    }

    #[test]
    fn ports_are_shown_with_and_without_bindings() {
        let wishes = read(&[("80/tcp", &[binding("", "8080")])], false).unwrap();
        let published = PublishedPort {
            host_address: ANY,
            host_port: 8080,
            protocol: Protocol::Tcp,
            container_address: Ipv4Addr::new(172, 17, 0, 2),
            container_port: 80,
        };
        let expected = PortMap::from([
            ("53/udp".to_owned(), None),
            ("80/tcp".to_owned(), Some(vec![binding("0.0.0.0", "8080")])),
        ]);
        assert_eq!(show(&wishes.known, &[published]), expected);
    }

    #[test]
    fn what_cannot_be_published_is_refused() {
        assert_eq!(
            read(&[("80/tcp", &[binding("::1", "80")])], false).unwrap_err().kind,
            Kind::NotImplemented
        );
        let wrong = read(&[("80/tcp", &[binding("", "x")])], false).unwrap_err();
        assert_eq!(wrong.message, "invalid port specification: \"x\"");
        assert_eq!(read(&[("80/nope", &[])], false).unwrap_err().message, "Invalid proto: nope");
    }
}
