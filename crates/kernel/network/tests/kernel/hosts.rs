//! A host, containers on its bridges and a neighbour outside: each a network namespace.
//!
//! ```text
//!   outside 10.0.0.2 ──── 10.0.0.1 host ──┬── docker0 172.17.0.1/16 ── containers
//!                                         └── br-2    172.18.0.1/16 ── containers
//! ```

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::time::Duration;

use netlink::namespace;
use network::{
    BridgePlan, EndpointPlan, Firewall, Ipv4Net, MacAddress, NetworkRules, Protocol, PublishedPort, Rules,
};

pub(crate) const OUTSIDE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub(crate) const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Longer than any packet takes here; shorter than the second after which a lost one is sent again.
pub(crate) const SOON: Duration = Duration::from_millis(700);

/// A network namespace.
pub(crate) struct Place(OwnedFd);

impl Place {
    pub(crate) fn new() -> Place {
        std::thread::spawn(|| {
            sys::netlink_socket::unshare_network().unwrap();
            Place(namespace::current().unwrap())
        })
        .join()
        .unwrap()
    }

    pub(crate) fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }

    pub(crate) fn visit<T>(&self, work: impl FnOnce() -> T) -> T {
        namespace::visit(self.fd(), work).unwrap()
    }

    /// Runs a program and returns what it says; it must succeed.
    pub(crate) fn run(&self, command: &str) -> String {
        self.visit(|| run(command))
    }

    /// Listens and answers every connection with `name` and the peer's address.
    pub(crate) fn serve_tcp(&self, port: u16, name: &'static str) {
        let listener = self.visit(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap());
        std::thread::spawn(move || {
            while let Ok((mut stream, peer)) = listener.accept() {
                let _ = write!(stream, "{name} {}", peer.ip());
            }
        });
    }

    /// Answers every datagram with `name` and the peer's address.
    pub(crate) fn serve_udp(&self, port: u16, name: &'static str) {
        let socket = self.visit(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap());
        std::thread::spawn(move || {
            while let Ok((_, peer)) = socket.recv_from(&mut [0; 64]) {
                let _ = socket.send_to(format!("{name} {}", peer.ip()).as_bytes(), peer);
            }
        });
    }

    /// What the server there answers; `None` if it cannot be reached.
    pub(crate) fn ask_tcp(&self, address: Ipv4Addr, port: u16) -> Option<String> {
        let to = SocketAddr::V4(SocketAddrV4::new(address, port));
        let mut stream = self.visit(|| TcpStream::connect_timeout(&to, SOON)).ok()?;
        stream.set_read_timeout(Some(SOON)).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// What the server there answers; `None` if it cannot be reached.
    pub(crate) fn ask_udp(&self, address: Ipv4Addr, port: u16) -> Option<String> {
        Datagrams::new(self).ask(address, port)
    }
}

/// A client that always sends from the same port.
pub(crate) struct Datagrams<'a> {
    place: &'a Place,
    socket: UdpSocket,
}

impl Datagrams<'_> {
    pub(crate) fn new(place: &Place) -> Datagrams<'_> {
        let socket = place.visit(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap());
        socket.set_read_timeout(Some(SOON)).unwrap();
        Datagrams { place, socket }
    }

    /// What the server there answers; `None` if it cannot be reached.
    pub(crate) fn ask(&self, address: Ipv4Addr, port: u16) -> Option<String> {
        self.place.visit(|| self.socket.send_to(b"?", (address, port))).ok()?;
        let mut answer = [0; 64];
        let (length, _) = self.socket.recv_from(&mut answer).ok()?;
        Some(String::from_utf8_lossy(&answer[..length]).into_owned())
    }
}

pub(crate) fn run(command: &str) -> String {
    let mut words = command.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs `test` on a thread that is the host: in a network namespace of its own.
pub(crate) fn on_host(test: impl FnOnce() + Send + 'static) {
    let result = std::thread::spawn(|| {
        sys::netlink_socket::unshare_network().unwrap();
        run("ip link set lo up");
        test();
    })
    .join();
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

pub(crate) fn net(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

pub(crate) fn bridge(name: &str, address: &str) -> BridgePlan {
    BridgePlan { name: name.to_owned(), address: net(address), mtu: 0 }
}

pub(crate) fn rules_of(plan: &BridgePlan) -> NetworkRules {
    NetworkRules {
        bridge: plan.name.clone(),
        subnet: plan.address.network(),
        masquerade: true,
        internal: false,
        inter_container: true,
    }
}

/// The endpoint of the `n`th container on the bridge.
pub(crate) fn endpoint(plan: &BridgePlan, n: u8) -> EndpointPlan {
    let [a, b, c, _] = plan.address.address().octets();
    let address = Ipv4Addr::new(a, b, c, n);
    EndpointPlan {
        host_interface: format!("veth{b}{n}"),
        bridge: plan.name.clone(),
        container_interface: "eth0".to_owned(),
        mac: MacAddress::for_ipv4(address),
        address: plan.address.with_address(address),
        gateway: Some(plan.address.address()),
        mtu: 0,
        isolated: false,
    }
}

/// A container on a bridge.
pub(crate) struct Container {
    pub(crate) place: Place,
    pub(crate) address: Ipv4Addr,
}

pub(crate) fn container(plan: &EndpointPlan) -> Container {
    let place = Place::new();
    network::attach(plan, place.fd()).unwrap();
    Container { place, address: plan.address.address() }
}

pub(crate) fn published(
    host: Ipv4Addr,
    port: u16,
    protocol: Protocol,
    container: &Container,
    to: u16,
) -> PublishedPort {
    PublishedPort {
        host_address: host,
        host_port: port,
        protocol,
        container_address: container.address,
        container_port: to,
    }
}

/// A host with two networks, its firewall and a neighbour.
pub(crate) struct World {
    pub(crate) host: Place,
    pub(crate) outside: Place,
    pub(crate) firewall: Firewall,
    pub(crate) first: BridgePlan,
    pub(crate) second: BridgePlan,
}

impl World {
    /// Must run on a thread that is the host.
    pub(crate) fn new() -> World {
        World::with(|_| {})
    }

    /// A world whose rules for the two networks `change` has adapted.
    pub(crate) fn with(change: impl FnOnce(&mut Rules)) -> World {
        let outside = Place::new();
        let mut socket = netlink::Socket::open(netlink::Subsystem::Route).unwrap();
        let mut out = netlink::wire::Messages::new();
        netlink::route::create_veth(
            &mut out,
            &netlink::route::VethPair {
                name: "wan",
                master: 0,
                peer_name: "wan",
                peer_address: [2, 0, 0, 0, 0, 2],
                peer_namespace: outside.fd(),
                mtu: 0,
            },
        );
        socket.execute(out).unwrap();
        run("ip address add 10.0.0.1/24 dev wan");
        outside.run("ip address add 10.0.0.2/24 dev wan");
        outside.run("ip link set lo up");
        outside.run("ip link set wan up");
        let (first, second) = (bridge("docker0", "172.17.0.1/16"), bridge("br-2", "172.18.0.1/16"));
        network::bridge::enable_forwarding().unwrap();
        network::ensure_bridge(&first).unwrap();
        network::ensure_bridge(&second).unwrap();
        let firewall = Firewall::new("gantry");
        let mut rules = Rules { networks: vec![rules_of(&first), rules_of(&second)], ..Rules::default() };
        change(&mut rules);
        firewall.sync(&rules).unwrap();
        World { host: Place(namespace::current().unwrap()), outside, firewall, first, second }
    }
}
