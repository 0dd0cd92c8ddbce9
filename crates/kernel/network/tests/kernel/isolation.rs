//! What networks keep from each other.

use std::net::Ipv4Addr;

use network::{Blocking, EndpointPlan, Protocol};

use crate::hosts::{HOST, OUTSIDE, World, container, endpoint, on_host, published, run};

#[test]
fn unpublished_ports_are_closed_from_outside() {
    on_host(|| {
        let world = World::new();
        let web = container(&endpoint(&world.first, 2));
        web.place.serve_tcp(80, "web");
        web.place.serve_tcp(81, "web");
        web.place.serve_udp(53, "dns");
        world.firewall.publish(&[published(Ipv4Addr::UNSPECIFIED, 8080, Protocol::Tcp, &web, 80)]).unwrap();
        // The neighbour knows the way to the container's network.
        world.outside.run("ip route add 172.17.0.0/16 via 10.0.0.1");
        assert_eq!(world.outside.ask_tcp(web.address, 81), None);
        assert_eq!(world.outside.ask_tcp(web.address, 80), None);
        assert_eq!(world.outside.ask_udp(web.address, 53), None);
        assert_eq!(world.host.ask_tcp(web.address, 81).as_deref(), Some("web 172.17.0.1"));
        assert_eq!(world.outside.ask_tcp(HOST, 8080).as_deref(), Some("web 10.0.0.2"));
    });
}

#[test]
fn networks_do_not_reach_each_other() {
    on_host(|| {
        let world = World::new();
        let one = container(&endpoint(&world.first, 2));
        let two = container(&endpoint(&world.second, 2));
        let three = container(&endpoint(&world.second, 3));
        two.place.serve_tcp(80, "two");
        assert_eq!(one.place.ask_tcp(two.address, 80), None);
        assert_eq!(three.place.ask_tcp(two.address, 80).as_deref(), Some("two 172.18.0.3"));
    });
}

#[test]
fn an_internal_network_has_no_way_out_or_in() {
    on_host(|| {
        let world = World::with(|rules| {
            rules.networks[1].internal = true;
            rules.networks[1].masquerade = false;
        });
        world.outside.serve_tcp(443, "outside");
        let open = container(&endpoint(&world.first, 2));
        let closed = container(&endpoint(&world.second, 2));
        let friend = container(&endpoint(&world.second, 3));
        open.place.serve_tcp(80, "open");
        closed.place.serve_tcp(80, "closed");
        world.outside.run("ip route add 172.18.0.0/16 via 10.0.0.1");
        assert_eq!(closed.place.ask_tcp(OUTSIDE, 443), None);
        assert_eq!(closed.place.ask_tcp(open.address, 80), None);
        assert_eq!(open.place.ask_tcp(closed.address, 80), None);
        assert_eq!(world.outside.ask_tcp(closed.address, 80), None);
        assert_eq!(friend.place.ask_tcp(closed.address, 80).as_deref(), Some("closed 172.18.0.3"));
    });
}

#[test]
fn containers_of_a_silent_network_do_not_reach_each_other() {
    on_host(|| {
        let world = World::with(|rules| rules.networks[0].inter_container = false);
        world.outside.serve_tcp(443, "outside");
        let plan = |n| EndpointPlan { isolated: true, ..endpoint(&world.first, n) };
        let (one, two) = (container(&plan(2)), container(&plan(3)));
        two.place.serve_tcp(80, "two");
        assert_eq!(one.place.ask_tcp(two.address, 80), None);
        assert_eq!(one.place.ask_tcp(OUTSIDE, 443).as_deref(), Some("outside 10.0.0.1"));
        assert_eq!(world.host.ask_tcp(two.address, 80).as_deref(), Some("two 172.17.0.1"));
    });
}

#[test]
fn a_host_that_did_not_forward_forwards_for_bridges_only() {
    on_host(|| {
        let world = World::with(|rules| rules.guard_forwarding = true);
        world.outside.serve_tcp(443, "outside");
        let client = container(&endpoint(&world.first, 2));
        // A second neighbour, on another interface of the host.
        let far = crate::hosts::Place::new();
        far.run("ip link set lo up");
        let mut out = netlink::wire::Messages::new();
        netlink::route::create_veth(
            &mut out,
            &netlink::route::VethPair {
                name: "lan",
                master: 0,
                peer_name: "lan",
                peer_address: [2, 0, 0, 0, 1, 2],
                peer_namespace: far.fd(),
                mtu: 0,
            },
        );
        netlink::Socket::open(netlink::Subsystem::Route).unwrap().execute(out).unwrap();
        run("ip address add 10.0.1.1/24 dev lan");
        far.run("ip address add 10.0.1.2/24 dev lan");
        far.run("ip link set lan up");
        far.run("ip route add default via 10.0.1.1");
        world.outside.run("ip route add 10.0.1.0/24 via 10.0.0.1");
        assert_eq!(far.ask_tcp(OUTSIDE, 443), None);
        assert_eq!(client.place.ask_tcp(OUTSIDE, 443).as_deref(), Some("outside 10.0.0.1"));
        assert!(world.firewall.read().unwrap().unwrap().guard_forwarding);
        world
            .firewall
            .sync(&network::Rules { guard_forwarding: false, ..world.firewall.read().unwrap().unwrap() })
            .unwrap();
        assert_eq!(far.ask_tcp(OUTSIDE, 443).as_deref(), Some("outside 10.0.1.2"));
    });
}

#[test]
fn containers_pass_where_iptables_drops_by_default() {
    on_host(|| {
        let world = World::new();
        world.outside.serve_tcp(443, "outside");
        let web = container(&endpoint(&world.first, 2));
        web.place.serve_tcp(80, "web");
        world.firewall.publish(&[published(Ipv4Addr::UNSPECIFIED, 8080, Protocol::Tcp, &web, 80)]).unwrap();
        run("iptables -P FORWARD DROP");
        run("iptables -A FORWARD -i lo -j ACCEPT");
        assert_eq!(web.place.ask_tcp(OUTSIDE, 443), None);
        assert_eq!(world.outside.ask_tcp(HOST, 8080), None);

        let bridges = ["docker0".to_owned(), "br-2".to_owned()];
        assert_eq!(world.firewall.admit(&bridges).unwrap(), []);
        assert_eq!(world.firewall.admit(&bridges).unwrap(), []);
        assert_eq!(web.place.ask_tcp(OUTSIDE, 443).as_deref(), Some("outside 10.0.0.1"));
        assert_eq!(world.outside.ask_tcp(HOST, 8080).as_deref(), Some("web 10.0.0.2"));
        let rules = run("iptables -S FORWARD");
        let accepted: Vec<_> = rules.lines().filter(|rule| rule.contains("gantry")).collect();
        assert_eq!(accepted.len(), 4, "{rules}");
        assert!(rules.contains("-o docker0") && rules.contains("-i br-2"), "{rules}");

        world.firewall.admit(&bridges[..1]).unwrap();
        assert!(!run("iptables -S FORWARD").contains("br-2"));
        world.firewall.admit(&[]).unwrap();
        assert_eq!(run("iptables -S FORWARD"), "-P FORWARD DROP\n-A FORWARD -i lo -j ACCEPT\n");
    });
}

#[test]
fn a_firewall_written_by_hand_is_reported_and_left_alone() {
    on_host(|| {
        let world = World::new();
        run("nft add table inet mine");
        run("nft add chain inet mine forward { type filter hook forward priority 0 ; policy drop ; }");
        let blocking = world.firewall.admit(&["docker0".to_owned()]).unwrap();
        assert_eq!(blocking, [Blocking { table: "inet mine".to_owned(), chain: "forward".to_owned() }]);
    });
}
