//! Networks: the objects behind `network create/ls/inspect/rm`, and what ties a container to one.
//!
//! A container's start uses three calls, in this order, each harmless when repeated:
//!
//! ```text
//!  reserve  ── pure bookkeeping in memory: address, ports, names; gives records for the start's transaction
//!  publish  ── one nftables batch
//!  release  ── back to the pool, elements removed; gives records for the exit's transaction
//! ```

mod create;
mod default;
mod endpoint;
mod files;
mod kernel;
mod list;
mod lookup;
mod options;
mod ports;
mod record;
mod remove;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use ::network::ports::{DEFAULT_DYNAMIC_PORTS, parse_dynamic_ports};
use ::network::{Firewall, Ipv4Net, PortTable};
use db::Db;
use engine_api::container::PortMap;
use engine_api::network::EndpointSettings;
use engine_api::{StringMap, StringSet};
use serde::{Deserialize, Serialize};

use self::record::{LEASES, Lease, NETWORKS, Record};
use crate::config::{EngineConfig, NetworkConfig};
use crate::error::Error;
use crate::events::{Events, Subject};

/// The networks of one daemon. Cheap to clone; calls block briefly, and never on the disk.
#[derive(Clone)]
pub(crate) struct Networks {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    events: Events,
    config: NetworkConfig,
    /// Absent with `--iptables=false`.
    firewall: Option<Firewall>,
    /// Lies in the exec root while it was us who switched the host's forwarding on.
    forwarding_mark: PathBuf,
    /// Whether the kernel knows IPv6.
    ipv6: bool,
    /// Keeps other daemons away from our default bridge.
    claim: OnceLock<kernel::Claim>,
    /// A value for a few lines at a time; no system call under it but the binding of a port, which never waits.
    state: Mutex<State>,
}

/// What is true now. Leases and ports follow the running containers; networks follow the record.
struct State {
    networks: BTreeMap<String, Arc<Record>>,
    /// Being made or removed: their names, subnets and bridges are taken.
    pending: BTreeMap<String, Arc<Record>>,
    /// By the container's id.
    leases: BTreeMap<String, Held>,
    ports: PortTable,
}

/// A lease in use.
struct Held {
    lease: Lease,
    /// Whether its ports are in the kernel and its event was told.
    is_connected: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            networks: BTreeMap::new(),
            pending: BTreeMap::new(),
            leases: BTreeMap::new(),
            ports: PortTable::new(DEFAULT_DYNAMIC_PORTS),
        }
    }
}

impl State {
    /// Every network that takes up a name or a subnet.
    fn all(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.networks.values().chain(self.pending.values())
    }

    fn subnets(&self) -> impl Iterator<Item = Ipv4Net> {
        self.all().filter_map(|record| record.bridge.as_ref()).map(|bridge| bridge.subnet)
    }

    /// The containers on a network: name and endpoint.
    fn users_of(&self, network: &str) -> Vec<(String, String)> {
        let leases = self.leases.values().map(|held| &held.lease).filter(|lease| lease.network_id == network);
        leases.map(|lease| (lease.container_name.clone(), lease.endpoint_id.clone())).collect()
    }
}

/// What a container wants of the network when it starts.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) container_id: String,
    /// Without the slash.
    pub(crate) container_name: String,
    /// `HostConfig.NetworkMode`: `bridge`, `none`, `host`, or a network's name or id.
    pub(crate) mode: String,
    /// `NetworkingConfig.EndpointsConfig` as given, by network name.
    pub(crate) endpoints: BTreeMap<String, EndpointSettings>,
    pub(crate) hostname: String,
    pub(crate) domainname: String,
    pub(crate) exposed: StringSet,
    pub(crate) bindings: PortMap,
    pub(crate) publish_all: bool,
    pub(crate) dns: Vec<String>,
    pub(crate) dns_search: Vec<String>,
    pub(crate) dns_options: Vec<String>,
    pub(crate) extra_hosts: Vec<String>,
}

/// What was found for a [`Wish`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reservation {
    /// For the shim; absent for `none` and `host`.
    pub(crate) plan: Option<network::EndpointPlan>,
    /// `NetworkSettings.Networks` as `inspect` shows it.
    pub(crate) networks: BTreeMap<String, EndpointSettings>,
    /// `NetworkSettings.Ports` as `inspect` shows it, with the host ports taken.
    pub(crate) ports: PortMap,
    /// `NetworkSettings.SandboxID`; the key is `/var/run/docker/netns/` and its first 12 digits.
    pub(crate) sandbox_id: String,
    pub(crate) hosts: String,
    pub(crate) hostname: String,
    pub(crate) resolv_conf: String,
}

impl Networks {
    /// Reads what is recorded. Nothing is in the kernel before [`reconcile`](Self::reconcile). Blocks.
    pub(crate) fn open(db: Db, config: &EngineConfig, events: Events) -> Result<Self, Error> {
        let unreadable = |error: db::DbError| Error::from_cause("cannot read the networks", &error);
        let networks = db.scan_json::<Record>(NETWORKS).map_err(unreadable)?;
        let leases = db.scan_json::<Lease>(LEASES).map_err(unreadable)?;
        let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
        let state = State {
            networks: networks.into_iter().map(|(id, record)| (id, Arc::new(record))).collect(),
            pending: BTreeMap::new(),
            leases: leases.into_iter().map(|(id, lease)| (id, Held { lease, is_connected: true })).collect(),
            ports: PortTable::new(parse_dynamic_ports(&range).unwrap_or(DEFAULT_DYNAMIC_PORTS)),
        };
        let inner = Inner {
            db,
            events,
            config: config.network.clone(),
            firewall: config.network.firewall.then(|| Firewall::new(kernel::table_name(&config.data_root))),
            forwarding_mark: config.exec_root.join("forwarding"),
            ipv6: Path::new("/proc/net/if_inet6").exists(),
            claim: OnceLock::new(),
            state: Mutex::new(state),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells what happened to a network, and to which container on it.
    fn announce(&self, record: &Record, action: &str, container: Option<&str>) {
        let mut attributes = StringMap::from([
            ("name".to_owned(), record.name.clone()),
            ("type".to_owned(), record.driver.name().to_owned()),
        ]);
        if let Some(container) = container {
            attributes.insert("container".to_owned(), container.to_owned());
        }
        self.inner.events.publish(Subject::Network, action, record.id.clone(), attributes);
    }
}

#[cfg(test)]
mod tests;
