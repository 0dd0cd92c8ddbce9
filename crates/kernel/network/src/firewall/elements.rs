//! Networks and ports as elements of the table's sets and maps, and back. Pure.

use std::net::Ipv4Addr;

use netlink::nftables::{Element, Key, KeyReader};

use crate::firewall::NetworkRules;
use crate::firewall::skeleton::{BRIDGES, INTERNAL, MASQUERADED, OWN, PUBLISHED, PUBLISHED_ANY, TALKING};
use crate::ports::{from_number, number};
use crate::{Ipv4Net, PublishedPort};

/// Elements by set.
pub(super) type Elements = Vec<(&'static str, Vec<Element>)>;

/// The elements of these networks.
pub(super) fn of_networks(networks: &[NetworkRules]) -> Elements {
    let of = |wanted: fn(&NetworkRules) -> bool, make: fn(&NetworkRules) -> Vec<Element>| -> Vec<Element> {
        networks.iter().filter(|network| wanted(network)).flat_map(make).collect()
    };
    let name = |network: &NetworkRules| vec![Element::key(Key::new().interface(&network.bridge))];
    vec![
        (BRIDGES, of(|_| true, name)),
        (INTERNAL, of(|network| network.internal, name)),
        (OWN, of(|_| true, own)),
        (
            TALKING,
            of(
                |network| network.inter_container,
                |network| {
                    vec![Element::key(Key::new().interface(&network.bridge).interface(&network.bridge))]
                },
            ),
        ),
        (MASQUERADED, of(|network| network.masquerade, masqueraded)),
    ]
}

fn own(network: &NetworkRules) -> Vec<Element> {
    let key = |address| Key::new().interface(&network.bridge).address(address);
    vec![Element::range(key(network.subnet.first()), key(network.subnet.last()))]
}

fn masqueraded(network: &NetworkRules) -> Vec<Element> {
    let first = Element::key(Key::new().address(network.subnet.first()));
    // A range without an end goes up to the last address of all.
    match network.subnet.last().to_bits().checked_add(1) {
        Some(after) => vec![first, Element::range_end(Key::new().address(Ipv4Addr::from_bits(after)))],
        None => vec![first],
    }
}

/// The elements of these ports.
pub(super) fn of_ports(ports: &[PublishedPort]) -> Elements {
    let value = |port: &PublishedPort| Key::new().address(port.container_address).port(port.container_port);
    let with_port = |key: Key, port: &PublishedPort| key.protocol(number(port.protocol)).port(port.host_port);
    let (any, one): (Vec<&PublishedPort>, Vec<&PublishedPort>) =
        ports.iter().partition(|port| port.host_address.is_unspecified());
    let one = one
        .into_iter()
        .map(|port| Element::entry(with_port(Key::new().address(port.host_address), port), value(port)));
    let any = any.into_iter().map(|port| Element::entry(with_port(Key::new(), port), value(port)));
    vec![(PUBLISHED, one.collect()), (PUBLISHED_ANY, any.collect())]
}

/// Networks and ports of a whole table; `None` if the sets contradict each other or hold what we never write.
pub(super) fn read(sets: &[(&str, Vec<Element>)]) -> Option<(Vec<NetworkRules>, Vec<PublishedPort>)> {
    let set =
        |name: &str| sets.iter().find(|(found, _)| *found == name).map(|(_, elements)| elements.as_slice());
    let names = |name: &str| -> Option<Vec<String>> {
        let interface = |element: &Element| Some(KeyReader::new(&element.key).interface()?.to_owned());
        set(name)?.iter().map(interface).collect()
    };
    let (bridges, internal, talking) = (names(BRIDGES)?, names(INTERNAL)?, names(TALKING)?);
    let masqueraded = set(MASQUERADED)?;
    let mut networks = Vec::new();
    for element in set(OWN)? {
        let mut key = KeyReader::new(&element.key);
        let (bridge, first) = (key.interface()?.to_owned(), key.address()?);
        let mut last = KeyReader::new(element.last.as_deref()?);
        let subnet = subnet(first, last.interface().and(last.address())?)?;
        networks.push(NetworkRules {
            masquerade: masqueraded
                .iter()
                .any(|one| !one.is_range_end && KeyReader::new(&one.key).address() == Some(first)),
            internal: internal.contains(&bridge),
            inter_container: talking.contains(&bridge),
            bridge,
            subnet,
        });
    }
    networks.sort();
    let mut with_rules: Vec<_> = networks.iter().map(|network| &network.bridge).collect();
    with_rules.dedup();
    if with_rules.len() != bridges.len() || !with_rules.iter().all(|name| bridges.contains(name)) {
        return None;
    }
    let one = set(PUBLISHED)?.iter().map(|element| {
        let mut key = KeyReader::new(&element.key);
        let address = key.address()?;
        port(address, key, element)
    });
    let any = set(PUBLISHED_ANY)?
        .iter()
        .map(|element| port(Ipv4Addr::UNSPECIFIED, KeyReader::new(&element.key), element));
    let mut published = one.chain(any).collect::<Option<Vec<_>>>()?;
    published.sort();
    // A map that grows while it is listed shows an element twice.
    published.dedup();
    Some((networks, published))
}

fn port(host_address: Ipv4Addr, mut key: KeyReader<'_>, element: &Element) -> Option<PublishedPort> {
    let mut value = KeyReader::new(element.value.as_deref()?);
    Some(PublishedPort {
        host_address,
        protocol: from_number(key.protocol()?)?,
        host_port: key.port()?,
        container_address: value.address()?,
        container_port: value.port()?,
    })
}

/// The network whose first and last addresses these are.
fn subnet(first: Ipv4Addr, last: Ipv4Addr) -> Option<Ipv4Net> {
    let bits = (first.to_bits() ^ last.to_bits()).leading_zeros();
    let net = Ipv4Net::new(first, u8::try_from(bits).ok()?)?;
    (net.first() == first && net.last() == last).then_some(net)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Protocol;

    fn network(name: String, bits: u32, prefix: u8, flags: (bool, bool, bool)) -> NetworkRules {
        NetworkRules {
            bridge: name,
            subnet: Ipv4Net::new(Ipv4Addr::from_bits(bits), prefix).unwrap().network(),
            masquerade: flags.0,
            internal: flags.1,
            inter_container: flags.2,
        }
    }

    proptest! {
        #[test]
        fn networks_and_ports_read_back(
            flags in proptest::collection::vec(any::<(bool, bool, bool)>(), 0..6),
            prefix in 8_u8..=30,
            ports in proptest::collection::btree_set((0_u32..3, 1_u16.., 0_usize..3, any::<u32>(), any::<u16>()), 0..10),
        ) {
            let mut networks: Vec<_> = flags
                .iter()
                .zip(0_u32..)
                .map(|(flags, n)| network(format!("br-{n}"), (n + 160) << 24, prefix, *flags))
                .collect();
            networks.sort();
            let protocols = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
            let mut published: Vec<_> = ports
                .iter()
                .map(|(host, host_port, protocol, container, container_port)| PublishedPort {
                    host_address: Ipv4Addr::from_bits(*host),
                    host_port: *host_port,
                    protocol: protocols[*protocol],
                    container_address: Ipv4Addr::from_bits(*container),
                    container_port: *container_port,
                })
                .collect();
            published.sort();
            let sets = [of_networks(&networks), of_ports(&published)].concat();
            prop_assert_eq!(read(&sets), Some((networks, published)));
        }

        #[test]
        fn a_range_of_a_network_gives_its_prefix(bits in any::<u32>(), prefix in 0_u8..=32) {
            let net = Ipv4Net::new(Ipv4Addr::from_bits(bits), prefix).unwrap().network();
            prop_assert_eq!(subnet(net.first(), net.last()), Some(net));
        }
    }

    #[test]
    fn the_last_subnet_of_all_has_no_end() {
        let last = network("br".to_owned(), u32::MAX, 24, (true, false, true));
        assert_eq!(masqueraded(&last).len(), 1);
    }
}
