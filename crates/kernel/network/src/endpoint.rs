//! One container's place on a bridge: a veth pair, its addresses and its way out.
//!
//! ```text
//!   container:  no IPv6 for links to come
//!   host:       make the pair, near end up and on the bridge, far end born in the namespace    (one send)
//!   container:  lo up; eth0: address, up, default route                                         (one send)
//!   host:       look at the near end, so that the bridge passes packets before the first one is sent
//! ```

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use netlink::route::{self, Link, LinkAddress, PortTraits, VethPair};
use netlink::wire::Messages;
use netlink::{Socket, Subsystem, namespace};
use serde::{Deserialize, Serialize};

use crate::{Ipv4Net, MacAddress, NetworkError};

/// The number of the loopback interface in every namespace.
const LOOPBACK: u32 = 1;

/// `IF_OPER_UP` (RFC 2863).
const OPERATIONAL: u8 = 6;

/// How long the bridge may take to accept a new port before the container starts anyway.
const PORT_DEADLINE: Duration = Duration::from_millis(50);

/// Everything the kernel must be told to give a network namespace an interface on a bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointPlan {
    /// The host's end of the pair: `veth` and seven hexadecimal digits.
    pub host_interface: String,
    /// The bridge that the host's end is a port of.
    pub bridge: String,
    /// The name inside: `eth0`.
    pub container_interface: String,
    /// The hardware address inside.
    pub mac: MacAddress,
    /// The address inside, with the prefix of its network.
    pub address: Ipv4Net,
    /// The default route's next hop; none on an internal network.
    pub gateway: Option<Ipv4Addr>,
    /// The largest packet; 0 for the kernel's default.
    pub mtu: u32,
    /// Whether the bridge keeps this port from talking to other isolated ports (`enable_icc=false`).
    #[serde(default)]
    pub isolated: bool,
}

/// Gives the network namespace behind `netns` its interface and brings its loopback up.
///
/// The caller's thread visits the namespace and returns; call it only from a single-threaded process
/// or a thread of its own. A partial failure leaves nothing behind.
pub fn attach(plan: &EndpointPlan, netns: BorrowedFd<'_>) -> Result<(), NetworkError> {
    let mut host = open_route()?;
    let bridge = route::find_link(&mut host, &plan.bridge)
        .map_err(NetworkError::kernel(format!("look up bridge {}", plan.bridge)))?
        .ok_or_else(|| NetworkError::NoBridge(plan.bridge.clone()))?;
    let links_to_come = visit(netns, LinksToCome::disable_ipv6)??;
    create_pair(&mut host, plan, bridge.index, netns)?;
    drop(links_to_come);
    let rest = configure_inside(plan, netns).and_then(|()| open_port(&mut host, plan));
    if rest.is_err() {
        // The pair is ours and has no other user; the first failure is the one to tell.
        let _ = remove_pair(&mut host, &plan.host_interface);
    }
    rest
}

fn open_route() -> Result<Socket, NetworkError> {
    Socket::open(Subsystem::Route).map_err(NetworkError::kernel("open a netlink socket"))
}

fn create_pair(
    host: &mut Socket,
    plan: &EndpointPlan,
    bridge: u32,
    netns: BorrowedFd<'_>,
) -> Result<(), NetworkError> {
    let mut out = Messages::new();
    route::create_veth(
        &mut out,
        &VethPair {
            name: &plan.host_interface,
            master: bridge,
            peer_name: &plan.container_interface,
            peer_address: plan.mac.octets(),
            peer_namespace: netns,
            mtu: plan.mtu,
        },
    );
    // With br_netfilter a container's packet to its own published port turns round inside the bridge.
    route::set_port_traits(
        &mut out,
        &plan.host_interface,
        PortTraits { hairpin: true, isolated: plan.isolated },
    );
    host.execute(out).map_err(|cause| {
        let made = !matches!(cause, netlink::Error::Refused { position: 0, .. });
        if made {
            let _ = remove_pair(host, &plan.host_interface);
        }
        NetworkError::kernel(format!("create {} on {}", plan.host_interface, plan.bridge))(cause)
    })
}

fn remove_pair(host: &mut Socket, name: &str) -> Result<(), netlink::Error> {
    let mut out = Messages::new();
    route::delete_link(&mut out, name);
    match host.execute(out) {
        Err(error) if error.is_missing() => Ok(()),
        other => other,
    }
}

fn configure_inside(plan: &EndpointPlan, netns: BorrowedFd<'_>) -> Result<(), NetworkError> {
    let name = &plan.container_interface;
    visit(netns, || {
        let mut inside = open_route()?;
        let link = route::find_link(&mut inside, name)
            .map_err(NetworkError::kernel(format!("look up {name} in the container")))?
            .ok_or_else(|| NetworkError::Lost(name.clone()))?;
        let mut out = Messages::new();
        route::set_up(&mut out, LOOPBACK);
        let address =
            LinkAddress { index: link.index, address: plan.address.address(), prefix: plan.address.prefix() };
        route::add_address(&mut out, &address);
        route::set_up(&mut out, link.index);
        if let Some(gateway) = plan.gateway {
            route::add_default_route(&mut out, gateway, link.index);
        }
        inside.execute(out).map_err(NetworkError::kernel(format!("configure {name} in the container")))
    })?
}

fn visit<T>(netns: BorrowedFd<'_>, work: impl FnOnce() -> T) -> Result<T, NetworkError> {
    namespace::visit(netns, work).map_err(NetworkError::system("enter the container's network namespace"))
}

/// A network without IPv6 gives its containers no link-local address either. What is asked of a link that exists waits for
/// the kernel's lock of all links, against whatever is being created or cleaned up at the time; what new links are born
/// with does not (Linux 6.9), and is put back when this is dropped.
struct LinksToCome {
    /// None where the kernel has no IPv6.
    disable_ipv6: Option<File>,
}

impl LinksToCome {
    /// The calling thread must be inside the namespace: `/proc/sys/net` shows the reader's own.
    fn disable_ipv6() -> Result<Self, NetworkError> {
        const PATH: &str = "/proc/sys/net/ipv6/conf/default/disable_ipv6";
        let failed = NetworkError::system(format!("write {PATH}"));
        match OpenOptions::new().write(true).open(PATH) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self { disable_ipv6: None }),
            Err(error) => Err(failed(error)),
            Ok(mut file) => match file.write_all(b"1\n") {
                Ok(()) => Ok(Self { disable_ipv6: Some(file) }),
                Err(error) => Err(failed(error)),
            },
        }
    }
}

impl Drop for LinksToCome {
    fn drop(&mut self) {
        // A namespace that is gone takes it along.
        let _ = self.disable_ipv6.as_ref().map(|file| file.write_all_at(b"0\n", 0));
    }
}

/// Waits until the bridge passes the new port's packets, and tells it which address is behind the port.
///
/// A port opens when the kernel has noticed the carrier, and a bridge without open ports has none itself;
/// the kernel notices in the background. A packet sent before is lost, and the sender tries again only after
/// a second. Asking for a link makes the kernel notice at once (Linux 6.9); older ones are asked again for a while.
fn open_port(host: &mut Socket, plan: &EndpointPlan) -> Result<(), NetworkError> {
    let started = Instant::now();
    let mut look = |name: &str, is_ready: fn(&Link) -> bool| loop {
        let link = route::find_link(host, name)
            .map_err(NetworkError::kernel(format!("look up {name}")))?
            .ok_or_else(|| NetworkError::Lost(name.to_owned()))?;
        if is_ready(&link) || started.elapsed() > PORT_DEADLINE {
            return Ok(link.index);
        }
        std::thread::sleep(Duration::from_micros(200));
    };
    let port = look(&plan.host_interface, |link| link.is_forwarding != Some(false))?;
    look(&plan.bridge, |link| link.operational_state == OPERATIONAL)?;
    // The address may have belonged to a container whose port is still being taken down.
    let mut out = Messages::new();
    route::move_to_port(&mut out, plan.mac.octets(), port);
    host.execute(out).map_err(NetworkError::kernel(format!("register {} on {}", plan.mac, plan.bridge)))
}

/// The network namespace of the calling thread.
pub fn own_namespace() -> std::io::Result<std::os::fd::OwnedFd> {
    namespace::current()
}

/// Brings the loopback interface of `netns` up: all that mode `none` has. Visits like [`attach`].
pub fn loopback_up(netns: BorrowedFd<'_>) -> Result<(), NetworkError> {
    visit(netns, || {
        let mut out = Messages::new();
        route::set_up(&mut out, LOOPBACK);
        open_route()?.execute(out).map_err(NetworkError::kernel("bring the loopback interface up"))
    })?
}

/// Silences the host's end of an endpoint whose container has ended, without waiting for the kernel to
/// remove the pair (it does so when the namespace goes). Does nothing if the pair is gone already.
///
/// Until then the old namespace would still answer for its address, which may have a new owner by now.
pub fn retire(plan: &EndpointPlan) -> Result<(), NetworkError> {
    let mut out = Messages::new();
    route::disable_port(&mut out, &plan.host_interface);
    match open_route()?.execute(out) {
        Err(error) if error.is_missing() => Ok(()),
        other => other.map_err(NetworkError::kernel(format!("silence {}", plan.host_interface))),
    }
}

/// Removes the pair of an endpoint, wherever its far end is; does nothing if there is none.
/// Takes tens of milliseconds: for repair, never for a container's ordinary end.
pub fn remove(host_interface: &str) -> Result<(), NetworkError> {
    remove_pair(&mut open_route()?, host_interface)
        .map_err(NetworkError::kernel(format!("remove {host_interface}")))
}
