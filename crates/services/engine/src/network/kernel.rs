//! Bridges and rules: bringing what is recorded into the kernel, and taking it back.

use std::collections::{BTreeMap, BTreeSet};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use db::Batch;
use engine_api::StringMap;
use network::{
    BridgePlan, Firewall, HeldPort, Ipv4Net, NetworkError, PublishedPort, Rules, bridge, endpoint, names,
};

use super::default::{self, Surroundings};
use super::record::{Bridge, Driver, Interface, LEASES, NETWORKS, Record};
use super::{Held, Networks};
use crate::error::Error;
use crate::names::random_id;

/// The nftables tables of all daemons on this host begin so.
const TABLE: &str = "gantry";
/// The data root whose daemon's table has no suffix.
const DEFAULT_ROOT: &str = "/var/lib/gantry";

/// The table of the daemon with this data root.
pub(super) fn table_name(root: &Path) -> String {
    if root == Path::new(DEFAULT_ROOT) {
        return TABLE.to_owned();
    }
    // FNV-1a: the name must be the same at every start, and differ between the few daemons of one host.
    let hash = root.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{TABLE}-{:08x}", hash >> 32)
}

/// A daemon's claim on its default bridge: an abstract socket, which is one per network namespace and goes
/// with the process, however it ends.
#[derive(Debug)]
pub(super) struct Claim {
    _socket: UnixDatagram,
}

impl Claim {
    fn take(interface: &str) -> Result<Claim, Error> {
        let bound = SocketAddr::from_abstract_name(format!("gantry/bridge/{interface}"))
            .and_then(|address| UnixDatagram::bind_addr(&address));
        match bound {
            Ok(socket) => Ok(Claim { _socket: socket }),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(Error::conflict(format!(
                "bridge {interface} belongs to another daemon that runs on this host"
            ))
            .with_hint("give this daemon a bridge of its own with --bridge")),
            Err(error) => Err(Error::from_cause(format!("cannot claim bridge {interface}"), &error)),
        }
    }
}

fn failed(what: &str) -> impl FnOnce(NetworkError) -> Error {
    move |error| Error::from_cause(what, &error)
}

fn bridge_plan(bridge: &Bridge) -> BridgePlan {
    BridgePlan {
        name: bridge.interface.clone(),
        address: bridge.subnet.with_address(bridge.gateway),
        mtu: bridge.mtu,
    }
}

impl Networks {
    /// The host's own networks, those on `except` left out, and its name servers.
    pub(super) fn host_networks(&self, except: Option<&str>) -> Result<Vec<Ipv4Net>, Error> {
        let found = bridge::host_networks().map_err(failed("cannot list the host's networks"))?;
        let own: BTreeSet<String> = {
            let state = self.state();
            state.all().filter_map(|record| Some(record.bridge.as_ref()?.interface.clone())).collect()
        };
        // A bridge of ours counts by its record: what an earlier daemon left on it does not.
        let others = found
            .into_iter()
            .filter(|(interface, _)| Some(interface.as_str()) != except && !own.contains(interface));
        let mut all: Vec<Ipv4Net> = others.map(|(_, net)| net).collect();
        let resolv = std::fs::read_to_string(names::RESOLV_CONF).unwrap_or_default();
        all.extend(names::name_servers(&resolv).into_iter().filter_map(|server| match server {
            std::net::IpAddr::V4(address) => Ipv4Net::new(address, 32),
            std::net::IpAddr::V6(_) => None,
        }));
        Ok(all)
    }

    /// Whether a network's bridge is not there yet, so that it will be ours to remove.
    pub(super) fn is_missing(&self, wanted: &Bridge) -> Result<bool, Error> {
        let there = bridge::is_there(&wanted.interface).map_err(failed("cannot look up the bridge"))?;
        Ok(!there)
    }

    /// Makes a network's bridge and its rules; on failure neither stays.
    pub(super) fn raise(&self, record: &Record) -> Result<(), Error> {
        let Some(wanted) = &record.bridge else { return Ok(()) };
        bridge::ensure_bridge(&bridge_plan(wanted)).map_err(failed("cannot set up the bridge"))?;
        if let Err(error) = self.add_rules(record) {
            if wanted.is_ours {
                let _ = bridge::remove_bridge(&wanted.interface);
            }
            return Err(error);
        }
        Ok(())
    }

    fn add_rules(&self, record: &Record) -> Result<(), Error> {
        let (Some(firewall), Some(rules)) = (&self.inner.firewall, record.rules()) else { return Ok(()) };
        match firewall.add_network(&rules) {
            // Someone flushed the rules: everything is written again, this network included.
            Err(error) if error.is_missing() => return self.write_rules(),
            other => other.map_err(failed("cannot write the network's packet rules"))?,
        }
        self.admit(None);
        Ok(())
    }

    /// Lets the packets of our bridges, `except` one that goes, pass other tables. A failure is told in the log:
    /// what the others drop is theirs to decide.
    fn admit(&self, except: Option<&str>) {
        let Some(firewall) = &self.inner.firewall else { return };
        let bridges: Vec<String> = {
            let state = self.state();
            let all = state.all().filter(|record| Some(record.id.as_str()) != except);
            all.filter_map(|record| Some(record.bridge.as_ref()?.interface.clone())).collect()
        };
        match firewall.admit(&bridges) {
            Ok(blocking) => {
                for chain in blocking {
                    tracing::warn!(
                        table = chain.table,
                        chain = chain.chain,
                        "packet rules of this host drop what passes through it: containers may not reach the outside"
                    );
                }
            }
            Err(error) => {
                tracing::warn!(error = crate::error::chain(&error), "containers may not reach the outside");
            }
        }
    }

    /// Removes a network's rules and bridge. What fails is told in the log: nothing refers to it any more, and
    /// the next start writes the rules anew.
    pub(super) fn lower(&self, record: &Record) {
        let Some(wanted) = &record.bridge else { return };
        let tell = |error: &NetworkError, what: &str| {
            tracing::warn!(network = record.name, error = crate::error::chain(error), "{what} stay");
        };
        if let (Some(firewall), Some(rules)) = (&self.inner.firewall, record.rules())
            && let Err(error) = firewall.remove_network(&rules)
        {
            tell(&error, "packet rules");
        }
        self.admit(Some(&record.id));
        if wanted.is_ours
            && let Err(error) = bridge::remove_bridge(&wanted.interface)
        {
            tell(&error, "the bridge and its ports");
        }
    }

    /// Makes the bridge again if somebody removed it.
    pub(super) fn ensure_bridge(&self, record: &Record) -> Result<(), Error> {
        let Some(wanted) = &record.bridge else { return Ok(()) };
        if bridge::is_there(&wanted.interface).map_err(failed("cannot look up the bridge"))? {
            return Ok(());
        }
        tracing::warn!(
            network = record.name,
            bridge = wanted.interface,
            "the bridge was gone; making it again"
        );
        bridge::ensure_bridge(&bridge_plan(wanted)).map_err(failed("cannot set up the bridge"))
    }

    /// Publishes ports.
    pub(super) fn open_ports(&self, ports: &[PublishedPort]) -> Result<(), Error> {
        let Some(firewall) = self.inner.firewall.as_ref().filter(|_| !ports.is_empty()) else {
            return Ok(());
        };
        match firewall.publish(ports) {
            // Someone flushed the rules: everything is written again, these ports included.
            Err(error) if error.is_missing() => self.write_rules()?,
            other => other.map_err(failed("cannot publish the ports"))?,
        }
        firewall.forget_datagrams(ports).map_err(failed("cannot publish the ports"))
    }

    /// Takes published ports back.
    pub(super) fn close_ports(&self, ports: &[PublishedPort]) {
        let Some(firewall) = self.inner.firewall.as_ref().filter(|_| !ports.is_empty()) else { return };
        if let Err(error) = firewall.unpublish(ports)
            && !error.is_missing()
        {
            tracing::warn!(error = crate::error::chain(&error), "published ports stay in the packet rules");
        }
    }

    /// Lets the host's end of a pair fall silent; its address is about to be somebody else's.
    pub(super) fn silence(&self, record: Option<&Record>, interface: &Interface) {
        let Some(wanted) = record.and_then(|record| record.bridge.as_ref()) else { return };
        let plan = network::EndpointPlan {
            host_interface: interface.host_interface.clone(),
            bridge: wanted.interface.clone(),
            container_interface: String::new(),
            mac: interface.mac,
            address: interface.address,
            gateway: None,
            mtu: 0,
            isolated: false,
        };
        if let Err(error) = endpoint::retire(&plan) {
            tracing::warn!(error = crate::error::chain(&error), "an interface of an ended container stays");
        }
    }

    /// Writes all rules anew, whatever is there.
    fn write_rules(&self) -> Result<(), Error> {
        let Some(firewall) = &self.inner.firewall else { return Ok(()) };
        let wanted = {
            let state = self.state();
            Rules {
                networks: state.all().filter_map(|record| record.rules()).collect(),
                published: Networks::all_published(&state),
                guard_forwarding: self.inner.forwarding_mark.exists(),
            }
        };
        firewall.sync(&wanted).map_err(failed("cannot write the packet rules"))?;
        self.admit(None);
        Ok(())
    }

    /// Brings leases, ports, bridges and firewall in step with the containers that run; called once, at start.
    pub(crate) fn reconcile(&self, running: &BTreeSet<String>) -> Result<(), Error> {
        let batch = self.drop_leases(running).and(self.ensure_predefined()?);
        if !batch.is_empty() {
            let committed = self.inner.db.commit(batch);
            committed.map_err(|error| Error::from_cause("cannot record the networks", &error))?;
        }
        self.hold_ports();
        self.take_over_tables()?;
        self.enable_forwarding()?;
        let records: Vec<Arc<Record>> = self.state().networks.values().cloned().collect();
        for record in &records {
            let Some(wanted) = &record.bridge else { continue };
            let raised = bridge::ensure_bridge(&bridge_plan(wanted));
            match raised {
                Ok(()) => {}
                // A network of the user's that cannot be raised is told when a container comes; the rest works.
                Err(error) if !record.is_predefined() => {
                    tracing::warn!(network = record.name, error = crate::error::chain(&error), "no bridge");
                }
                Err(error) => {
                    return Err(failed("cannot set up the default bridge")(error));
                }
            }
        }
        self.write_rules()
            .map_err(|error| error.with_hint("--iptables=false runs the daemon without packet rules"))
    }

    /// Forgets the leases of containers that do not run.
    fn drop_leases(&self, running: &BTreeSet<String>) -> Batch {
        let mut state = self.state();
        let all = std::mem::take(&mut state.leases);
        let (kept, dropped): (BTreeMap<_, Held>, BTreeMap<_, Held>) =
            all.into_iter().partition(|(id, _)| running.contains(id));
        state.leases = kept;
        drop(state);
        dropped.keys().fold(Batch::new(), |batch, id| batch.delete(LEASES, id))
    }

    /// Takes the ports of running containers again.
    fn hold_ports(&self) {
        let mut state = self.state();
        let published = Networks::all_published(&state);
        for (port, error) in state.ports.restore(&published, HeldPort::bind) {
            tracing::warn!(%port, %error, "a program took the port of a running container, which keeps its packets");
        }
    }

    /// Makes the networks that are always there, and fits the default bridge to the daemon's options. Containers
    /// that run keep what they have.
    fn ensure_predefined(&self) -> Result<Batch, Error> {
        let config = &self.inner.config;
        let mut batch = Batch::new();
        for (name, driver) in [("none", Driver::Null), ("host", Driver::Host)] {
            if self.predefined(name).is_none() {
                batch = batch.and(self.adopt(new_record(name, driver)?));
            }
        }
        let known = self.predefined("bridge");
        if !default::is_wanted(config) {
            return Ok(match known {
                Some(known) => {
                    self.state().networks.remove(&known.id);
                    self.lower(&known);
                    batch.delete(NETWORKS, &known.id)
                }
                None => batch,
            });
        }
        let interface = default::interface(config);
        let claim = Claim::take(interface)?;
        let _ = self.inner.claim.set(claim);
        let in_use = known.as_ref().is_some_and(|known| !self.state().users_of(&known.id).is_empty());
        if in_use {
            return Ok(batch);
        }
        let mut record = match &known {
            Some(known) => (**known).clone(),
            None => new_record("bridge", Driver::Bridge)?,
        };
        let mut bridge = default::plan(config, &self.surroundings(&record, interface)?)?;
        // We may remove what we made, also if it was an earlier daemon of this root that made it.
        bridge.is_ours |= record.bridge.as_ref().is_some_and(|old| old.interface == interface && old.is_ours);
        record.options = default::shown_options(&bridge);
        record.ipam = vec![default::shown_ipam(&bridge)];
        record.bridge = Some(bridge);
        if known.as_deref() == Some(&record) { Ok(batch) } else { Ok(batch.and(self.adopt(record))) }
    }

    fn surroundings(&self, record: &Record, interface: &str) -> Result<Surroundings, Error> {
        let addresses =
            bridge::bridge_addresses(interface).map_err(failed("cannot look up the default bridge"))?;
        // Only what the user gave the bridge counts: our own old address follows the options.
        let old = record.bridge.as_ref().filter(|old| old.interface == interface && old.is_ours);
        let own = old.map(|old| old.subnet.with_address(old.gateway));
        let given = self.inner.config.bip.is_some();
        if given && let Some(own) = own {
            bridge::remove_address(interface, own)
                .map_err(failed("cannot change the default bridge's address"))?;
        }
        let mut used = self.host_networks(Some(interface))?;
        let state = self.state();
        let others = state.all().filter(|other| other.id != record.id);
        used.extend(others.filter_map(|other| other.bridge.as_ref()).map(|bridge| bridge.subnet));
        Ok(Surroundings { addresses, used })
    }

    fn predefined(&self, name: &str) -> Option<Arc<Record>> {
        self.state().networks.values().find(|record| record.name == name).cloned()
    }

    /// Makes a record visible; the batch makes it durable.
    fn adopt(&self, record: Record) -> Batch {
        let batch = Batch::new().put_json(NETWORKS, &record.id, &record);
        self.state().networks.insert(record.id.clone(), Arc::new(record));
        batch
    }

    /// Removes the tables of daemons that are gone but had our default bridge: their rules would decide first.
    fn take_over_tables(&self) -> Result<(), Error> {
        let Some(own) = &self.inner.firewall else { return Ok(()) };
        let interface = default::interface(&self.inner.config);
        let tables = Firewall::list(TABLE).map_err(failed("cannot list the packet rules"))?;
        for other in tables.iter().filter(|other| other.table() != own.table()) {
            let rules = other.read().map_err(failed("cannot read the packet rules"))?.unwrap_or_default();
            if default::is_wanted(&self.inner.config)
                && rules.networks.iter().any(|network| network.bridge == interface)
            {
                tracing::warn!(table = other.table(), "removing the packet rules of a daemon that is gone");
                other.remove().map_err(failed("cannot remove old packet rules"))?;
            }
        }
        Ok(())
    }

    fn enable_forwarding(&self) -> Result<(), Error> {
        if !self.inner.config.ip_forward {
            return Ok(());
        }
        let was_off = bridge::enable_forwarding().map_err(failed("cannot enable forwarding"))?;
        if was_off && let Err(error) = std::fs::write(&self.inner.forwarding_mark, "") {
            return Err(Error::from_cause("cannot note that forwarding was off", &error));
        }
        Ok(())
    }
}

fn new_record(name: &str, driver: Driver) -> Result<Record, Error> {
    let id = random_id().map_err(|error| Error::from_cause("cannot make an id", &error))?;
    Ok(Record {
        id,
        name: name.to_owned(),
        created: SystemTime::now(),
        driver,
        internal: false,
        labels: StringMap::new(),
        options: StringMap::new(),
        ipam_options: None,
        ipam: Vec::new(),
        bridge: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_data_root_has_a_table_of_its_own() {
        assert_eq!(table_name(Path::new("/var/lib/gantry")), "gantry");
        let (one, other) = (table_name(Path::new("/one")), table_name(Path::new("/two")));
        assert!(one.starts_with("gantry-") && one.len() == 15 && one != other);
    }
}
