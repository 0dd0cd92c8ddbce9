//! The networks that are always there: `bridge`, `host` and `none`. Pure.

use std::net::Ipv4Addr;

use engine_api::StringMap;
use engine_api::network::IpamConfig;
use network::Ipv4Net;
use network::addresses::{lease, pool};

use super::options::{BRIDGE_NAME, DEFAULT_BRIDGE, ENABLE_ICC, ENABLE_MASQUERADE, HOST_BINDING, MTU};
use super::record::Bridge;
use crate::config::NetworkConfig;
use crate::error::Error;

/// Docker's name of the default bridge's interface.
pub(super) const DEFAULT_INTERFACE: &str = "docker0";

/// What the host has that the default bridge must fit.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    /// The addresses of the bridge's interface, if it is there.
    pub(super) addresses: Option<Vec<Ipv4Net>>,
    /// What is taken: the host's other networks, its name servers, our other networks.
    pub(super) used: Vec<Ipv4Net>,
}

/// Whether there shall be a default bridge.
pub(super) fn is_wanted(config: &NetworkConfig) -> bool {
    config.bridge != "none"
}

/// The interface of the default bridge.
pub(super) fn interface(config: &NetworkConfig) -> &str {
    if config.bridge.is_empty() { DEFAULT_INTERFACE } else { &config.bridge }
}

/// The default bridge as the daemon's options want it. Docker's order of precedence: `--bip`, the interface's
/// own address, `--fixed-cidr`, the first free pool.
pub(super) fn plan(config: &NetworkConfig, around: &Surroundings) -> Result<Bridge, Error> {
    let option = |name: &str, value: &Option<String>| -> Result<Option<Ipv4Net>, Error> {
        let Some(text) = value else { return Ok(None) };
        let parsed = text.parse().map(Some);
        parsed.map_err(|error| Error::invalid(format!("parse {name} failed: {error}")))
    };
    let (bip, range) = (option("bip", &config.bip)?, option("fixed-cidr", &config.fixed_cidr)?);
    let range = range.map(Ipv4Net::network);
    let found = around.addresses.as_deref().unwrap_or_default();
    let own =
        found.iter().find(|own| range.is_none_or(|range| own.contains(range.first()))).or(found.first());
    let address = match (bip, own, range) {
        (Some(address), ..) | (None, Some(&address), _) => address,
        (None, None, Some(range)) => first_address(range)?,
        (None, None, None) => first_address(free_subnet(config, &around.used)?)?,
    };
    let subnet = address.network();
    // A range outside the bridge's network is left out, as Docker does.
    let range = range.filter(|range| subnet.contains(range.first()) && range.prefix() > subnet.prefix());
    if config.default_gateway.is_some_and(|gateway| !subnet.contains(gateway)) {
        return Err(Error::invalid("default gateway ip must be part of the network"));
    }
    Ok(Bridge {
        interface: interface(config).to_owned(),
        subnet,
        gateway: address.address(),
        default_route: config.default_gateway,
        range,
        mtu: config.mtu.unwrap_or(1500),
        masquerade: config.masquerade,
        inter_container: true,
        host_binding: Some(host_binding(config)?),
        interface_prefix: "eth".to_owned(),
        is_ours: around.addresses.is_none(),
    })
}

fn host_binding(config: &NetworkConfig) -> Result<Ipv4Addr, Error> {
    match config.default_host_ip {
        None => Ok(Ipv4Addr::UNSPECIFIED),
        Some(std::net::IpAddr::V4(address)) => Ok(address),
        Some(std::net::IpAddr::V6(address)) => Err(super::options::later(&format!("--ip {address}"))),
    }
}

/// The next subnet that nobody uses.
pub(super) fn free_subnet(config: &NetworkConfig, used: &[Ipv4Net]) -> Result<Ipv4Net, Error> {
    let pools = if config.address_pools.is_empty() {
        pool::default_pools()
    } else {
        pool::parse_pools(&config.address_pools).map_err(|error| Error::invalid(error.to_string()))?
    };
    pool::next_subnet(&pools, used)
        .ok_or_else(|| Error::invalid("all predefined address pools have been fully subnetted"))
}

/// The address that a subnet's bridge gets.
pub(super) fn first_address(subnet: Ipv4Net) -> Result<Ipv4Net, Error> {
    let first = lease::next_free(subnet, subnet, &Default::default());
    let first = first.ok_or_else(|| {
        Error::new(
            crate::Kind::Unavailable,
            "failed to allocate gateway (): no available addresses on this pool",
        )
    })?;
    Ok(subnet.with_address(first))
}

/// The options that `inspect` shows for the default bridge.
pub(super) fn shown_options(bridge: &Bridge) -> StringMap {
    let binding = bridge.host_binding.unwrap_or(Ipv4Addr::UNSPECIFIED);
    let pairs = [
        (DEFAULT_BRIDGE, "true".to_owned()),
        (ENABLE_ICC, bridge.inter_container.to_string()),
        (ENABLE_MASQUERADE, bridge.masquerade.to_string()),
        (HOST_BINDING, binding.to_string()),
        (BRIDGE_NAME, bridge.interface.clone()),
        (MTU, bridge.mtu.to_string()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The address configuration that `inspect` shows for the default bridge.
pub(super) fn shown_ipam(bridge: &Bridge) -> IpamConfig {
    IpamConfig {
        subnet: bridge.subnet.to_string(),
        ip_range: bridge.range.map(|range| range.to_string()).unwrap_or_default(),
        gateway: bridge.gateway.to_string(),
        auxiliary_addresses: bridge
            .default_route
            .map(|gateway| StringMap::from([("DefaultGatewayIPv4".to_owned(), gateway.to_string())])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    fn address(config: &NetworkConfig, addresses: Option<&[&str]>, used: &[&str]) -> String {
        let around = Surroundings {
            addresses: addresses.map(|list| list.iter().map(|text| net(text)).collect()),
            used: used.iter().map(|text| net(text)).collect(),
        };
        let bridge = plan(config, &around).unwrap();
        format!("{} {}", bridge.gateway, bridge.subnet)
    }

    #[test]
    fn the_default_bridge_takes_the_first_free_pool() {
        let config = NetworkConfig::default();
        assert_eq!(address(&config, None, &[]), "172.17.0.1 172.17.0.0/16");
        assert_eq!(address(&config, None, &["172.17.3.0/24"]), "172.18.0.1 172.18.0.0/16");
        assert_eq!(address(&config, Some(&["10.9.0.7/24"]), &[]), "10.9.0.7 10.9.0.0/24");
    }

    #[test]
    fn options_come_before_what_is_found() {
        let bip = NetworkConfig { bip: Some("192.168.5.1/24".to_owned()), ..NetworkConfig::default() };
        assert_eq!(address(&bip, Some(&["10.9.0.7/24"]), &[]), "192.168.5.1 192.168.5.0/24");
        let range = NetworkConfig { fixed_cidr: Some("10.20.0.0/16".to_owned()), ..NetworkConfig::default() };
        assert_eq!(address(&range, None, &[]), "10.20.0.1 10.20.0.0/16");
        let both = NetworkConfig { bip: Some("10.20.0.1/8".to_owned()), ..range };
        let bridge = plan(&both, &Surroundings::default()).unwrap();
        assert_eq!((bridge.subnet, bridge.range), (net("10.0.0.0/8"), Some(net("10.20.0.0/16"))));
    }

    #[test]
    fn wrong_options_are_refused() {
        let text = |config: NetworkConfig| plan(&config, &Surroundings::default()).unwrap_err().message;
        let bip = NetworkConfig { bip: Some("x".to_owned()), ..NetworkConfig::default() };
        assert_eq!(text(bip), "parse bip failed: invalid CIDR address: x");
        let gateway =
            NetworkConfig { default_gateway: Some(Ipv4Addr::new(1, 2, 3, 4)), ..NetworkConfig::default() };
        assert_eq!(text(gateway), "default gateway ip must be part of the network");
    }
}
