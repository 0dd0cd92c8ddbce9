//! The nftables table as the kernel has it: written, read back, repaired, removed.

use std::net::Ipv4Addr;

use network::{Firewall, NetworkRules, Protocol, PublishedPort, Rules};
use testing::wait;

use crate::hosts::{bridge, net, on_host, rules_of, run};

fn port(host_port: u16) -> PublishedPort {
    PublishedPort {
        host_address: Ipv4Addr::UNSPECIFIED,
        host_port,
        protocol: Protocol::Tcp,
        container_address: Ipv4Addr::new(172, 17, 0, 2),
        container_port: 80,
    }
}

fn wanted() -> Rules {
    let quiet = NetworkRules {
        bridge: "br-0123456789ab".to_owned(),
        subnet: net("172.18.0.0/16"),
        masquerade: false,
        internal: true,
        inter_container: false,
    };
    let one = PublishedPort { host_address: Ipv4Addr::LOCALHOST, protocol: Protocol::Udp, ..port(5353) };
    Rules {
        networks: vec![quiet, rules_of(&bridge("docker0", "172.17.0.1/16"))],
        published: vec![port(8080), one],
        guard_forwarding: false,
    }
}

#[test]
fn the_table_reads_back_as_it_was_written() {
    on_host(|| {
        let firewall = Firewall::new("gantry");
        assert_eq!(firewall.read().unwrap(), None);
        for guard_forwarding in [false, true] {
            let rules = Rules { guard_forwarding, ..wanted() };
            firewall.sync(&rules).unwrap();
            firewall.sync(&rules).unwrap();
            assert_eq!(firewall.read().unwrap(), Some(rules));
        }
    });
}

#[test]
fn nft_shows_the_rules_as_they_are_meant() {
    on_host(|| {
        Firewall::new("gantry").sync(&Rules { guard_forwarding: true, ..wanted() }).unwrap();
        let shown = run("nft list table ip gantry");
        let expected = include_str!("table.nft");
        assert_eq!(shown, expected, "{shown}");
    });
}

#[test]
fn networks_come_and_go() {
    on_host(|| {
        let firewall = Firewall::new("gantry-2");
        firewall.sync(&Rules::default()).unwrap();
        let mut added = Vec::new();
        for n in 0..20_u8 {
            let network = rules_of(&bridge(&format!("br-{n:02}"), &format!("172.{}.0.1/16", n + 16)));
            firewall.add_network(&network).unwrap();
            firewall.add_network(&network).unwrap();
            added.push(network);
        }
        assert_eq!(firewall.read().unwrap().unwrap().networks, added);
        for network in &added[5..] {
            firewall.remove_network(network).unwrap();
            firewall.remove_network(network).unwrap();
        }
        assert_eq!(firewall.read().unwrap().unwrap().networks, added[..5]);
    });
}

#[test]
fn a_flushed_or_damaged_table_is_noticed_and_repaired() {
    on_host(|| {
        let firewall = Firewall::new("gantry");
        let other = Firewall::new("gantry-other");
        other.sync(&wanted()).unwrap();
        firewall.sync(&wanted()).unwrap();
        for damage in [
            "nft flush ruleset",
            "nft flush chain ip gantry arriving",
            "nft delete rule ip gantry guard handle 1000",
            "nft delete element ip gantry bridges { docker0 }",
        ] {
            // One of the commands names a handle that is not there and fails: no damage then.
            let done = std::process::Command::new("sh").args(["-c", damage]).output().unwrap();
            if done.status.success() {
                assert_ne!(firewall.read().unwrap(), Some(wanted()), "{damage}");
            }
            firewall.sync(&wanted()).unwrap();
            assert_eq!(firewall.read().unwrap(), Some(wanted()), "{damage}");
        }
        firewall.publish(&[port(9000)]).unwrap();
        assert_ne!(firewall.read().unwrap(), Some(wanted()));
    });
}

#[test]
fn removing_the_table_leaves_nothing_and_no_other_table_is_touched() {
    on_host(|| {
        run("nft add table ip mine");
        let firewall = Firewall::new("gantry");
        firewall.remove().unwrap();
        firewall.sync(&wanted()).unwrap();
        firewall.remove().unwrap();
        assert_eq!(run("nft list ruleset"), "table ip mine {\n}\n");
    });
}

#[test]
fn a_refused_change_says_why() {
    on_host(|| {
        let error = Firewall::new("gantry").publish(&[port(80)]).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(error.to_string(), "cannot publish ports");
        assert!(cause.contains("No such file or directory"), "{cause}");
    });
}

#[test]
fn a_thousand_ports_fit_one_transaction() {
    on_host(|| {
        let firewall = Firewall::new("gantry");
        let ports: Vec<_> = (10_000..20_000).map(port).collect();
        // While the kernel moves a set that has grown to a larger table, a reader may miss some of its elements.
        let are_there = || firewall.read().unwrap().unwrap().published == ports;
        firewall.sync(&Rules { published: ports.clone(), ..wanted() }).unwrap();
        wait::eventually("all ports are in the set", are_there);
        firewall.unpublish(&ports).unwrap();
        assert_eq!(firewall.read().unwrap().unwrap().published, []);
        firewall.publish(&ports).unwrap();
        wait::eventually("all ports are in the set again", are_there);
    });
}
