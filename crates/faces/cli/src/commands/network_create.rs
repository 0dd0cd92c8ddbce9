//! `network create`: a network.

use crate::command::{Command, Words};
use crate::failure::{Failure, fail};
use crate::keyvalue;
use crate::output;
use crate::session::Session;
use engine_api::network::{ConfigReference, Ipam, IpamConfig, NetworkCreateRequest, NetworkCreateResponse};
use flags::{Flag, Typed};
use std::net::IpAddr;

/// `network create`.
pub(crate) static NETWORK_CREATE: Command =
    Command::new("[OPTIONS] NETWORK", "Create a network", Words::Exactly(1), run).flags(&[&[
        Flag::switch("attachable", "Enable manual container attachment").since("1.25"),
        map("aux-address", "Auxiliary IPv4 or IPv6 addresses used by Network driver"),
        Flag::text("config-from", "The network from which to copy the configuration").since("1.30"),
        Flag::switch("config-only", "Create a configuration only network").since("1.30"),
        Flag::text("driver", "Driver to manage the Network").short('d').default("bridge"),
        Flag::strings("gateway", "IPv4 or IPv6 Gateway for the master subnet"),
        Flag::switch("ingress", "Create swarm routing-mesh network").since("1.29"),
        Flag::switch("internal", "Restrict external access to the network"),
        Flag::strings("ip-range", "Allocate container ip from a sub-range"),
        Flag::text("ipam-driver", "IP Address Management Driver").default("default"),
        map("ipam-opt", "Set IPAM driver specific options"),
        Flag::switch("ipv4", "Enable or disable IPv4 address assignment").default("true"),
        Flag::switch("ipv6", "Enable or disable IPv6 address assignment"),
        Flag::list("label", "Set metadata on a network").check(keyvalue::check_label),
        map("opt", "Set driver specific options").short('o'),
        Flag::text("scope", "Control the network's scope").since("1.30"),
        Flag::strings("subnet", "Subnet in CIDR format that represents a network segment"),
    ]]);

const fn map(name: &'static str, help: &'static str) -> Flag {
    Flag::named(name, "map", help).default("map[]")
}

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let text = |name: &str| typed.text(name).to_owned();
    let switch = |name: &str| typed.has(name).then(|| typed.is_on(name));
    let request = NetworkCreateRequest {
        name: typed.positionals[0].clone(),
        driver: text("driver"),
        scope: text("scope"),
        enable_ipv4: switch("ipv4"),
        enable_ipv6: switch("ipv6"),
        ipam: Some(ipam(typed)?),
        internal: typed.is_on("internal"),
        attachable: typed.is_on("attachable"),
        ingress: typed.is_on("ingress"),
        config_only: typed.is_on("config-only"),
        config_from: typed
            .given("config-from")
            .map(|network| ConfigReference { network: network.to_owned() }),
        options: Some(keyvalue::to_map(typed.all("opt"))),
        labels: Some(keyvalue::to_map(typed.all("label"))),
        check_duplicate: None,
    };
    let created: NetworkCreateResponse =
        session.client()?.post("/networks/create").json(&request).send()?.json()?;
    if !created.warning.is_empty() {
        output::error_line(&format!("WARNING: {}", created.warning));
    }
    output::line(&created.id);
    Ok(())
}

/// A network in CIDR notation.
#[derive(Debug, Clone, Copy)]
struct Subnet {
    address: IpAddr,
    prefix: u8,
}

impl Subnet {
    fn parse(text: &str) -> Option<Subnet> {
        let (address, prefix) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.parse().ok().filter(|prefix| *prefix <= most)?;
        Some(Subnet { address, prefix })
    }

    fn contains(self, address: IpAddr) -> bool {
        let bits = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => u128::from(ip.to_bits()) << 96,
            IpAddr::V6(ip) => ip.to_bits(),
        };
        let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
        self.address.is_ipv4() == address.is_ipv4() && (bits(self.address) ^ bits(address)) & mask == 0
    }
}

fn invalid(text: &str) -> Failure {
    fail!("invalid CIDR address: {text}")
}

/// Whether `subnet` holds an address or the first address of another network.
fn holds(subnet: &str, text: &str) -> Result<bool, Failure> {
    let outer =
        Subnet::parse(subnet).ok_or_else(|| fail!("invalid subnet: invalid CIDR address: {subnet}"))?;
    if text.contains('/') {
        return Ok(outer.contains(Subnet::parse(text).ok_or_else(|| invalid(text))?.address));
    }
    Ok(text.parse().is_ok_and(|address| outer.contains(address)))
}

/// Puts subnets, ranges, gateways and further addresses together by subnet.
fn ipam(typed: &Typed) -> Result<Ipam, Failure> {
    let (subnets, ranges, gateways) =
        (typed.strings("subnet"), typed.strings("ip-range"), typed.strings("gateway"));
    if subnets.len() < ranges.len() || subnets.len() < gateways.len() {
        return Err(Failure::new("every ip-range or gateway must have a corresponding subnet"));
    }
    let mut pools: Vec<IpamConfig> = Vec::new();
    for subnet in &subnets {
        for pool in &pools {
            if holds(subnet, &pool.subnet)? || holds(&pool.subnet, subnet)? {
                return Err(Failure::new("multiple overlapping subnet configuration is not supported"));
            }
        }
        pools.push(IpamConfig { subnet: subnet.clone(), ..IpamConfig::default() });
    }
    for range in &ranges {
        Subnet::parse(range).ok_or_else(|| invalid(range))?;
        let pool = find(&mut pools, range)?.ok_or_else(|| fail!("no matching subnet for range {range}"))?;
        if !pool.ip_range.is_empty() {
            let (first, subnet) = (&pool.ip_range, &pool.subnet);
            return Err(fail!(
                "cannot configure multiple ranges ({range}, {first}) on the same subnet ({subnet})"
            ));
        }
        pool.ip_range.clone_from(range);
    }
    for gateway in &gateways {
        let pool =
            find(&mut pools, gateway)?.ok_or_else(|| fail!("no matching subnet for gateway {gateway}"))?;
        if !pool.gateway.is_empty() {
            let (first, subnet) = (&pool.gateway, &pool.subnet);
            return Err(fail!(
                "cannot configure multiple gateways ({gateway}, {first}) for the same subnet ({subnet})"
            ));
        }
        pool.gateway.clone_from(gateway);
    }
    for (name, address) in keyvalue::to_map(typed.all("aux-address")) {
        let pool = find(&mut pools, &address)?
            .ok_or_else(|| fail!("no matching subnet for aux-address {address}"))?;
        pool.auxiliary_addresses.get_or_insert_default().insert(name, address);
    }
    Ok(Ipam {
        driver: typed.text("ipam-driver").to_owned(),
        options: Some(keyvalue::to_map(typed.all("ipam-opt"))),
        config: Some(pools),
    })
}

fn find<'p>(pools: &'p mut [IpamConfig], text: &str) -> Result<Option<&'p mut IpamConfig>, Failure> {
    for pool in pools {
        if holds(&pool.subnet, text)? {
            return Ok(Some(pool));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flags::Grammar;

    fn ipam_of(words: &[&str]) -> Result<Ipam, String> {
        let grammar = Grammar::new(NETWORK_CREATE.tables, NETWORK_CREATE.positionals);
        ipam(&grammar.parse(words.iter().copied()).unwrap()).map_err(|failure| failure.text)
    }

    #[test]
    fn addresses_are_put_to_their_subnets() {
        let made = ipam_of(&[
            "--subnet=10.1.0.0/16,fd00::/64",
            "--gateway=fd00::1",
            "--ip-range=10.1.4.0/24",
            "--aux-address=a=10.1.0.9",
        ]);
        let pools = made.unwrap().config.unwrap();
        assert_eq!((pools[0].ip_range.as_str(), pools[0].gateway.as_str()), ("10.1.4.0/24", ""));
        assert_eq!(pools[0].auxiliary_addresses.as_ref().unwrap()["a"], "10.1.0.9");
        assert_eq!(pools[1].gateway, "fd00::1");
    }

    #[test]
    fn addresses_outside_are_refused_in_dockers_words() {
        let refused = |words: &[&str]| ipam_of(words).unwrap_err();
        assert_eq!(
            refused(&["--gateway=1.2.3.4"]),
            "every ip-range or gateway must have a corresponding subnet"
        );
        assert_eq!(
            refused(&["--subnet=10.0.0.0/8", "--gateway=11.0.0.1"]),
            "no matching subnet for gateway 11.0.0.1"
        );
        assert_eq!(
            refused(&["--subnet=10.0.0.0/8", "--subnet=10.1.0.0/16"]),
            "multiple overlapping subnet configuration is not supported"
        );
        assert_eq!(refused(&["--subnet=x", "--gateway=1.1.1.1"]), "invalid subnet: invalid CIDR address: x");
    }
}
