//! Published ports, reached from outside, from the host and from containers.

use std::net::Ipv4Addr;

use network::Protocol::{Tcp, Udp};

use crate::hosts::{Datagrams, HOST, LOOPBACK, OUTSIDE, World, container, endpoint, on_host, published};

const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

#[test]
fn a_published_tcp_port_is_reached_from_everywhere() {
    on_host(|| {
        let world = World::new();
        let web = container(&endpoint(&world.first, 2));
        let sibling = container(&endpoint(&world.first, 3));
        let other = container(&endpoint(&world.second, 2));
        web.place.serve_tcp(80, "web");
        assert_eq!(world.outside.ask_tcp(HOST, 8080), None);

        let port = published(ANY, 8080, Tcp, &web, 80);
        world.firewall.publish(&[port]).unwrap();
        let gateway = world.first.address.address();
        assert_eq!(world.outside.ask_tcp(HOST, 8080).as_deref(), Some("web 10.0.0.2"));
        assert_eq!(world.host.ask_tcp(LOOPBACK, 8080).as_deref(), Some("web 172.17.0.1"));
        assert_eq!(world.host.ask_tcp(HOST, 8080).as_deref(), Some("web 10.0.0.1"));
        assert_eq!(world.host.ask_tcp(gateway, 8080).as_deref(), Some("web 172.17.0.1"));
        assert_eq!(sibling.place.ask_tcp(HOST, 8080).as_deref(), Some("web 172.17.0.1"));
        assert_eq!(sibling.place.ask_tcp(gateway, 8080).as_deref(), Some("web 172.17.0.1"));
        assert_eq!(web.place.ask_tcp(HOST, 8080).as_deref(), Some("web 172.17.0.1"));
        assert_eq!(other.place.ask_tcp(HOST, 8080).as_deref(), Some("web 172.17.0.1"));

        world.firewall.unpublish(&[port]).unwrap();
        assert_eq!(world.outside.ask_tcp(HOST, 8080), None);
        assert_eq!(world.host.ask_tcp(LOOPBACK, 8080), None);
    });
}

#[test]
fn a_published_udp_port_is_reached_from_everywhere() {
    on_host(|| {
        let world = World::new();
        let dns = container(&endpoint(&world.first, 2));
        let sibling = container(&endpoint(&world.first, 3));
        dns.place.serve_udp(53, "dns");
        world.firewall.publish(&[published(ANY, 5353, Udp, &dns, 53)]).unwrap();
        assert_eq!(world.outside.ask_udp(HOST, 5353).as_deref(), Some("dns 10.0.0.2"));
        assert_eq!(world.host.ask_udp(LOOPBACK, 5353).as_deref(), Some("dns 172.17.0.1"));
        assert_eq!(sibling.place.ask_udp(HOST, 5353).as_deref(), Some("dns 172.17.0.1"));
        assert_eq!(world.outside.ask_tcp(HOST, 5353), None);
    });
}

#[test]
fn a_port_of_one_address_is_reached_there_only() {
    on_host(|| {
        let world = World::new();
        let web = container(&endpoint(&world.first, 2));
        let other = container(&endpoint(&world.first, 3));
        web.place.serve_tcp(80, "web");
        other.place.serve_tcp(80, "other");
        world
            .firewall
            .publish(&[published(HOST, 8080, Tcp, &web, 80), published(LOOPBACK, 8080, Tcp, &other, 80)])
            .unwrap();
        assert_eq!(world.outside.ask_tcp(HOST, 8080).as_deref(), Some("web 10.0.0.2"));
        assert_eq!(world.host.ask_tcp(LOOPBACK, 8080).as_deref(), Some("other 172.17.0.1"));
        assert_eq!(world.host.ask_tcp(world.first.address.address(), 8080), None);
    });
}

#[test]
fn nobody_outside_reaches_a_port_of_the_loopback() {
    on_host(|| {
        let world = World::new();
        let web = container(&endpoint(&world.first, 2));
        web.place.serve_tcp(80, "web");
        world.host.serve_tcp(7000, "host");
        world.firewall.publish(&[published(LOOPBACK, 8080, Tcp, &web, 80)]).unwrap();
        assert_eq!(world.host.ask_tcp(LOOPBACK, 8080).as_deref(), Some("web 172.17.0.1"));

        // A neighbour that sends to 127.0.0.1 over the wire, and a container that does.
        for (place, device, via) in [(&world.outside, "wan", "10.0.0.1"), (&web.place, "eth0", "172.17.0.1")]
        {
            place.run("ip link set lo down");
            place.visit(|| {
                std::fs::write(format!("/proc/sys/net/ipv4/conf/{device}/route_localnet"), "1").unwrap();
            });
            place.run(&format!("ip route add 127.0.0.1 via {via} dev {device}"));
            assert_eq!(place.ask_tcp(LOOPBACK, 8080), None);
            assert_eq!(place.ask_tcp(LOOPBACK, 7000), None);
        }
        assert_eq!(world.outside.ask_tcp(HOST, 8080), None);
    });
}

#[test]
fn containers_go_out_with_the_hosts_address() {
    on_host(|| {
        let world = World::new();
        world.outside.serve_tcp(443, "outside");
        world.outside.serve_udp(443, "outside");
        let client = container(&endpoint(&world.first, 2));
        assert_eq!(client.place.ask_tcp(OUTSIDE, 443).as_deref(), Some("outside 10.0.0.1"));
        assert_eq!(client.place.ask_udp(OUTSIDE, 443).as_deref(), Some("outside 10.0.0.1"));
    });
}

#[test]
fn a_port_leads_to_one_container_and_publishing_is_all_or_nothing() {
    on_host(|| {
        let world = World::new();
        let web = container(&endpoint(&world.first, 2));
        let other = container(&endpoint(&world.first, 3));
        let port = published(ANY, 8080, Tcp, &web, 80);
        world.firewall.publish(&[port]).unwrap();
        world.firewall.publish(&[port]).unwrap();
        let free = published(ANY, 8081, Tcp, &other, 80);
        world.firewall.publish(&[free, published(ANY, 8080, Tcp, &other, 80)]).unwrap_err();
        assert_eq!(world.firewall.read().unwrap().unwrap().published, [port]);
        world.firewall.unpublish(&[free, port]).unwrap();
        world.firewall.unpublish(&[free, port]).unwrap();
        assert_eq!(world.firewall.read().unwrap().unwrap().published, []);
    });
}

#[test]
fn a_client_that_sent_too_early_reaches_a_datagram_port() {
    on_host(|| {
        let world = World::new();
        let dns = container(&endpoint(&world.first, 2));
        let other = container(&endpoint(&world.first, 3));
        dns.place.serve_udp(53, "dns");
        other.place.serve_udp(53, "other");
        let early = Datagrams::new(&world.outside);
        assert_eq!(early.ask(HOST, 5353), None);
        let port = published(ANY, 5353, Udp, &dns, 53);
        let publish = |port| {
            world.firewall.publish(&[port]).unwrap();
            world.firewall.forget_datagrams(&[port]).unwrap();
        };
        publish(port);
        assert_eq!(early.ask(HOST, 5353).as_deref(), Some("dns 10.0.0.2"));
        // The port goes to another container while the client keeps sending.
        world.firewall.unpublish(&[port]).unwrap();
        publish(published(ANY, 5353, Udp, &other, 53));
        assert_eq!(early.ask(HOST, 5353).as_deref(), Some("other 10.0.0.2"));
    });
}
