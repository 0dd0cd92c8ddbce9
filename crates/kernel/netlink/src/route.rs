//! rtnetlink: links, addresses, routes and neighbours. `rtnetlink(7)`, `linux/if_link.h`.

mod migrate;

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::wire::{self, ACK, Attributes, Body, CREATE, DUMP, EXCLUSIVE, Messages, REPLACE};
use crate::{Error, Socket};

pub use migrate::{MoveError, move_link};

const NEWLINK: u16 = 16;
const DELLINK: u16 = 17;
const GETLINK: u16 = 18;
const SETLINK: u16 = 19;
const NEWADDR: u16 = 20;
const DELADDR: u16 = 21;
const GETADDR: u16 = 22;
const NEWROUTE: u16 = 24;
const GETROUTE: u16 = 26;
const NEWNEIGH: u16 = 28;

const AF_INET: u8 = 2;
const AF_BRIDGE: u8 = 7;

const IFF_UP: u32 = 1;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_NUM_TX_QUEUES: u16 = 31;
const IFLA_NUM_RX_QUEUES: u16 = 32;

const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
const VETH_INFO_PEER: u16 = 1;

const IFLA_BRPORT_STATE: u16 = 1;
const IFLA_BRPORT_MODE: u16 = 4;
const IFLA_BRPORT_FLUSH: u16 = 24;
const IFLA_BRPORT_ISOLATED: u16 = 33;

/// Leaves counters out of the kernel's answer.
const SKIP_STATISTICS: u32 = 8;

/// What a bridge does with a port's packets: nothing at all.
const PORT_DISABLED: u8 = 0;
/// What a bridge does with a port's packets: passes them on.
const PORT_FORWARDING: u8 = 3;

/// An interface as the kernel describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// Its number in its namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// `veth`, `bridge`…; empty for hardware.
    pub kind: String,
    /// Its hardware address.
    pub address: Vec<u8>,
    /// Its largest packet.
    pub mtu: u32,
    /// The interface that it is a port of; 0 for none.
    pub master: u32,
    /// Whether it is switched on.
    pub is_up: bool,
    /// The kernel's operational state (RFC 2863): 6 is up.
    pub operational_state: u8,
    /// Whether its bridge passes its packets on; `None` if it is no bridge port.
    pub is_forwarding: Option<bool>,
}

impl Link {
    fn read(body: &[u8]) -> Option<Link> {
        let index = u32::from_ne_bytes(body.get(4..8)?.try_into().ok()?);
        let flags = u32::from_ne_bytes(body.get(8..12)?.try_into().ok()?);
        let attributes = Attributes::of(body, 16);
        let info = attributes.nested(IFLA_LINKINFO);
        let is_port = info.text(IFLA_INFO_SLAVE_KIND) == Some("bridge");
        let state = info.nested(IFLA_INFO_SLAVE_DATA).u8(IFLA_BRPORT_STATE);
        Some(Link {
            index,
            name: attributes.text(IFLA_IFNAME)?.to_owned(),
            kind: info.text(IFLA_INFO_KIND).unwrap_or_default().to_owned(),
            address: attributes.get(IFLA_ADDRESS).unwrap_or_default().to_owned(),
            mtu: attributes.u32(IFLA_MTU).unwrap_or_default(),
            master: attributes.u32(IFLA_MASTER).unwrap_or_default(),
            is_up: flags & IFF_UP != 0,
            operational_state: attributes.u8(IFLA_OPERSTATE).unwrap_or_default(),
            is_forwarding: is_port.then(|| state == Some(PORT_FORWARDING)),
        })
    }
}

/// The two ends of a veth pair to be made.
#[derive(Debug, Clone, Copy)]
pub struct VethPair<'a> {
    /// The near end's name.
    pub name: &'a str,
    /// The near end's bridge, by index; 0 for none.
    pub master: u32,
    /// The far end's name.
    pub peer_name: &'a str,
    /// The far end's hardware address.
    pub peer_address: [u8; 6],
    /// The namespace in which the far end is born.
    pub peer_namespace: BorrowedFd<'a>,
    /// The largest packet of both ends; 0 for the kernel's default.
    pub mtu: u32,
}

/// How a bridge treats one port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PortTraits {
    /// Packets may leave by the port they came in on.
    pub hairpin: bool,
    /// No packets to or from other isolated ports.
    pub isolated: bool,
}

/// `struct ifinfomsg`.
fn link_header(body: &mut Body<'_>, family: u8, index: u32, flags: u32, change: u32) {
    let mut header = [0; 16];
    header[0] = family;
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header[12..16].copy_from_slice(&change.to_ne_bytes());
    body.raw(&header);
}

fn mtu(body: &mut Body<'_>, mtu: u32) {
    if mtu != 0 {
        body.u32(IFLA_MTU, mtu);
    }
}

/// The size of one end of a pair. Without the numbers it gets a queue, with objects in sysfs, per processor:
/// dearer to make (0.7 ms instead of 0.8 on two processors), and of use to XDP only.
fn size(body: &mut Body<'_>, largest: u32) {
    mtu(body, largest);
    body.u32(IFLA_NUM_TX_QUEUES, 1);
    body.u32(IFLA_NUM_RX_QUEUES, 1);
}

/// Adds: make a veth pair, the near end up and on its bridge, the far end inside its namespace.
pub fn create_veth(out: &mut Messages, pair: &VethPair<'_>) {
    out.add(NEWLINK, CREATE | EXCLUSIVE | ACK, |m| {
        link_header(m, 0, 0, IFF_UP, IFF_UP);
        m.text(IFLA_IFNAME, pair.name);
        size(m, pair.mtu);
        m.u32(IFLA_MASTER, pair.master);
        m.nest(IFLA_LINKINFO, |info| {
            info.text(IFLA_INFO_KIND, "veth");
            info.nest(IFLA_INFO_DATA, |data| {
                data.nest(VETH_INFO_PEER, |peer| {
                    link_header(peer, 0, 0, 0, 0);
                    peer.text(IFLA_IFNAME, pair.peer_name);
                    peer.bytes(IFLA_ADDRESS, &pair.peer_address);
                    size(peer, pair.mtu);
                    peer.u32(IFLA_NET_NS_FD, pair.peer_namespace.as_raw_fd().cast_unsigned());
                });
            });
        });
    });
}

/// Adds: make a bridge, not yet up.
pub fn create_bridge(out: &mut Messages, name: &str, address: [u8; 6], size: u32) {
    out.add(NEWLINK, CREATE | EXCLUSIVE | ACK, |m| {
        link_header(m, 0, 0, 0, 0);
        m.text(IFLA_IFNAME, name);
        m.bytes(IFLA_ADDRESS, &address);
        mtu(m, size);
        m.nest(IFLA_LINKINFO, |info| info.text(IFLA_INFO_KIND, "bridge"));
    });
}

/// Adds: switch the interface on.
pub fn set_up(out: &mut Messages, index: u32) {
    out.add(SETLINK, ACK, |m| link_header(m, 0, index, IFF_UP, IFF_UP));
}

/// Adds: set the largest packet.
pub fn set_mtu(out: &mut Messages, index: u32, size: u32) {
    out.add(SETLINK, ACK, |m| {
        link_header(m, 0, index, 0, 0);
        m.u32(IFLA_MTU, size);
    });
}

/// Adds: set the hardware address.
pub fn set_address(out: &mut Messages, index: u32, address: [u8; 6]) {
    out.add(SETLINK, ACK, |m| {
        link_header(m, 0, index, 0, 0);
        m.bytes(IFLA_ADDRESS, &address);
    });
}

/// Adds: change what the bridge does with the port of this name. Only this form of the message takes a name.
fn change_port(out: &mut Messages, name: &str, write: impl FnOnce(&mut Body<'_>)) {
    out.add(NEWLINK, ACK, |m| {
        link_header(m, 0, 0, 0, 0);
        m.text(IFLA_IFNAME, name);
        m.nest(IFLA_LINKINFO, |info| {
            info.text(IFLA_INFO_SLAVE_KIND, "bridge");
            info.nest(IFLA_INFO_SLAVE_DATA, write);
        });
    });
}

/// Adds: set how its bridge treats the port of this name.
pub fn set_port_traits(out: &mut Messages, name: &str, traits: PortTraits) {
    change_port(out, name, |port| {
        port.u8(IFLA_BRPORT_MODE, traits.hairpin.into());
        port.u8(IFLA_BRPORT_ISOLATED, traits.isolated.into());
    });
}

/// Adds: let the bridge drop all packets of the port of this name, and forget the addresses behind it.
pub fn disable_port(out: &mut Messages, name: &str) {
    change_port(out, name, |port| {
        port.u8(IFLA_BRPORT_STATE, PORT_DISABLED);
        port.bytes(IFLA_BRPORT_FLUSH, &[]);
    });
}

/// Adds: remove the interface of this name.
pub fn delete_link(out: &mut Messages, name: &str) {
    out.add(DELLINK, ACK, |m| {
        link_header(m, 0, 0, 0, 0);
        m.text(IFLA_IFNAME, name);
    });
}

/// The interface of this name; `None` if there is none.
pub fn find_link(socket: &mut Socket, name: &str) -> Result<Option<Link>, Error> {
    let mut out = Messages::new();
    out.add(GETLINK, ACK, |m| {
        link_header(m, 0, 0, 0, 0);
        m.text(IFLA_IFNAME, name);
        m.u32(IFLA_EXT_MASK, SKIP_STATISTICS);
    });
    let mut link = None;
    match socket.transact(out, |answer| {
        if answer.kind == NEWLINK {
            link = Link::read(answer.body);
        }
    }) {
        Ok(()) => link.map(Some).ok_or(Error::Malformed("a link without a name")),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

/// All interfaces of the namespace.
pub fn list_links(socket: &mut Socket) -> Result<Vec<Link>, Error> {
    list(socket, GETLINK, NEWLINK, &[0; 16], Link::read)
}

fn list<T>(
    socket: &mut Socket,
    question: u16,
    answer: u16,
    header: &[u8],
    read: impl Fn(&[u8]) -> Option<T>,
) -> Result<Vec<T>, Error> {
    // A list that changes under the reader may miss or repeat entries; the kernel says so.
    for _ in 0..8 {
        let mut out = Messages::new();
        out.add(question, DUMP, |m| m.raw(header));
        let mut found = Vec::new();
        let result = socket.transact(out, |message| {
            if message.kind == answer {
                found.extend(read(message.body));
            }
        });
        match result {
            Err(Error::Interrupted) => {}
            other => return other.map(|()| found),
        }
    }
    Err(Error::Interrupted)
}

/// An IPv4 address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkAddress {
    /// The interface.
    pub index: u32,
    /// The address.
    pub address: Ipv4Addr,
    /// The length of its network's prefix.
    pub prefix: u8,
}

/// `struct ifaddrmsg`.
fn address_header(body: &mut Body<'_>, address: &LinkAddress) {
    let mut header = [AF_INET, address.prefix, 0, 0, 0, 0, 0, 0];
    header[4..8].copy_from_slice(&address.index.to_ne_bytes());
    body.raw(&header);
}

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;

/// Adds: give an interface an address, with the broadcast address of its network.
pub fn add_address(out: &mut Messages, address: &LinkAddress) {
    out.add(NEWADDR, CREATE | REPLACE | ACK, |m| {
        address_header(m, address);
        m.bytes(IFA_LOCAL, &address.address.octets());
        m.bytes(IFA_ADDRESS, &address.address.octets());
        if address.prefix < 31 {
            let host_bits = u32::MAX.checked_shr(address.prefix.into()).unwrap_or(0);
            m.bytes(IFA_BROADCAST, &(address.address.to_bits() | host_bits).to_be_bytes());
        }
    });
}

/// Adds: take an address from an interface.
pub fn delete_address(out: &mut Messages, address: &LinkAddress) {
    out.add(DELADDR, ACK, |m| {
        address_header(m, address);
        m.bytes(IFA_LOCAL, &address.address.octets());
    });
}

fn ipv4(value: &[u8]) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(value).ok().map(Ipv4Addr::from)
}

/// All IPv4 addresses of the namespace.
pub fn list_addresses(socket: &mut Socket) -> Result<Vec<LinkAddress>, Error> {
    list(socket, GETADDR, NEWADDR, &[AF_INET, 0, 0, 0, 0, 0, 0, 0], |body| {
        Some(LinkAddress {
            index: u32::from_ne_bytes(body.get(4..8)?.try_into().ok()?),
            address: Attributes::of(body, 8).get(IFA_LOCAL).and_then(ipv4)?,
            prefix: *body.get(1)?,
        })
    })
}

const RT_TABLE_MAIN: u8 = 254;
const RTPROT_BOOT: u8 = 3;
const RT_SCOPE_LINK: u8 = 253;
const RTN_UNICAST: u8 = 1;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;

/// Adds: send what has no other route to `gateway`.
pub fn add_default_route(out: &mut Messages, gateway: Ipv4Addr, index: u32) {
    out.add(NEWROUTE, CREATE | REPLACE | ACK, |m| {
        // struct rtmsg: family, two prefix lengths, tos, table, protocol, scope, type, flags
        m.raw(&[AF_INET, 0, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, 0, RTN_UNICAST, 0, 0, 0, 0]);
        m.bytes(RTA_GATEWAY, &gateway.octets());
        m.u32(RTA_OIF, index);
    });
}

/// An IPv4 route of the main table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The network it leads to.
    pub destination: Ipv4Addr,
    /// The length of the network's prefix; 0 for the default route.
    pub prefix: u8,
    /// The next hop, if the network is not on the link itself.
    pub gateway: Option<Ipv4Addr>,
    /// The interface.
    pub index: u32,
    /// Whether the network is on the link itself.
    pub is_on_link: bool,
}

/// The unicast IPv4 routes of the main table.
pub fn list_routes(socket: &mut Socket) -> Result<Vec<Route>, Error> {
    let found = list(socket, GETROUTE, NEWROUTE, &[AF_INET, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], |body| {
        let attributes = Attributes::of(body, 12);
        let (table, scope, kind) = (*body.get(4)?, *body.get(6)?, *body.get(7)?);
        (table == RT_TABLE_MAIN && kind == RTN_UNICAST).then(|| Route {
            destination: attributes.get(RTA_DST).and_then(ipv4).unwrap_or(Ipv4Addr::UNSPECIFIED),
            prefix: body[1],
            gateway: attributes.get(RTA_GATEWAY).and_then(ipv4),
            index: attributes.u32(RTA_OIF).unwrap_or_default(),
            is_on_link: scope == RT_SCOPE_LINK,
        })
    })?;
    Ok(found)
}

const NUD_REACHABLE: u16 = 2;
const NTF_MASTER: u8 = 4;
const NDA_LLADDR: u16 = 2;

/// Adds: the hardware address is behind the bridge port `index` from now on, wherever it was before.
pub fn move_to_port(out: &mut Messages, address: [u8; 6], index: u32) {
    out.add(NEWNEIGH, CREATE | REPLACE | ACK, |m| {
        // struct ndmsg: family, padding, index, state, flags, type
        let mut header = [0; 12];
        header[0] = AF_BRIDGE;
        header[4..8].copy_from_slice(&index.to_ne_bytes());
        header[8..10].copy_from_slice(&NUD_REACHABLE.to_ne_bytes());
        header[10] = NTF_MASTER;
        m.raw(&header);
        m.bytes(NDA_LLADDR, &address);
    });
}

/// Reads link, address and route answers from any bytes, for tests that no bytes make a reader panic.
#[doc(hidden)]
pub fn read_anything(bytes: &[u8]) -> usize {
    wire::messages(bytes).filter_map(|message| Link::read(message.body)).count()
}
