//! Endpoints attached to bridges in namespaces of their own, and what a failed attach leaves.

use std::net::Ipv4Addr;

use network::{EndpointPlan, NetworkError};

use crate::hosts::{Container, Place, World, bridge, container, endpoint, net, on_host, run};

#[test]
fn a_container_gets_its_address_route_and_loopback() {
    on_host(|| {
        let plan = bridge("docker0", "172.17.0.1/16");
        network::ensure_bridge(&plan).unwrap();
        let container = container(&EndpointPlan { mtu: 1400, ..endpoint(&plan, 2) });
        let addresses = container.place.run("ip -4 -o address");
        assert!(addresses.contains("inet 172.17.0.2/16 brd 172.17.255.255 scope global eth0"), "{addresses}");
        assert!(addresses.contains("inet 127.0.0.1/8"), "{addresses}");
        assert_eq!(container.place.run("ip route show default").trim(), "default via 172.17.0.1 dev eth0");
        let link = container.place.run("ip -o link show eth0");
        assert!(link.contains("mtu 1400") && link.contains("02:42:ac:11:00:02"), "{link}");
        assert_eq!(container.place.run("ip -6 -o address show dev eth0"), "");
        let port = run("ip -o -d link show veth172");
        assert!(port.contains("master docker0") && port.contains("hairpin on"), "{port}");
    });
}

#[test]
fn a_container_talks_as_soon_as_it_is_attached() {
    on_host(|| {
        let world = World::new();
        world.host.serve_tcp(9000, "host");
        let talker = container(&endpoint(&world.first, 2));
        assert_eq!(
            talker.place.ask_tcp(Ipv4Addr::new(172, 17, 0, 1), 9000).as_deref(),
            Some("host 172.17.0.2")
        );
    });
}

#[test]
fn an_address_works_for_its_next_owner_at_once() {
    on_host(|| {
        let world = World::new();
        let first = endpoint(&world.first, 2);
        let neighbour = container(&endpoint(&world.first, 9));
        let old = container(&first);
        old.place.serve_tcp(80, "old");
        assert_eq!(neighbour.place.ask_tcp(old.address, 80).as_deref(), Some("old 172.17.0.9"));
        // The old namespace lives on, as it does for a while after a container's end.
        network::retire(&first).unwrap();
        let new = container(&EndpointPlan { host_interface: "vethnew".to_owned(), ..first });
        new.place.serve_tcp(80, "new");
        assert_eq!(world.host.ask_tcp(new.address, 80).as_deref(), Some("new 172.17.0.1"));
        assert_eq!(neighbour.place.ask_tcp(new.address, 80).as_deref(), Some("new 172.17.0.9"));
    });
}

#[test]
fn retiring_what_is_gone_is_harmless() {
    on_host(|| {
        network::retire(&endpoint(&bridge("docker0", "172.17.0.1/16"), 2)).unwrap();
        network::endpoint::remove("veth172").unwrap();
    });
}

#[test]
fn a_failed_attach_leaves_nothing() {
    on_host(|| {
        let plan = bridge("docker0", "172.17.0.1/16");
        network::ensure_bridge(&plan).unwrap();
        let before = run("ip -o link");
        let place = Place::new();
        let unreachable = EndpointPlan { gateway: Some(Ipv4Addr::new(10, 9, 8, 7)), ..endpoint(&plan, 2) };
        let error = network::attach(&unreachable, place.fd()).unwrap_err();
        assert!(matches!(error, NetworkError::Kernel { .. }), "{error}");
        assert!(!place.run("ip -o link").contains("eth0"));

        place.run("ip link add eth0 type bridge");
        network::attach(&endpoint(&plan, 2), place.fd()).unwrap_err();
        let nowhere = EndpointPlan { bridge: "nope".to_owned(), ..endpoint(&plan, 2) };
        let error = network::attach(&nowhere, Place::new().fd()).unwrap_err();
        assert_eq!(error.to_string(), "bridge nope is not there");
        assert_eq!(names(&run("ip -o link")), names(&before));
    });
}

fn names(links: &str) -> Vec<&str> {
    links.lines().filter_map(|line| line.split_whitespace().nth(1)).collect()
}

#[test]
fn mode_none_has_a_loopback_only() {
    on_host(|| {
        let place = Place::new();
        network::loopback_up(place.fd()).unwrap();
        assert!(place.run("ip -o -4 address").contains("127.0.0.1/8"));
        assert_eq!(names(&place.run("ip -o link")), ["lo:"]);
    });
}

#[test]
fn a_bridge_is_made_once_and_removed() {
    on_host(|| {
        let plan = network::BridgePlan { mtu: 1450, ..bridge("docker0", "172.17.0.1/16") };
        network::ensure_bridge(&plan).unwrap();
        let link = run("ip -o link show docker0");
        network::ensure_bridge(&plan).unwrap();
        assert!(link.contains("mtu 1450") && link.contains("02:42:ac:11:00:01"), "{link}");
        assert_eq!(network::bridge::bridge_addresses("docker0").unwrap(), Some(vec![net("172.17.0.1/16")]));
        assert_eq!(network::bridge::host_networks().unwrap(), [("docker0".to_owned(), net("172.17.0.0/16"))]);
        assert_eq!(std::fs::read_to_string("/proc/sys/net/ipv4/conf/docker0/route_localnet").unwrap(), "1\n");
        let _c: Container = container(&endpoint(&plan, 2));
        assert_eq!(network::bridge::ports("docker0").unwrap(), ["veth172"]);
        network::remove_bridge("docker0").unwrap();
        network::remove_bridge("docker0").unwrap();
        assert_eq!(network::bridge::bridge_addresses("docker0").unwrap(), None);
        let error = network::ensure_bridge(&bridge("lo", "172.17.0.1/16")).unwrap_err();
        assert_eq!(error.to_string(), "interface lo exists and is not a bridge");
    });
}
