//! Packet rules: one nftables table per daemon, with a fixed skeleton of chains and the changing part in sets and maps.
//!
//! ```text
//!   packet from outside ─▶ guard ─▶ incoming ─▶ publish ─▶ (routing) ─▶ forwarding ─▶ arriving ─▶ outgoing ─▶ container
//!   program on the host ─▶ local ─▶ publish ─▶ (routing again) ─▶ outgoing ─▶ container
//!   container           ─▶ guard ─▶ (routing) ─▶ forwarding ─▶ outgoing ─▶ outside
//!
//!   bridges          every bridge of ours                     internal         those without a way in or out
//!   own              bridge . its subnet                      talking          bridge . bridge: containers may talk
//!   masqueraded      subnets that go out with the host's address
//!   published        host address . protocol . port  ─▶  container address . port
//!   published_any    protocol . port                 ─▶  container address . port
//! ```
//!
//! Adding or removing a network or a port changes elements only, in one transaction: it costs the same
//! with one container and with a thousand. What the table decides:
//!
//! - A connection from outside reaches a container only through a published port. Sending straight to a
//!   container's address fails, also for a port that is published.
//! - Networks do not reach each other, except through published ports.
//! - The host reaches published ports on its own addresses, `127.0.0.1` included, and so do containers,
//!   their own ports included; the container then sees its gateway as the peer.
//! - What other tables drop stays dropped; `others` lets our bridges through where that is the default policy
//!   of an iptables chain.
//! - `127.0.0.0/8` stays the host's own: nothing that comes in by an interface is sent on to a port
//!   published there, and what a container sends there is dropped.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use netlink::nftables::{self, Element, Transaction};
use netlink::wire::Messages;
use netlink::{Socket, Subsystem, conntrack, route};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::ports::number;
use crate::{Ipv4Net, NetworkError, Protocol, PublishedPort};

mod elements;
mod others;
mod skeleton;

pub use others::Blocking;

/// What the rules must know about one bridge network.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NetworkRules {
    /// The bridge's interface.
    pub bridge: String,
    /// The network's addresses.
    pub subnet: Ipv4Net,
    /// Whether traffic to the outside takes the host's address.
    pub masquerade: bool,
    /// Whether the network has no way out and none in.
    pub internal: bool,
    /// Whether its containers may talk to each other.
    pub inter_container: bool,
}

/// All the rules of one daemon.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// The bridge networks.
    pub networks: Vec<NetworkRules>,
    /// The published ports.
    pub published: Vec<PublishedPort>,
    /// Whether packets that neither come from nor go to a bridge are kept from passing through the host:
    /// wanted when it was the daemon that switched forwarding on.
    pub guard_forwarding: bool,
}

/// One daemon's nftables table. A handle: the rules are the kernel's and outlive the daemon.
#[derive(Debug, Clone)]
pub struct Firewall {
    table: String,
    sockets: Arc<Sockets>,
}

/// Sockets kept open between changes, one per concurrent caller.
///
/// Closing one after something was deleted makes the kernel finish the deletion first, which waits for a
/// grace period: 10 ms, against 0.05 ms for the change itself.
#[derive(Debug, Default)]
struct Sockets(Mutex<Vec<Socket>>);

impl Sockets {
    /// More would be idle nearly always.
    const KEPT: usize = 8;

    fn with<T>(&self, work: impl FnOnce(&mut Socket) -> Result<T, NetworkError>) -> Result<T, NetworkError> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut socket = match kept {
            Some(socket) => socket,
            None => {
                Socket::open(Subsystem::Netfilter).map_err(NetworkError::kernel("open a netfilter socket"))?
            }
        };
        let result = work(&mut socket);
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < Sockets::KEPT {
            idle.push(socket);
        }
        result
    }
}

impl Firewall {
    /// The table of this name: `gantry` for the default data root.
    pub fn new(table: impl Into<String>) -> Firewall {
        Firewall { table: table.into(), sockets: Arc::default() }
    }

    /// The table's name.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The tables of this host whose name is `prefix`, or `prefix` and a suffix behind `-`.
    pub fn list(prefix: &str) -> Result<Vec<Firewall>, NetworkError> {
        let sockets = Arc::<Sockets>::default();
        let names = sockets.with(|socket| {
            nftables::list_tables(socket).map_err(NetworkError::kernel("list nftables tables"))
        })?;
        let ours = names.into_iter().filter(|name| {
            name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        });
        Ok(ours.map(|table| Firewall { table, sockets: sockets.clone() }).collect())
    }

    /// Makes the table hold exactly these rules, in one transaction, whatever was there before.
    ///
    /// Connections that are already translated stay so: that is remembered per connection, not by the table.
    pub fn sync(&self, wanted: &Rules) -> Result<(), NetworkError> {
        let mut all = Transaction::new();
        // Deleting needs the table to be there; making it first is harmless.
        all.ensure_table(&self.table);
        all.delete_table(&self.table);
        all.ensure_table(&self.table);
        skeleton::write(&mut all, &self.table, wanted.guard_forwarding);
        for (set, elements) in elements::of_networks(&wanted.networks) {
            all.add_elements(&self.table, set, &elements);
        }
        for (set, elements) in elements::of_ports(&wanted.published) {
            all.add_elements(&self.table, set, &elements);
        }
        self.commit(all, "write the packet rules")
    }

    /// What the table holds now; `None` if there is no such table, or not all of it. Elements of a set of thousands may be
    /// missing for a moment after it has grown: the kernel lists it while it moves it to a larger table.
    pub fn read(&self) -> Result<Option<Rules>, NetworkError> {
        let found = self.sockets.with(|socket| {
            self.read_all(socket).map_err(NetworkError::kernel(format!("read table {}", self.table)))
        })?;
        Ok(found.and_then(|(guard_forwarding, sets)| {
            let (networks, published) = elements::read(&sets)?;
            Some(Rules { networks, published, guard_forwarding })
        }))
    }

    fn read_all(&self, socket: &mut Socket) -> Result<Option<(bool, elements::Elements)>, netlink::Error> {
        if !nftables::list_tables(socket)?.contains(&self.table) {
            return Ok(None);
        }
        let rules = nftables::list_rules(socket, &self.table)?;
        let Some(guard_forwarding) = skeleton::recognise(&rules) else { return Ok(None) };
        let mut sets = Vec::new();
        for set in skeleton::SETS {
            match nftables::list_elements(socket, &self.table, set.name) {
                Ok(elements) => sets.push((set.name, elements)),
                Err(error) if error.is_missing() => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some((guard_forwarding, sets)))
    }

    /// Adds a network. One that is there already stays.
    pub fn add_network(&self, network: &NetworkRules) -> Result<(), NetworkError> {
        let mut change = Transaction::new();
        for (set, elements) in elements::of_networks(std::slice::from_ref(network)) {
            change.add_elements(&self.table, set, &elements);
        }
        self.commit(change, &format!("add the packet rules of {}", network.bridge))
    }

    /// Removes a network; harmless if it is not there.
    pub fn remove_network(&self, network: &NetworkRules) -> Result<(), NetworkError> {
        let elements = elements::of_networks(std::slice::from_ref(network));
        self.delete(elements, &format!("remove the packet rules of {}", network.bridge))
    }

    /// Publishes ports: all or none. A port that leads to another container is refused.
    pub fn publish(&self, ports: &[PublishedPort]) -> Result<(), NetworkError> {
        let mut change = Transaction::new();
        for (set, elements) in elements::of_ports(ports) {
            change.add_elements(&self.table, set, &elements);
        }
        self.commit(change, "publish ports")
    }

    /// Makes the kernel forget datagram exchanges with these ports that began before they were published.
    ///
    /// Rules decide about the first packet of an exchange only. A client that goes on sending from the same port
    /// would never reach the container, or would reach the one that had the port before.
    pub fn forget_datagrams(&self, ports: &[PublishedPort]) -> Result<(), NetworkError> {
        let datagrams: Vec<_> = ports.iter().filter(|port| port.protocol == Protocol::Udp).collect();
        if datagrams.is_empty() {
            return Ok(());
        }
        let own = host_addresses()?;
        self.sockets.with(|socket| {
            for port in datagrams {
                let one = [port.host_address];
                let addresses = if port.host_address.is_unspecified() { own.as_slice() } else { &one };
                let mut out = Messages::new();
                for address in addresses {
                    conntrack::forget(&mut out, number(port.protocol), *address, port.host_port);
                }
                match socket.execute(out) {
                    // Older kernels forget by themselves, half a minute after the last datagram.
                    Err(error) if error.errno() == Some(Errno::INVAL) => {}
                    other => other.map_err(NetworkError::kernel("forget old datagram exchanges"))?,
                }
            }
            Ok(())
        })
    }

    /// Takes published ports back; harmless for those that are not there.
    pub fn unpublish(&self, ports: &[PublishedPort]) -> Result<(), NetworkError> {
        self.delete(elements::of_ports(ports), "take published ports back")
    }

    /// Removes the whole table; harmless if there is none.
    pub fn remove(&self) -> Result<(), NetworkError> {
        let mut change = Transaction::new();
        change.ensure_table(&self.table);
        change.delete_table(&self.table);
        self.commit(change, "remove the packet rules")
    }

    /// Removes elements in one transaction; if some are missing, those that are there.
    fn delete(&self, sets: elements::Elements, step: &str) -> Result<(), NetworkError> {
        self.sockets.with(|socket| self.delete_present(socket, sets).map_err(NetworkError::kernel(step)))
    }

    fn delete_present(&self, socket: &mut Socket, sets: elements::Elements) -> Result<(), netlink::Error> {
        match deletion(&self.table, &sets).commit(socket) {
            Err(error) if error.is_missing() => {}
            other => return other,
        }
        let mut present = Vec::new();
        for (set, elements) in sets {
            match nftables::list_elements(socket, &self.table, set) {
                Ok(there) => {
                    let same_key = |one: &Element| {
                        there
                            .iter()
                            .any(|other| (&other.key, other.is_range_end) == (&one.key, one.is_range_end))
                    };
                    present.push((set, elements.into_iter().filter(same_key).collect()));
                }
                Err(error) if error.is_missing() => {}
                Err(error) => return Err(error),
            }
        }
        deletion(&self.table, &present).commit(socket)
    }

    fn commit(&self, change: Transaction, step: &str) -> Result<(), NetworkError> {
        self.sockets.with(|socket| change.commit(socket).map_err(NetworkError::kernel(step)))
    }
}

/// Every IPv4 address of this host.
fn host_addresses() -> Result<Vec<Ipv4Addr>, NetworkError> {
    let listed = Socket::open(Subsystem::Route).and_then(|mut socket| route::list_addresses(&mut socket));
    let addresses = listed.map_err(NetworkError::kernel("list addresses"))?;
    Ok(addresses.into_iter().map(|found| found.address).collect())
}

fn deletion(table: &str, sets: &[(&str, Vec<Element>)]) -> Transaction {
    let mut change = Transaction::new();
    for (set, elements) in sets {
        change.delete_elements(table, set, elements);
    }
    change
}
