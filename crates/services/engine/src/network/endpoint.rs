//! What ties one container to its network, from before its start until after its end.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use db::Batch;
use engine_api::StringSet;
use engine_api::container::PortMap;
use engine_api::network::EndpointSettings;
use network::addresses::lease::next_free;
use network::names::DnsPlace;
use network::{EndpointPlan, HeldPort, MacAddress, PortWish, PublishedPort};

use super::create::join;
use super::files::{self, Facts};
use super::options::later;
use super::record::{Bridge, Driver, Interface, LEASES, Lease, LeasedPort, Record};
use super::{Held, Networks, Reservation, State, Wish, lookup, ports};
use crate::error::{Error, Kind};
use crate::names;

/// Ids made before the lock is taken.
struct Ids {
    endpoint: String,
    sandbox: String,
}

impl Ids {
    fn random() -> Result<Ids, Error> {
        let id = || names::random_id().map_err(|error| Error::from_cause("cannot make an id", &error));
        Ok(Ids { endpoint: id()?, sandbox: id()? })
    }
}

impl Networks {
    /// Checks what a container about to be created says about its endpoints and ports. Networks that do not exist
    /// yet are looked at again when it starts.
    pub(crate) fn check(
        &self,
        mode: &str,
        endpoints: &BTreeMap<String, EndpointSettings>,
        bindings: Option<&PortMap>,
    ) -> Result<(), Error> {
        let mut wrong = Vec::new();
        for (name, settings) in endpoints {
            let found = lookup::find(&self.state().networks, known_as(name)).ok();
            let shown = found.as_ref().map_or(name.as_str(), |record| record.name.as_str());
            if let Err(why) = check_settings(found.as_deref(), known_as(shown), settings) {
                wrong.push(format!("invalid config for network {name}: {why}"));
            }
        }
        if !wrong.is_empty() {
            return Err(Error::invalid(join(&wrong)));
        }
        refuse_later(mode, endpoints)?;
        let default = Ipv4Addr::UNSPECIFIED;
        match ports::parse(&StringSet::new(), bindings.unwrap_or(&PortMap::new()), false, default) {
            // What else is wrong with ports is told at the start, as Docker does.
            Err(error) if error.kind == Kind::NotImplemented => Err(error),
            _ => Ok(()),
        }
    }

    /// Finds address, ports and names for a container that is about to start, and the records to commit with it.
    pub(crate) fn reserve(&self, wish: &Wish) -> Result<(Reservation, Batch), Error> {
        // A start that was cut off may have left something.
        let stale = self.release(&wish.container_id);
        let ids = Ids::random()?;
        let Some((record, settings)) = self.choose(wish)? else {
            return self.reserve_nothing(wish, ids).map(|reservation| (reservation, stale));
        };
        match &record.bridge {
            Some(bridge) => self.reserve_on_bridge(wish, &record, bridge, settings, ids, stale),
            None => self.reserve_without_bridge(wish, &record, settings, ids, stale),
        }
    }

    /// The network of a container, and what was said about its endpoint there; nothing if there is no default bridge.
    fn choose(&self, wish: &Wish) -> Result<Option<(Arc<Record>, EndpointSettings)>, Error> {
        let mode = known_as(&wish.mode);
        let named = wish.endpoints.iter().find(|(name, _)| known_as(name) == mode);
        // An endpoint may be given under another word for the network than the mode.
        let (name, settings) = match (named, wish.endpoints.iter().next()) {
            (Some((name, settings)), _) => (known_as(name), settings.clone()),
            (None, Some((name, settings))) if wish.endpoints.len() == 1 => (known_as(name), settings.clone()),
            _ => (mode, EndpointSettings::default()),
        };
        if name == "bridge" && !super::default::is_wanted(&self.inner.config) {
            return Ok(None);
        }
        let record = lookup::find(&self.state().networks, name)?;
        Ok(Some((record, settings)))
    }

    fn reserve_on_bridge(
        &self,
        wish: &Wish,
        record: &Record,
        bridge: &Bridge,
        settings: EndpointSettings,
        ids: Ids,
        batch: Batch,
    ) -> Result<(Reservation, Batch), Error> {
        let default = bridge.host_binding.or_else(|| self.default_host_address());
        let default = default.unwrap_or(Ipv4Addr::UNSPECIFIED);
        let mut wishes = ports::parse(&wish.exposed, &wish.bindings, wish.publish_all, default)?;
        if record.internal {
            wishes.publish.clear();
        }
        let wanted = Wanted::read(record, &settings)?;
        let lease = self.take(wish, record, bridge, &wanted, &wishes.publish, &ids)?;
        let files = files::make(
            wish,
            &self.inner.config,
            &Facts {
                address: lease.interface.as_ref().map(|interface| interface.address.address()),
                place: DnsPlace::Own,
                host_gateways: self.host_gateways(),
                ipv6: self.inner.ipv6,
            },
        );
        let files = match files {
            Ok(files) => files,
            Err(error) => {
                drop(self.release(&wish.container_id));
                return Err(error);
            }
        };
        let plan = plan_endpoint(record, bridge, &lease);
        let shown = show_endpoint(wish, record, &settings, &lease, plan.as_ref());
        let reservation = Reservation {
            plan,
            networks: BTreeMap::from([(record.name.clone(), shown)]),
            ports: ports::show(&wishes.known, &lease.published()),
            sandbox_id: ids.sandbox,
            hosts: files.hosts,
            hostname: files.hostname,
            resolv_conf: files.resolv_conf,
        };
        Ok((reservation, batch.put_json(LEASES, &wish.container_id, &lease)))
    }

    /// Chooses address and ports and notes them, in one step as seen from other containers.
    fn take(
        &self,
        wish: &Wish,
        record: &Record,
        bridge: &Bridge,
        wanted: &Wanted,
        publish: &[PortWish],
        ids: &Ids,
    ) -> Result<Lease, Error> {
        let mut state = self.state();
        if !state.networks.contains_key(&record.id) {
            return Err(lookup::LookupError::None(record.name.clone()).into());
        }
        let address = choose_address(&state, record, bridge, wanted.address)?;
        let published = state.ports.take(publish, address, HeldPort::bind).map_err(|error| {
            let text = connectivity(&wish.container_name, &ids.endpoint);
            Error::system(format!("{text}: {error}"))
                .with_hint("choose another port with -p, or stop what has this one")
        })?;
        let lease = Lease {
            container_id: wish.container_id.clone(),
            container_name: wish.container_name.clone(),
            network_id: record.id.clone(),
            endpoint_id: ids.endpoint.clone(),
            interface: Some(Interface {
                address: bridge.subnet.with_address(address),
                mac: wanted.mac.unwrap_or_else(|| MacAddress::for_ipv4(address)),
                host_interface: format!("veth{}", &ids.endpoint[..7]),
            }),
            ports: published.iter().map(LeasedPort::from).collect(),
        };
        let held = Held { lease: lease.clone(), is_connected: false };
        state.leases.insert(wish.container_id.clone(), held);
        Ok(lease)
    }

    fn reserve_without_bridge(
        &self,
        wish: &Wish,
        record: &Record,
        settings: EndpointSettings,
        ids: Ids,
        batch: Batch,
    ) -> Result<(Reservation, Batch), Error> {
        let place = if record.driver == Driver::Host { DnsPlace::Host } else { DnsPlace::Own };
        let reservation = self.describe_without_address(wish, place, &ids)?;
        let lease = Lease {
            container_id: wish.container_id.clone(),
            container_name: wish.container_name.clone(),
            network_id: record.id.clone(),
            endpoint_id: ids.endpoint,
            interface: None,
            ports: Vec::new(),
        };
        let shown = show_endpoint(wish, record, &settings, &lease, None);
        let batch = batch.put_json(LEASES, &wish.container_id, &lease);
        self.state().leases.insert(wish.container_id.clone(), Held { lease, is_connected: false });
        let networks = BTreeMap::from([(record.name.clone(), shown)]);
        Ok((Reservation { networks, ..reservation }, batch))
    }

    /// For a daemon without a default bridge: the container has a loopback only, and is on no network.
    fn reserve_nothing(&self, wish: &Wish, ids: Ids) -> Result<Reservation, Error> {
        self.describe_without_address(wish, DnsPlace::Own, &ids)
    }

    fn describe_without_address(
        &self,
        wish: &Wish,
        place: DnsPlace,
        ids: &Ids,
    ) -> Result<Reservation, Error> {
        let facts =
            Facts { address: None, place, host_gateways: self.host_gateways(), ipv6: self.inner.ipv6 };
        let files = files::make(wish, &self.inner.config, &facts)?;
        Ok(Reservation {
            sandbox_id: ids.sandbox.clone(),
            hosts: files.hosts,
            hostname: files.hostname,
            resolv_conf: files.resolv_conf,
            ..Reservation::default()
        })
    }

    /// `--host-gateway-ip`, or the default bridge's own address.
    fn host_gateways(&self) -> Vec<IpAddr> {
        let given: Vec<_> =
            self.inner.config.host_gateway_ips.iter().filter_map(|text| text.parse().ok()).collect();
        if !given.is_empty() {
            return given;
        }
        let state = self.state();
        let default = state.networks.values().find(|record| record.name == "bridge");
        default
            .and_then(|record| record.bridge.as_ref())
            .map(|bridge| bridge.gateway.into())
            .into_iter()
            .collect()
    }

    /// `--ip`, where it is an IPv4 address.
    fn default_host_address(&self) -> Option<Ipv4Addr> {
        match self.inner.config.default_host_ip {
            Some(IpAddr::V4(address)) => Some(address),
            _ => None,
        }
    }

    /// Brings bridge and published ports into the kernel, and tells that the container is connected.
    pub(crate) fn publish(&self, container_id: &str) -> Result<(), Error> {
        let (lease, record) = {
            let state = self.state();
            let Some(held) = state.leases.get(container_id).filter(|held| !held.is_connected) else {
                return Ok(());
            };
            let Some(record) = state.networks.get(&held.lease.network_id) else {
                return Err(lookup::LookupError::None(held.lease.network_id.clone()).into());
            };
            (held.lease.clone(), record.clone())
        };
        let raised = self.ensure_bridge(&record).and_then(|()| self.open_ports(&lease.published()));
        raised.map_err(|error| error.within(connectivity(&lease.container_name, &lease.endpoint_id)))?;
        if let Some(held) = self.state().leases.get_mut(container_id) {
            held.is_connected = true;
        }
        self.announce(&record, "connect", Some(container_id));
        Ok(())
    }

    /// Gives everything of a container back, and tells that it is disconnected. The records are for the exit's transaction.
    pub(crate) fn release(&self, container_id: &str) -> Batch {
        let found = {
            let state = self.state();
            let held = state.leases.get(container_id);
            held.map(|held| (held.lease.clone(), state.networks.get(&held.lease.network_id).cloned()))
        };
        let Some((lease, record)) = found else { return Batch::new() };
        let published = lease.published();
        // Before anyone else can get the address or the ports: their elements would go with these.
        self.close_ports(&published);
        if let Some(interface) = &lease.interface {
            self.silence(record.as_deref(), interface);
        }
        let mut state = self.state();
        let was_connected = state.leases.remove(container_id).is_some_and(|held| held.is_connected);
        state.ports.give_back(&published);
        drop(state);
        if let (true, Some(record)) = (was_connected, record) {
            self.announce(&record, "disconnect", Some(container_id));
        }
        Batch::new().delete(LEASES, container_id)
    }
}

/// Docker's beginning of every failure on the way to the outside.
fn connectivity(container: &str, endpoint: &str) -> String {
    format!("driver failed programming external connectivity on endpoint {container} ({endpoint})")
}

/// The default network goes by several words.
fn known_as(mode: &str) -> &str {
    match mode {
        "" | "default" => "bridge",
        mode => mode,
    }
}

/// What an endpoint's settings ask for, read.
struct Wanted {
    address: Option<Ipv4Addr>,
    mac: Option<MacAddress>,
}

impl Wanted {
    fn read(record: &Record, settings: &EndpointSettings) -> Result<Wanted, Error> {
        check_settings(Some(record), &record.name, settings).map_err(Error::invalid)?;
        let address =
            settings.ipam_config.as_ref().map(|ipam| ipam.ipv4_address.as_str()).unwrap_or_default();
        Ok(Wanted { address: address.parse().ok(), mac: settings.mac_address.parse().ok() })
    }
}

/// Collects what is wrong with an endpoint's settings, in Docker's words; the network may not exist yet.
fn check_settings(record: Option<&Record>, name: &str, settings: &EndpointSettings) -> Result<(), String> {
    let is_user_defined = !super::record::is_predefined(name);
    let ipam = settings.ipam_config.clone().unwrap_or_default();
    let mut wrong = Vec::new();
    let has_address = !ipam.ipv4_address.is_empty() || !ipam.ipv6_address.is_empty();
    if !is_user_defined && has_address {
        wrong.push("user specified IP address is supported on user defined networks only".to_owned());
    }
    if !is_user_defined && settings.aliases.as_ref().is_some_and(|aliases| !aliases.is_empty()) {
        wrong.push(
            "network-scoped alias is supported only for containers in user defined networks".to_owned(),
        );
    }
    if !ipam.ipv4_address.is_empty()
        && !ipam.ipv4_address.parse().is_ok_and(|ip: Ipv4Addr| !ip.is_unspecified())
    {
        wrong.push(format!("invalid IPv4 address: {}", ipam.ipv4_address));
    }
    let is_ipv6 = |text: &str| matches!(text.parse(), Ok(IpAddr::V6(ip)) if !ip.is_unspecified());
    if !ipam.ipv6_address.is_empty() && !is_ipv6(&ipam.ipv6_address) {
        wrong.push(format!("invalid IPv6 address: {}", ipam.ipv6_address));
    }
    if let (Some(record), false) = (record, ipam.ipv4_address.is_empty()) {
        wrong.extend(check_range(record, &ipam.ipv4_address));
    }
    if !settings.mac_address.is_empty() && settings.mac_address.parse::<MacAddress>().is_err() {
        return Err(format!("invalid MAC address {}", settings.mac_address));
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("invalid endpoint settings:\n{}", join(&wrong))) }
}

/// A given address needs a given subnet that holds it.
fn check_range(record: &Record, address: &str) -> Option<String> {
    // Docker counts the default bridge's subnet as its own choice, also when it comes from `--bip`.
    let is_given = !record.ipam.is_empty() && record.name != "bridge";
    let contains =
        |address: Ipv4Addr| record.bridge.as_ref().is_some_and(|bridge| bridge.subnet.contains(address));
    match address.parse() {
        _ if !is_given => Some(
            "user specified IP address is supported only when connecting to networks with user configured subnets"
                .to_owned(),
        ),
        Ok(parsed) if contains(parsed) => None,
        _ => Some(format!("no configured subnet or ip-range contain the IP address {address}")),
    }
}

/// What a later version brings must not be stored in silence.
fn refuse_later(mode: &str, endpoints: &BTreeMap<String, EndpointSettings>) -> Result<(), Error> {
    if mode.starts_with("container:") {
        return Ok(());
    }
    if endpoints.len() > 1 {
        return Err(later("connecting a container to several networks"));
    }
    for settings in endpoints.values() {
        let ipam = settings.ipam_config.clone().unwrap_or_default();
        let has = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
        let asked = [
            (has(&settings.aliases), "network aliases"),
            (has(&settings.links), "links"),
            (!ipam.ipv6_address.is_empty(), "IPv6 addresses"),
            (has(&ipam.link_local_ips), "link-local addresses"),
            (settings.driver_opts.as_ref().is_some_and(|map| !map.is_empty()), "endpoint driver options"),
        ];
        if let Some((_, what)) = asked.iter().find(|(asked, _)| *asked) {
            return Err(later(what));
        }
    }
    Ok(())
}

/// The lowest free address, or the one asked for.
fn choose_address(
    state: &State,
    record: &Record,
    bridge: &Bridge,
    wanted: Option<Ipv4Addr>,
) -> Result<Ipv4Addr, Error> {
    let of_lease = |held: &Held| Some(held.lease.interface.as_ref()?.address.address());
    let on_network = state.leases.values().filter(|held| held.lease.network_id == record.id);
    let mut taken: BTreeSet<Ipv4Addr> = on_network.filter_map(of_lease).collect();
    taken.insert(bridge.gateway);
    taken.extend(bridge.default_route);
    match wanted {
        Some(address)
            if taken.contains(&address) || network::addresses::lease::is_reserved(bridge.subnet, address) =>
        {
            Err(Error::new(Kind::Forbidden, "Address already in use"))
        }
        Some(address) => Ok(address),
        None => next_free(bridge.subnet, bridge.range.unwrap_or(bridge.subnet), &taken).ok_or_else(|| {
            Error::system(format!(
                "no available IPv4 addresses on this network's address pools: {} ({})",
                record.name, record.id
            ))
        }),
    }
}

/// What the supervisor shall make.
fn plan_endpoint(record: &Record, bridge: &Bridge, lease: &Lease) -> Option<EndpointPlan> {
    let interface = lease.interface.as_ref()?;
    Some(EndpointPlan {
        host_interface: interface.host_interface.clone(),
        bridge: bridge.interface.clone(),
        container_interface: format!("{}0", bridge.interface_prefix),
        mac: interface.mac,
        address: interface.address,
        gateway: (!record.internal).then(|| bridge.default_route.unwrap_or(bridge.gateway)),
        mtu: bridge.mtu,
        isolated: !bridge.inter_container,
    })
}

/// One entry of `NetworkSettings.Networks`.
fn show_endpoint(
    wish: &Wish,
    record: &Record,
    given: &EndpointSettings,
    lease: &Lease,
    plan: Option<&EndpointPlan>,
) -> EndpointSettings {
    EndpointSettings {
        ipam_config: given.ipam_config.clone(),
        links: given.links.clone(),
        aliases: given.aliases.clone(),
        driver_opts: given.driver_opts.clone(),
        gw_priority: given.gw_priority,
        mac_address: plan.map(|plan| plan.mac.to_string()).unwrap_or_default(),
        network_id: record.id.clone(),
        endpoint_id: lease.endpoint_id.clone(),
        gateway: plan.and_then(|plan| plan.gateway).map(|gateway| gateway.to_string()).unwrap_or_default(),
        ip_address: plan.map(|plan| plan.address.address().to_string()).unwrap_or_default(),
        ip_prefix_len: plan.map_or(0, |plan| plan.address.prefix().into()),
        dns_names: (!record.is_predefined()).then(|| dns_names(wish, given)),
        ..EndpointSettings::default()
    }
}

/// The names under which a container is known on a network of the user's, each once.
fn dns_names(wish: &Wish, given: &EndpointSettings) -> Vec<String> {
    let short = wish.container_id.get(..12).unwrap_or(&wish.container_id);
    let aliases = given.aliases.iter().flatten().map(String::as_str);
    let all =
        std::iter::once(wish.container_name.as_str()).chain(aliases).chain([short, wish.hostname.as_str()]);
    let mut seen = BTreeSet::new();
    all.filter(|name| !name.is_empty() && seen.insert(*name)).map(str::to_owned).collect()
}

impl Networks {
    /// The ports of all leases.
    pub(super) fn all_published(state: &State) -> Vec<PublishedPort> {
        state.leases.values().flat_map(|held| held.lease.published()).collect()
    }
}
