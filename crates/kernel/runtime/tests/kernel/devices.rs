//! Network devices of the host's in a container.

use std::net::Ipv4Addr;
use std::os::fd::AsFd;

use netlink::route::{self, LinkAddress};
use netlink::wire::Messages;
use netlink::{Socket, Subsystem};

use crate::stage::Stage;

/// Runs in a thread with a network of its own, which plays the host's: two interfaces, one with an address.
fn on_host(body: impl FnOnce() + Send + 'static) {
    std::thread::spawn(|| {
        sys::process::unshare(sys::process::Namespaces::NETWORK).unwrap();
        let mut socket = Socket::open(Subsystem::Route).unwrap();
        let mut out = Messages::new();
        let own = netlink::namespace::current().unwrap();
        let pair = route::VethPair {
            name: "dummy1",
            master: 0,
            peer_name: "dummy0",
            peer_address: [2, 0, 0, 0, 0, 7],
            peer_namespace: own.as_fd(),
            mtu: 1400,
        };
        route::create_veth(&mut out, &pair);
        socket.execute(out).unwrap();
        let index = route::find_link(&mut socket, "dummy0").unwrap().unwrap().index;
        let mut out = Messages::new();
        let address = Ipv4Addr::new(10, 7, 0, 1);
        route::add_address(&mut out, &LinkAddress { index, address, prefix: 24 });
        socket.execute(out).unwrap();
        body();
    })
    .join()
    .unwrap();
}

fn devices(stage: &mut Stage, json: &str) {
    stage.linux().net_devices = serde_json::from_str(json).unwrap();
}

#[test]
fn interfaces_arrive_with_their_name_address_and_size_and_are_up() {
    on_host(|| {
        let mut stage = Stage::script("busybox ip addr show; busybox ip link show dummy1");
        devices(&mut stage, r#"{"dummy0": {"name": "eth%d"}, "dummy1": {}}"#);
        let output = stage.run().output();
        assert!(output.contains("eth0: <") && output.contains(",UP"), "{output}");
        assert!(output.contains("inet 10.7.0.1/24") && output.contains("mtu 1400"), "{output}");
        assert!(output.contains("02:00:00:00:00:07") && output.contains("dummy1: <"), "{output}");
    });
}

#[test]
fn an_interface_that_is_not_there_or_whose_name_is_taken_is_refused() {
    on_host(|| {
        let mut stage = Stage::script("true");
        devices(&mut stage, r#"{"none": {}}"#);
        let text = |stage: &Stage| {
            let error = stage.refusal();
            format!("{error}: {}", std::error::Error::source(&error).unwrap())
        };
        assert_eq!(text(&stage), r#"cannot move network device "none": no network device "none""#);
        devices(&mut stage, r#"{"dummy0": {"name": "lo"}}"#);
        let expected = r#"cannot move network device "dummy0": a network device "lo" exists already"#;
        assert_eq!(text(&stage), expected);
    });
}

#[test]
fn a_namespace_of_others_gets_the_interface_too() {
    on_host(|| {
        let holder = Stage::new(&["sleep", "100"]).start();
        let mut stage = Stage::script("busybox ip link show dummy1 | wc -l");
        let path = format!("/proc/{}/ns/net", holder.created.pid);
        for namespace in &mut stage.linux().namespaces {
            if namespace.kind == oci_spec::runtime::NamespaceKind::Network {
                namespace.path.clone_from(&path);
            }
        }
        devices(&mut stage, r#"{"dummy1": {}}"#);
        assert_eq!(stage.run().output().trim(), "2");
        let mut here = Socket::open(Subsystem::Route).unwrap();
        assert_eq!(route::find_link(&mut here, "dummy1").unwrap(), None);
        drop(holder);
    });
}
