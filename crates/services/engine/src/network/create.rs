//! `POST /networks/create`: a request becomes a record, then a bridge and its rules.
//!
//! ```text
//!  request ─▶ parse ─▶ choose (under the lock: name and subnet are ours from here on)
//!           ─▶ bridge, rules ─▶ record, durable ─▶ visible        on failure: newest undone first
//! ```

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::SystemTime;

use engine_api::StringMap;
use engine_api::network::{Ipam, IpamConfig, NetworkCreateRequest, NetworkCreateResponse};
use network::Ipv4Net;
use network::addresses::lease;

use super::default::{first_address, free_subnet};
use super::options::{self, BridgeOptions, later};
use super::record::{Bridge, Driver, NETWORKS, Record, is_predefined};
use super::{Networks, State};
use crate::engine::blocking;
use crate::error::{Error, Kind};
use crate::{Engine, fault, names};

impl Engine {
    /// `POST /networks/create`.
    ///
    /// # Errors
    /// `Conflict` when the name is taken; `Forbidden` for a predefined name or overlapping pool.
    pub async fn network_create(
        &self,
        request: NetworkCreateRequest,
    ) -> Result<NetworkCreateResponse, Error> {
        let networks = self.shared.networks.clone();
        blocking(move || {
            let wanted = parse(request)?;
            let id = names::random_id().map_err(|error| Error::from_cause("cannot make an id", &error))?;
            networks.create(wanted, id).map(|id| NetworkCreateResponse { id, warning: String::new() })
        })
        .await
    }
}

/// A request that makes sense by itself.
#[derive(Debug)]
pub(super) struct Wanted {
    name: String,
    internal: bool,
    labels: StringMap,
    options: StringMap,
    parsed: BridgeOptions,
    ipam_options: Option<StringMap>,
    ipam: Vec<IpamConfig>,
    subnets: Vec<WantedSubnet>,
}

/// A subnet with what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct WantedSubnet {
    subnet: Ipv4Net,
    range: Option<Ipv4Net>,
    gateway: Option<Ipv4Addr>,
}

/// Checks everything that needs no knowledge of other networks, in Docker's order.
pub(super) fn parse(request: NetworkCreateRequest) -> Result<Wanted, Error> {
    if is_predefined(&request.name) {
        let text = format!("operation is not permitted on predefined {} network", request.name);
        return Err(Error::new(Kind::Forbidden, text));
    }
    let ipam = request.ipam.clone().unwrap_or_default();
    let subnets = parse_ipam(&ipam)?;
    if request.name.trim().is_empty() {
        return Err(Error::invalid("invalid name: name is empty"));
    }
    check_driver(&request)?;
    refuse_later(&request)?;
    if !["", "default"].contains(&ipam.driver.as_str()) {
        return Err(Error::not_found(format!("plugin {:?} not found", ipam.driver)));
    }
    let options = request.options.unwrap_or_default();
    Ok(Wanted {
        name: request.name,
        internal: request.internal,
        labels: request.labels.unwrap_or_default(),
        parsed: options::parse(&options)?,
        options,
        ipam_options: ipam.options,
        ipam: ipam.config.unwrap_or_default(),
        subnets,
    })
}

fn check_driver(request: &NetworkCreateRequest) -> Result<(), Error> {
    let forbidden = |text: String| Err(Error::new(Kind::Forbidden, text));
    match request.driver.as_str() {
        "" | "bridge" => {}
        driver @ ("host" | "null") => {
            return forbidden(format!("only one instance of {driver:?} network is allowed"));
        }
        "overlay" => {
            return forbidden(
                "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again."
                    .to_owned(),
            );
        }
        driver @ ("macvlan" | "ipvlan") => return Err(later(&format!("network driver {driver:?}"))),
        driver => return Err(Error::not_found(format!("plugin {driver:?} not found"))),
    }
    match request.scope.as_str() {
        "" | "local" => Ok(()),
        "swarm" => forbidden("cannot create a swarm scoped network when swarm is not active".to_owned()),
        scope => Err(Error::invalid(format!("invalid scope: {scope}"))),
    }
}

/// What a later version brings must not be stored in silence.
fn refuse_later(request: &NetworkCreateRequest) -> Result<(), Error> {
    let ipam = request.ipam.iter().flat_map(|ipam| ipam.config.iter().flatten());
    let has_auxiliary =
        ipam.filter_map(|config| config.auxiliary_addresses.as_ref()).any(|map| !map.is_empty());
    let config_from = request.config_from.as_ref().is_some_and(|from| !from.network.is_empty());
    let asked = [
        (request.enable_ipv6 == Some(true), "IPv6 networks"),
        (request.enable_ipv4 == Some(false), "networks without IPv4"),
        (request.attachable, "attachable networks"),
        (request.ingress, "ingress networks"),
        (request.config_only, "configuration networks"),
        (config_from, "networks from a configuration"),
        (has_auxiliary, "auxiliary addresses"),
    ];
    match asked.iter().find(|(asked, _)| *asked) {
        Some((_, what)) => Err(later(what)),
        None => Ok(()),
    }
}

/// Reads the address configuration and collects all that is wrong with it.
fn parse_ipam(ipam: &Ipam) -> Result<Vec<WantedSubnet>, Error> {
    let (mut subnets, mut wrong) = (Vec::new(), Vec::new());
    let mut is_ipv6 = false;
    for config in ipam.config.iter().flatten() {
        let Some(subnet) = parse_cidr(&config.subnet) else {
            if is_ipv6_cidr(&config.subnet) {
                is_ipv6 = true;
            } else {
                wrong.push(format!("invalid subnet {}: invalid CIDR block notation", config.subnet));
            }
            continue;
        };
        if subnet != subnet.network() {
            wrong.push(format!("invalid subnet {subnet}: it should be {}", subnet.network()));
        }
        let range = parse_range(&config.ip_range, subnet, &mut wrong);
        let gateway = parse_gateway(&config.gateway, subnet, &mut wrong);
        subnets.push(WantedSubnet { subnet: subnet.network(), range, gateway });
    }
    match wrong.as_slice() {
        [] if is_ipv6 => Err(later("IPv6 networks")),
        [] => Ok(subnets),
        wrong => Err(Error::invalid(format!("invalid network config:\n{}", join(wrong)))),
    }
}

/// Several errors as Docker lists them.
pub(super) fn join(errors: &[String]) -> String {
    match errors {
        [single] => single.trim().to_owned(),
        many => {
            let lines: Vec<_> =
                many.iter().map(|error| format!("* {}", error.replace('\n', "\n\t"))).collect();
            lines.join("\n")
        }
    }
}

fn parse_cidr(text: &str) -> Option<Ipv4Net> {
    text.parse().ok()
}

fn is_ipv6_cidr(text: &str) -> bool {
    text.split_once('/').is_some_and(|(address, prefix)| {
        matches!(address.parse(), Ok(IpAddr::V6(_))) && prefix.parse::<u8>().is_ok_and(|prefix| prefix <= 128)
    })
}

fn parse_range(text: &str, subnet: Ipv4Net, wrong: &mut Vec<String>) -> Option<Ipv4Net> {
    if text.is_empty() {
        return None;
    }
    let Some(range) = parse_cidr(text) else {
        wrong.push(match is_ipv6_cidr(text) {
            true => format!("invalid ip-range {text}: parent subnet is an IPv4 block"),
            false => format!("invalid ip-range {text}: invalid CIDR block notation"),
        });
        return None;
    };
    if range.prefix() < subnet.prefix() {
        wrong.push(format!("invalid ip-range {text}: CIDR block is bigger than its parent subnet {subnet}"));
    }
    if range != range.network() {
        wrong.push(format!("invalid ip-range {range}: it should be {}", range.network()));
    }
    if !subnet.overlaps(range) {
        wrong.push(format!("invalid ip-range {text}: parent subnet {subnet} doesn't contain ip-range"));
    }
    Some(range)
}

fn parse_gateway(text: &str, subnet: Ipv4Net, wrong: &mut Vec<String>) -> Option<Ipv4Addr> {
    if text.is_empty() {
        return None;
    }
    let why = match text.parse() {
        Ok(IpAddr::V4(gateway)) if subnet.contains(gateway) => return Some(gateway),
        Ok(IpAddr::V4(_)) => format!("parent subnet {subnet} doesn't contain this address"),
        Ok(IpAddr::V6(_)) => "parent subnet is an IPv4 block".to_owned(),
        Err(_) => "invalid address".to_owned(),
    };
    wrong.push(format!("invalid gateway {text}: {why}"));
    None
}

/// The record of a new network, given all the others. Pure.
pub(super) fn plan(wanted: &Wanted, id: &str, state: &State, around: &Around<'_>) -> Result<Record, Error> {
    if state.all().any(|other| other.name == wanted.name) {
        return Err(Error::conflict(format!("network with name {} already exists", wanted.name)));
    }
    let chosen = choose_subnet(wanted, state, around)?;
    let (subnet, gateway) = (chosen.subnet, choose_gateway(&chosen)?);
    let options = &wanted.parsed;
    let interface = options.interface.clone().unwrap_or_else(|| format!("br-{}", &id[..12]));
    if let Some(other) =
        state.all().find(|other| other.bridge.as_ref().is_some_and(|bridge| bridge.interface == interface))
    {
        return Err(Error::new(
            Kind::Forbidden,
            format!(
                "cannot create network {id} ({interface}): conflicts with network {} ({interface}): networks have same bridge name",
                other.id
            ),
        ));
    }
    Ok(Record {
        id: id.to_owned(),
        name: wanted.name.clone(),
        created: around.now,
        driver: Driver::Bridge,
        internal: wanted.internal,
        labels: wanted.labels.clone(),
        options: wanted.options.clone(),
        ipam_options: wanted.ipam_options.clone(),
        ipam: wanted.ipam.clone(),
        bridge: Some(Bridge {
            interface,
            subnet,
            gateway,
            default_route: None,
            range: chosen.range,
            mtu: options.mtu.unwrap_or(0),
            masquerade: options.masquerade.unwrap_or(true),
            inter_container: options.inter_container.unwrap_or(true),
            host_binding: options.host_binding,
            interface_prefix: options.interface_prefix.clone().unwrap_or_else(|| "eth".to_owned()),
            is_ours: true,
        }),
    })
}

/// What a plan must know of the host.
pub(super) struct Around<'a> {
    pub(super) config: &'a crate::config::NetworkConfig,
    /// The host's own networks and name servers.
    pub(super) host: &'a [Ipv4Net],
    pub(super) now: SystemTime,
}

fn choose_subnet(wanted: &Wanted, state: &State, around: &Around<'_>) -> Result<WantedSubnet, Error> {
    let mut used: Vec<Ipv4Net> = state.subnets().collect();
    let Some(first) = wanted.subnets.first() else {
        used.extend(around.host);
        let subnet = free_subnet(around.config, &used)?;
        return Ok(WantedSubnet { subnet, range: None, gateway: None });
    };
    for wanted in &wanted.subnets {
        if used.iter().any(|other| other.overlaps(wanted.subnet)) {
            let text = "invalid pool request: Pool overlaps with other one on this address space";
            return Err(Error::new(Kind::Forbidden, text));
        }
        used.push(wanted.subnet);
    }
    if wanted.subnets.len() > 1 {
        return Err(Error::new(Kind::Forbidden, "bridge driver doesn't support multiple subnets"));
    }
    Ok(*first)
}

fn choose_gateway(chosen: &WantedSubnet) -> Result<Ipv4Addr, Error> {
    match chosen.gateway {
        Some(gateway) if lease::is_reserved(chosen.subnet, gateway) => {
            Err(Error::system(format!("failed to allocate gateway ({gateway}): Address already in use")))
        }
        Some(gateway) => Ok(gateway),
        None => match chosen.range {
            // The range's first address, even where it ends in zero; the subnet's own ends are left out.
            Some(range) => lease::next_free(chosen.subnet, range, &Default::default()).ok_or_else(|| {
                Error::system("failed to allocate gateway (): no available addresses on this pool")
            }),
            None => first_address(chosen.subnet).map(Ipv4Net::address),
        },
    }
}

impl Networks {
    pub(super) fn create(&self, wanted: Wanted, id: String) -> Result<String, Error> {
        let host = self.host_networks(None)?;
        let around = Around { config: &self.inner.config, host: &host, now: SystemTime::now() };
        let record = {
            let mut state = self.state();
            let record = Arc::new(plan(&wanted, &id, &state, &around)?);
            state.pending.insert(id.clone(), record.clone());
            record
        };
        let outcome = self.establish(record);
        let mut state = self.state();
        state.pending.remove(&id);
        let record = outcome?;
        state.networks.insert(id.clone(), record.clone());
        drop(state);
        self.announce(&record, "create", None);
        Ok(id)
    }

    /// Records a planned network and brings it into the kernel; on failure nothing stays. In this order, because a
    /// record without a bridge is mended at the next start, while nobody would know a bridge without a record.
    fn establish(&self, record: Arc<Record>) -> Result<Arc<Record>, Error> {
        let mut record = Arc::unwrap_or_clone(record);
        if let Some(bridge) = &mut record.bridge {
            bridge.is_ours = self.is_missing(bridge)?;
        }
        let outcome = self.record_new(&record).and_then(|()| self.raise_new(&record));
        if let Err(error) = outcome {
            self.forget(&record);
            return Err(error);
        }
        Ok(Arc::new(record))
    }

    fn record_new(&self, record: &Record) -> Result<(), Error> {
        let batch = db::Batch::new().put_json(NETWORKS, &record.id, record);
        let committed = self.inner.db.commit(batch);
        committed.map_err(|error| Error::from_cause("cannot record the network", &error))?;
        fault::point("network.recorded")?;
        Ok(())
    }

    fn raise_new(&self, record: &Record) -> Result<(), Error> {
        self.raise(record)?;
        if let Err(fault) = fault::point("network.raised") {
            self.lower(record);
            return Err(fault.into());
        }
        Ok(())
    }

    /// Takes back the record of a network that could not be raised.
    fn forget(&self, record: &Record) {
        if let Err(error) = self.inner.db.commit(db::Batch::new().delete(NETWORKS, &record.id)) {
            tracing::error!(network = record.name, %error, "the record of a network that failed stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::NetworkConfig;

    fn request(subnet: &str, range: &str, gateway: &str) -> NetworkCreateRequest {
        let config = IpamConfig {
            subnet: subnet.to_owned(),
            ip_range: range.to_owned(),
            gateway: gateway.to_owned(),
            auxiliary_addresses: None,
        };
        NetworkCreateRequest {
            name: "net2".to_owned(),
            ipam: Some(Ipam { config: Some(vec![config]), ..Ipam::default() }),
            ..NetworkCreateRequest::default()
        }
    }

    fn refused(request: NetworkCreateRequest) -> (Kind, String) {
        let error = parse(request).unwrap_err();
        (error.kind, error.message)
    }

    #[test]
    fn wrong_addresses_are_refused_in_dockers_words() {
        let text = |subnet, range, gateway| {
            let (kind, message) = refused(request(subnet, range, gateway));
            assert_eq!(kind, Kind::InvalidParameter);
            message.strip_prefix("invalid network config:\n").unwrap().to_owned()
        };
        assert_eq!(text("nope", "", ""), "invalid subnet nope: invalid CIDR block notation");
        assert_eq!(text("10.77.0.0/33", "", ""), "invalid subnet 10.77.0.0/33: invalid CIDR block notation");
        assert_eq!(text("10.77.0.1/24", "", ""), "invalid subnet 10.77.0.1/24: it should be 10.77.0.0/24");
        assert_eq!(
            text("10.77.0.0/24", "", "10.78.0.1"),
            "invalid gateway 10.78.0.1: parent subnet 10.77.0.0/24 doesn't contain this address"
        );
        assert_eq!(text("10.77.0.0/24", "", "nope"), "invalid gateway nope: invalid address");
        assert_eq!(
            text("10.77.0.0/24", "10.78.0.0/25", "nope"),
            "* invalid ip-range 10.78.0.0/25: parent subnet 10.77.0.0/24 doesn't contain ip-range\n* invalid gateway nope: invalid address"
        );
    }

    #[test]
    fn names_drivers_and_scopes_are_checked() {
        let with = |change: fn(&mut NetworkCreateRequest)| {
            let mut request = NetworkCreateRequest { name: "net2".to_owned(), ..Default::default() };
            change(&mut request);
            refused(request)
        };
        let forbidden = |text: &str| (Kind::Forbidden, text.to_owned());
        assert_eq!(
            with(|request| request.name = "bridge".to_owned()),
            forbidden("operation is not permitted on predefined bridge network")
        );
        assert_eq!(with(|request| request.name = " ".to_owned()).1, "invalid name: name is empty");
        assert_eq!(
            with(|request| request.driver = "nope".to_owned()),
            (Kind::NotFound, "plugin \"nope\" not found".to_owned())
        );
        assert_eq!(
            with(|request| request.driver = "null".to_owned()),
            forbidden("only one instance of \"null\" network is allowed")
        );
        assert_eq!(
            with(|request| request.scope = "swarm".to_owned()),
            forbidden("cannot create a swarm scoped network when swarm is not active")
        );
        for change in [
            (|request| request.enable_ipv6 = Some(true)) as fn(&mut NetworkCreateRequest),
            |request| request.attachable = true,
            |request| request.ingress = true,
            |request| request.driver = "macvlan".to_owned(),
        ] {
            assert_eq!(with(change).0, Kind::NotImplemented);
        }
    }

    fn planned(request: NetworkCreateRequest, state: &State) -> Result<Record, Error> {
        let config = NetworkConfig::default();
        let around = Around { config: &config, host: &[], now: SystemTime::UNIX_EPOCH };
        plan(&parse(request)?, &"1234567890ab".repeat(6)[..64], state, &around)
    }

    fn state(records: Vec<Record>) -> State {
        let mut state = State::default();
        for record in records {
            state.networks.insert(record.id.clone(), Arc::new(record));
        }
        state
    }

    #[test]
    fn a_network_gets_a_subnet_a_gateway_and_a_bridge() {
        let plain = || NetworkCreateRequest { name: "one".to_owned(), ..Default::default() };
        let first = planned(plain(), &State::default()).unwrap();
        let bridge = first.bridge.clone().unwrap();
        assert_eq!(bridge.interface, "br-1234567890ab");
        assert_eq!(
            (bridge.subnet.to_string(), bridge.gateway.to_string()),
            ("172.17.0.0/16".into(), "172.17.0.1".into())
        );
        let state = state(vec![first]);
        assert_eq!(planned(plain(), &state).unwrap_err().message, "network with name one already exists");
        let other = NetworkCreateRequest { name: "two".to_owned(), ..plain() };
        assert_eq!(planned(other, &state).unwrap_err().kind, Kind::Forbidden, "the same bridge name");
        let overlap = planned(request("172.17.9.0/24", "", ""), &state).unwrap_err();
        assert_eq!(
            (overlap.kind, overlap.message.as_str()),
            (Kind::Forbidden, "invalid pool request: Pool overlaps with other one on this address space")
        );
    }

    #[test]
    fn a_gateway_is_the_first_address_of_the_range_unless_given() {
        let gateway = |subnet, range, gateway| {
            let record = planned(request(subnet, range, gateway), &State::default());
            record.map(|record| record.bridge.unwrap().gateway.to_string()).map_err(|error| error.message)
        };
        assert_eq!(gateway("10.1.0.0/16", "", "").as_deref(), Ok("10.1.0.1"));
        assert_eq!(gateway("10.1.0.0/16", "10.1.2.0/24", "").as_deref(), Ok("10.1.2.0"));
        assert_eq!(gateway("10.1.0.0/16", "", "10.1.255.254").as_deref(), Ok("10.1.255.254"));
        assert_eq!(
            gateway("10.1.0.0/16", "", "10.1.0.0").unwrap_err(),
            "failed to allocate gateway (10.1.0.0): Address already in use"
        );
    }
}
