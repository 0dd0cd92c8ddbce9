//! Networks: the objects behind `network create/ls/inspect/rm`, and what ties a container to one.
//!
//! A container's start uses three calls, in this order, each harmless when repeated:
//!
//! ```text
//!  reserve  ── pure bookkeeping in memory: address, ports, names; gives records for the start's transaction
//!  publish  ── one nftables batch
//!  release  ── back to the pool, elements removed; gives records for the exit's transaction
//! ```

mod verbs;

use std::collections::{BTreeMap, BTreeSet};

use db::{Batch, Db};
use engine_api::StringSet;
use engine_api::container::PortMap;
use engine_api::network::EndpointSettings;
use serde::{Deserialize, Serialize};

use crate::config::NetworkConfig;
use crate::error::Error;
use crate::events::Events;

/// The networks of one daemon. Cheap to clone; calls block briefly, and never on the disk.
#[derive(Clone)]
pub(crate) struct Networks {}

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
    /// Opens the networks: default ones made, firewall in step. Blocks.
    pub(crate) fn open(_db: Db, _config: &NetworkConfig, _events: Events) -> Result<Self, Error> {
        Ok(Self {})
    }

    /// Finds address, ports and names for a container that is about to start, and the records to commit with it.
    pub(crate) fn reserve(&self, wish: &Wish) -> Result<(Reservation, Batch), Error> {
        let reservation = Reservation { hostname: format!("{}\n", wish.hostname), ..Reservation::default() };
        Ok((reservation, Batch::new()))
    }

    /// Brings bridge and published ports into the kernel, and tells that the container is connected.
    pub(crate) fn publish(&self, _container_id: &str) -> Result<(), Error> {
        Ok(())
    }

    /// Gives everything of a container back, and tells that it is disconnected. The records are for the exit's transaction.
    pub(crate) fn release(&self, _container_id: &str) -> Batch {
        Batch::new()
    }

    /// Brings leases, ports and firewall in step with the containers that run; called once, at start.
    pub(crate) fn reconcile(&self, _running: &BTreeSet<String>) -> Result<(), Error> {
        Ok(())
    }

    /// The name that `inspect` shows for a network given by name, id or prefix; nothing when there is none.
    pub(crate) fn find_name(&self, name_or_id: &str) -> Option<String> {
        ["bridge", "host", "none"].contains(&name_or_id).then(|| name_or_id.to_owned())
    }
}
