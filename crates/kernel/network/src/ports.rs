//! Host ports: what is published, which port to take, and holding it.
//!
//! A published port is also bound by a socket of the daemon that nobody answers. The rules would work without
//! it, but then another program could take the port, start without an error, and never see a packet. The price
//! is one descriptor per port. The socket does not listen: should the rules be gone, a client is refused at
//! once instead of waiting. When the daemon is down the rules go on working; the ports are bound again at its start.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, ipproto, socket_with, sockopt};

pub use units::port::Protocol;

/// The number of a protocol in the IP header.
pub(crate) const fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
    }
}

/// The protocol of a number in the IP header, if it can be published.
pub(crate) const fn from_number(number: u8) -> Option<Protocol> {
    match number {
        6 => Some(Protocol::Tcp),
        17 => Some(Protocol::Udp),
        132 => Some(Protocol::Sctp),
        _ => None,
    }
}

/// One host port that leads to one container port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublishedPort {
    /// The host address it listens on; `0.0.0.0` for all of them.
    pub host_address: Ipv4Addr,
    /// The port on the host.
    pub host_port: u16,
    /// The transport.
    pub protocol: Protocol,
    /// The container's address on its bridge.
    pub container_address: Ipv4Addr,
    /// The port inside the container.
    pub container_port: u16,
}

impl fmt::Display for PublishedPort {
    /// `0.0.0.0:8080:172.17.0.2:80/tcp`, as Docker's errors write it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PublishedPort { host_address, host_port, protocol, container_address, container_port } = self;
        write!(out, "{host_address}:{host_port}:{container_address}:{container_port}/{protocol}")
    }
}

/// A wish to publish one container port on one host address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortWish {
    /// The host address to listen on; `0.0.0.0` for all of them.
    pub host_address: Ipv4Addr,
    /// The host ports that will do, first and last; `None` for any.
    pub host_ports: Option<(u16, u16)>,
    /// The transport.
    pub protocol: Protocol,
    /// The port inside the container.
    pub container_port: u16,
}

impl PortWish {
    /// Docker's order: exact ports before ranges, then by container port and protocol, so that wishes that
    /// differ by host address only stand together and get the same host port.
    fn rank(&self) -> (bool, u16, Protocol, (u16, u16), Ipv4Addr) {
        let ports = self.host_ports.unwrap_or((0, 0));
        let is_range = self.host_ports.is_none_or(|(first, last)| first != last);
        (is_range, self.container_port, self.protocol, ports, self.host_address)
    }

    fn needs_same_port(&self, other: &PortWish) -> bool {
        (self.container_port, self.protocol, self.host_ports)
            == (other.container_port, other.protocol, other.host_ports)
    }

    /// As Docker's errors write it, before a port is chosen.
    fn describe(&self, container: Ipv4Addr) -> String {
        let ports = match self.host_ports {
            None => String::new(),
            Some((first, last)) if first == last => first.to_string(),
            Some((first, last)) => format!("{first}-{last}"),
        };
        format!("{}:{ports}:{container}:{}/{}", self.host_address, self.container_port, self.protocol)
    }
}

/// Why a port cannot be published. Displays as Docker's answer.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Another container has it.
    #[error("Bind for {address}:{port} failed: port is already allocated")]
    Taken {
        /// The address on which the other one has it.
        address: Ipv4Addr,
        /// The port.
        port: u16,
    },
    /// All ports of the range are taken by containers.
    #[error("all ports are allocated")]
    Exhausted,
    /// A program of the host has it, or the host has no such address.
    #[error("failed to bind host port for {wish}: {}", errno_text(.cause))]
    Bind {
        /// The wish.
        wish: String,
        /// The kernel's answer.
        cause: io::Error,
    },
    /// The same, for a port of a range.
    #[error("failed to bind host port {port} for {wish}: {}", errno_text(.cause))]
    BindOfRange {
        /// The port that was tried last.
        port: u16,
        /// The wish.
        wish: String,
        /// The kernel's answer.
        cause: io::Error,
    },
}

/// The kernel's words as Go writes them.
fn errno_text(error: &io::Error) -> String {
    match Errno::from_io_error(error) {
        Some(Errno::ADDRINUSE) => "address already in use".to_owned(),
        Some(Errno::ADDRNOTAVAIL) => "cannot assign requested address".to_owned(),
        Some(Errno::ACCESS) => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// A port that no other program can take while this lives.
#[derive(Debug)]
pub struct HeldPort {
    _socket: Option<OwnedFd>,
}

impl HeldPort {
    /// Binds the port.
    ///
    /// # Errors
    /// `EADDRINUSE` when another program has it, `EADDRNOTAVAIL` when the host has no such address.
    pub fn bind(address: Ipv4Addr, port: u16, protocol: Protocol) -> io::Result<HeldPort> {
        let bound = match HeldPort::bind_as(address, port, protocol, Sharing::Alone) {
            // Connections that a program of the host has just closed block the port for a minute; they are
            // no reason to refuse. A listener is refused the second time too.
            Err(Errno::ADDRINUSE) => HeldPort::bind_as(address, port, protocol, Sharing::WithClosing)?,
            other => other?,
        };
        Ok(HeldPort { _socket: bound })
    }

    fn bind_as(
        address: Ipv4Addr,
        port: u16,
        protocol: Protocol,
        sharing: Sharing,
    ) -> Result<Option<OwnedFd>, Errno> {
        let (kind, number) = match protocol {
            Protocol::Tcp => (SocketType::STREAM, ipproto::TCP),
            Protocol::Udp => (SocketType::DGRAM, ipproto::UDP),
            Protocol::Sctp => (SocketType::STREAM, ipproto::SCTP),
        };
        let socket = match socket_with(AddressFamily::INET, kind, SocketFlags::CLOEXEC, Some(number)) {
            // A kernel without SCTP sockets can still translate SCTP packets, and has nobody who could take the port.
            Err(Errno::PROTONOSUPPORT) if protocol == Protocol::Sctp => return Ok(None),
            other => other?,
        };
        match (sharing, protocol) {
            (Sharing::WithClosing, Protocol::Tcp | Protocol::Sctp) => {
                sockopt::set_socket_reuseaddr(&socket, true)?;
            }
            // Datagrams have no closing state: sharing would let two programs have the port.
            (Sharing::WithClosing, Protocol::Udp) => return Err(Errno::ADDRINUSE),
            // Nobody reads what might arrive here.
            (Sharing::Alone, Protocol::Udp) => sockopt::set_socket_recv_buffer_size(&socket, 0)?,
            (Sharing::Alone, Protocol::Tcp | Protocol::Sctp) => {}
        }
        bind(&socket, &SocketAddrV4::new(address, port))?;
        Ok(Some(socket))
    }
}

#[derive(Debug, Clone, Copy)]
enum Sharing {
    Alone,
    WithClosing,
}

/// How often another port is tried when a program of the host has the chosen one; Docker's figure.
const ATTEMPTS: usize = 10;

/// The host ports that containers have. `H` holds a port against the rest of the host: [`HeldPort`], or nothing in tests.
#[derive(Debug)]
pub struct PortTable<H = HeldPort> {
    /// Ports for wishes without one.
    dynamic: (u16, u16),
    taken: BTreeMap<(Protocol, u16), BTreeMap<Ipv4Addr, Option<H>>>,
    /// Where the search of each range goes on.
    last: BTreeMap<(Protocol, (u16, u16)), u16>,
}

/// Docker's range where the host does not say one.
pub const DEFAULT_DYNAMIC_PORTS: (u16, u16) = (49_153, 65_535);

/// Reads `/proc/sys/net/ipv4/ip_local_port_range`.
pub fn parse_dynamic_ports(text: &str) -> Option<(u16, u16)> {
    let mut words = text.split_whitespace().map(str::parse);
    match (words.next()?.ok()?, words.next()?.ok()?) {
        (first, last) if first > 0 && first <= last => Some((first, last)),
        _ => None,
    }
}

impl<H> PortTable<H> {
    /// No port taken; wishes without a port are served from `dynamic`.
    pub fn new(dynamic: (u16, u16)) -> PortTable<H> {
        PortTable { dynamic, taken: BTreeMap::new(), last: BTreeMap::new() }
    }

    /// Takes host ports for all wishes of one container, or none; `hold` binds each.
    pub fn take(
        &mut self,
        wishes: &[PortWish],
        container: Ipv4Addr,
        mut hold: impl FnMut(Ipv4Addr, u16, Protocol) -> io::Result<H>,
    ) -> Result<Vec<PublishedPort>, PortError> {
        let mut sorted = wishes.to_vec();
        sorted.sort_by_key(PortWish::rank);
        let mut published = Vec::new();
        for group in sorted.chunk_by(PortWish::needs_same_port) {
            match self.take_group(group, container, &mut hold) {
                Ok(ports) => published.extend(ports),
                Err(error) => {
                    self.give_back(&published);
                    return Err(error);
                }
            }
        }
        Ok(published)
    }

    /// Takes one host port on all addresses of the group.
    fn take_group(
        &mut self,
        group: &[PortWish],
        container: Ipv4Addr,
        hold: &mut impl FnMut(Ipv4Addr, u16, Protocol) -> io::Result<H>,
    ) -> Result<Vec<PublishedPort>, PortError> {
        let Some(first) = group.first() else { return Ok(Vec::new()) };
        // The same wish twice asks for the same port twice.
        let addresses: BTreeSet<_> = group.iter().map(|wish| wish.host_address).collect();
        if addresses.len() < group.len()
            && let Some((port, last)) = first.host_ports
            && port == last
        {
            return Err(PortError::Taken { address: first.host_address, port });
        }
        let mut attempt = 0;
        loop {
            attempt += 1;
            let port = self.choose(first, &addresses)?;
            match self.hold_all(group, port, container, hold) {
                Ok(published) => return Ok(published),
                Err(_) if attempt < ATTEMPTS && first.host_ports.is_none_or(|(low, high)| low != high) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn hold_all(
        &mut self,
        group: &[PortWish],
        port: u16,
        container: Ipv4Addr,
        hold: &mut impl FnMut(Ipv4Addr, u16, Protocol) -> io::Result<H>,
    ) -> Result<Vec<PublishedPort>, PortError> {
        let mut published: Vec<PublishedPort> = Vec::new();
        for wish in group {
            match hold(wish.host_address, port, wish.protocol) {
                Ok(held) => {
                    self.taken
                        .entry((wish.protocol, port))
                        .or_default()
                        .insert(wish.host_address, Some(held));
                    published.push(PublishedPort {
                        host_address: wish.host_address,
                        host_port: port,
                        protocol: wish.protocol,
                        container_address: container,
                        container_port: wish.container_port,
                    });
                }
                Err(cause) => {
                    self.give_back(&published);
                    let text = wish.describe(container);
                    return Err(match wish.host_ports {
                        Some((first, last)) if first == last => PortError::Bind { wish: text, cause },
                        None => PortError::Bind { wish: text, cause },
                        Some(_) => PortError::BindOfRange { port, wish: text, cause },
                    });
                }
            }
        }
        Ok(published)
    }

    /// A port that is free on all addresses.
    fn choose(&mut self, wish: &PortWish, addresses: &BTreeSet<Ipv4Addr>) -> Result<u16, PortError> {
        let (first, last) = wish.host_ports.unwrap_or(self.dynamic);
        if first == last {
            return match self.holder(wish.protocol, first, addresses) {
                Some(address) => Err(PortError::Taken { address, port: first }),
                None => Ok(first),
            };
        }
        let previous = self.last.get(&(wish.protocol, (first, last))).copied().unwrap_or(last);
        let port = (previous.saturating_add(1)..=last)
            .chain(first..=previous.min(last))
            .find(|port| self.holder(wish.protocol, *port, addresses).is_none())
            .ok_or(PortError::Exhausted)?;
        self.last.insert((wish.protocol, (first, last)), port);
        Ok(port)
    }

    /// The address on which another container has the port, in a way that conflicts with `addresses`.
    fn holder(&self, protocol: Protocol, port: u16, addresses: &BTreeSet<Ipv4Addr>) -> Option<Ipv4Addr> {
        let there = self.taken.get(&(protocol, port))?;
        let wants_all = addresses.contains(&Ipv4Addr::UNSPECIFIED);
        there.keys().copied().find(|held| wants_all || held.is_unspecified() || addresses.contains(held))
    }

    /// Notes ports that containers have already, at the daemon's start. A port that a program of the host
    /// took meanwhile stays published; its errors are returned.
    pub fn restore(
        &mut self,
        ports: &[PublishedPort],
        mut hold: impl FnMut(Ipv4Addr, u16, Protocol) -> io::Result<H>,
    ) -> Vec<(PublishedPort, io::Error)> {
        let mut failures = Vec::new();
        for port in ports {
            let held = hold(port.host_address, port.host_port, port.protocol);
            let entry = self.taken.entry((port.protocol, port.host_port)).or_default();
            match held {
                Ok(held) => entry.insert(port.host_address, Some(held)),
                Err(error) => {
                    failures.push((*port, error));
                    entry.insert(port.host_address, None)
                }
            };
        }
        failures
    }

    /// Frees ports; those that are not taken are skipped.
    pub fn give_back(&mut self, ports: &[PublishedPort]) {
        for port in ports {
            let key = (port.protocol, port.host_port);
            if let Some(there) = self.taken.get_mut(&key) {
                there.remove(&port.host_address);
                if there.is_empty() {
                    self.taken.remove(&key);
                }
            }
        }
    }

    /// How many ports are taken.
    pub fn len(&self) -> usize {
        self.taken.values().map(BTreeMap::len).sum()
    }

    /// Whether no port is taken.
    pub fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
    const ONE: Ipv4Addr = Ipv4Addr::LOCALHOST;
    const CONTAINER: Ipv4Addr = Ipv4Addr::new(172, 17, 0, 2);

    fn wish(host_address: Ipv4Addr, host_ports: Option<(u16, u16)>, container_port: u16) -> PortWish {
        PortWish { host_address, host_ports, protocol: Protocol::Tcp, container_port }
    }

    fn table() -> PortTable<()> {
        PortTable::new((40_000, 40_003))
    }

    fn take(table: &mut PortTable<()>, wishes: &[PortWish]) -> Result<Vec<u16>, String> {
        let taken = table.take(wishes, CONTAINER, |_, _, _| Ok(())).map_err(|error| error.to_string())?;
        Ok(taken.iter().map(|port| port.host_port).collect())
    }

    #[test]
    fn a_port_of_another_container_is_refused() {
        let mut table = table();
        assert_eq!(take(&mut table, &[wish(ANY, Some((80, 80)), 80)]), Ok(vec![80]));
        let refusal = Err("Bind for 0.0.0.0:80 failed: port is already allocated".to_owned());
        assert_eq!(take(&mut table, &[wish(ANY, Some((80, 80)), 80)]), refusal);
        assert_eq!(take(&mut table, &[wish(ONE, Some((80, 80)), 80)]), refusal);
        let udp = PortWish { protocol: Protocol::Udp, ..wish(ANY, Some((80, 80)), 80) };
        assert_eq!(take(&mut table, &[udp]), Ok(vec![80]));
        assert_eq!(take(&mut table, &[wish(ONE, Some((81, 81)), 80)]), Ok(vec![81]));
        assert_eq!(
            take(&mut table, &[wish(ANY, Some((81, 81)), 80)]),
            Err("Bind for 127.0.0.1:81 failed: port is already allocated".to_owned())
        );
    }

    #[test]
    fn any_port_is_the_next_of_the_hosts_range() {
        let mut table = table();
        for expected in 40_000..=40_003 {
            assert_eq!(take(&mut table, &[wish(ANY, None, 80)]), Ok(vec![expected]));
        }
        assert_eq!(take(&mut table, &[wish(ANY, None, 80)]), Err("all ports are allocated".to_owned()));
        let given = PublishedPort {
            host_address: ANY,
            host_port: 40_001,
            protocol: Protocol::Tcp,
            container_address: CONTAINER,
            container_port: 80,
        };
        table.give_back(&[given, given]);
        assert_eq!(take(&mut table, &[wish(ANY, None, 80)]), Ok(vec![40_001]));
    }

    #[test]
    fn wishes_that_differ_by_address_get_the_same_port_and_exact_ones_come_first() {
        let mut table = table();
        let other = Ipv4Addr::new(10, 0, 0, 1);
        let wishes = [wish(ONE, None, 80), wish(ANY, Some((40_000, 40_000)), 443), wish(other, None, 80)];
        assert_eq!(take(&mut table, &wishes), Ok(vec![40_000, 40_001, 40_001]));
    }

    #[test]
    fn a_port_of_a_program_is_refused_in_dockers_words_and_nothing_stays_taken() {
        let mut table = table();
        let busy = |_, port, _| if port == 81 { Err(Errno::ADDRINUSE.into()) } else { Ok(()) };
        let wishes = [wish(ANY, Some((80, 80)), 80), wish(ANY, Some((81, 81)), 81)];
        let error = table.take(&wishes, CONTAINER, busy).unwrap_err();
        assert_eq!(
            error.to_string(),
            "failed to bind host port for 0.0.0.0:81:172.17.0.2:81/tcp: address already in use"
        );
        assert!(table.is_empty());
        let range = [wish(ANY, Some((81, 82)), 80)];
        assert_eq!(table.take(&range, CONTAINER, busy).unwrap()[0].host_port, 82);
        let error =
            table.take(&[wish(ONE, Some((90, 91)), 80)], CONTAINER, |_, _, _| Err(Errno::ACCESS.into()));
        assert_eq!(
            error.unwrap_err().to_string(),
            "failed to bind host port 91 for 127.0.0.1:90-91:172.17.0.2:80/tcp: permission denied"
        );
    }

    #[test]
    fn a_held_port_is_closed_to_other_programs() {
        let probe = std::net::TcpListener::bind((ONE, 0)).unwrap();
        let port = probe.local_addr().unwrap().port();
        let refused = HeldPort::bind(ANY, port, Protocol::Tcp).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        drop(probe);
        let held = HeldPort::bind(ANY, port, Protocol::Tcp).unwrap();
        // The standard library's listeners share with closing connections, as most servers do.
        assert_eq!(std::net::TcpListener::bind((ONE, port)).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(held);
        std::net::TcpListener::bind((ONE, port)).unwrap();
        let udp = std::net::UdpSocket::bind((ONE, 0)).unwrap();
        HeldPort::bind(ANY, udp.local_addr().unwrap().port(), Protocol::Udp).unwrap_err();
        let nowhere = HeldPort::bind(Ipv4Addr::new(192, 0, 2, 1), 1, Protocol::Tcp).unwrap_err();
        assert_eq!(errno_text(&nowhere), "cannot assign requested address");
    }

    #[test]
    fn a_port_is_held_in_spite_of_closing_connections() {
        let listener = std::net::TcpListener::bind((ONE, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let client = std::net::TcpStream::connect(address).unwrap();
        // The side that closes first keeps the port for a while.
        drop(listener.accept().unwrap());
        drop(client);
        drop(listener);
        HeldPort::bind(ANY, address.port(), Protocol::Tcp).unwrap();
    }

    #[test]
    fn the_hosts_range_is_read() {
        assert_eq!(parse_dynamic_ports("32768\t60999\n"), Some((32_768, 60_999)));
        for wrong in ["", "1", "2 1", "0 5", "a b"] {
            assert_eq!(parse_dynamic_ports(wrong), None);
        }
    }

    proptest! {
        #[test]
        fn no_port_is_given_twice(wishes in proptest::collection::vec((0_usize..3, proptest::option::of((1_u16..6, 0_u16..4)), 1_u16..4), 1..30)) {
            let addresses = [ANY, ONE, Ipv4Addr::new(10, 0, 0, 1)];
            let mut table: PortTable<()> = PortTable::new((10, 14));
            let mut all: Vec<PublishedPort> = Vec::new();
            for (address, ports, to) in wishes {
                let ports = ports.map(|(first, more)| (first, first + more));
                if let Ok(taken) = table.take(&[wish(addresses[address], ports, to)], CONTAINER, |_, _, _| Ok(())) {
                    for port in &taken {
                        let conflict = all.iter().any(|other| {
                            other.host_port == port.host_port
                                && (other.host_address == port.host_address || other.host_address.is_unspecified() || port.host_address.is_unspecified())
                        });
                        prop_assert!(!conflict);
                    }
                    all.extend(taken);
                }
                prop_assert_eq!(table.len(), all.len());
            }
            table.give_back(&all);
            prop_assert!(table.is_empty());
        }
    }
}
