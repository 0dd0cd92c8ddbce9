//! The networks of a daemon in a network namespace of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use db::Db;
use engine_api::StringSet;
use engine_api::container::{PortBinding, PortMap};
use engine_api::filters::Filters;
use engine_api::network::{EndpointIpamConfig, EndpointSettings, Ipam, IpamConfig, NetworkCreateRequest};
use network::{Firewall, PublishedPort};

use super::create::parse;
use super::{Networks, Wish};
use crate::config::EngineConfig;
use crate::error::{Error, Kind};
use crate::events::{EventStream, Events};

/// A daemon's networks, their store and their events.
struct Bench {
    root: tempfile::TempDir,
    networks: Networks,
    events: Events,
}

/// Runs `test` in a network namespace of its own, with the machine's loopback up.
fn on_host(test: impl FnOnce() + Send + 'static) {
    let outcome = std::thread::spawn(|| {
        sys::netlink_socket::unshare_network().unwrap();
        let home = network::endpoint::own_namespace().unwrap();
        network::loopback_up(std::os::fd::AsFd::as_fd(&home)).unwrap();
        test();
    })
    .join();
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

fn config(root: &std::path::Path) -> EngineConfig {
    EngineConfig { data_root: root.to_owned(), exec_root: root.to_owned(), ..EngineConfig::default() }
}

impl Bench {
    fn new() -> Bench {
        let root = tempfile::tempdir().unwrap();
        let config = config(root.path());
        let events = Events::new();
        let networks = Networks::open(Db::open(root.path()).unwrap(), &config, events.clone()).unwrap();
        networks.reconcile(&BTreeSet::new()).unwrap();
        Bench { root, networks, events }
    }

    /// The daemon comes again, with `running` containers.
    fn restart(self, running: &[&str]) -> Bench {
        let Bench { root, networks, events } = self;
        drop(networks);
        let networks =
            Networks::open(Db::open(root.path()).unwrap(), &config(root.path()), events.clone()).unwrap();
        networks.reconcile(&running.iter().map(|id| (*id).to_owned()).collect()).unwrap();
        Bench { root, networks, events }
    }

    fn create(&self, request: NetworkCreateRequest) -> Result<String, Error> {
        let id = crate::names::random_id().unwrap();
        self.networks.create(parse(request)?, id)
    }

    /// Starts a container as far as its network goes.
    fn start(&self, wish: &Wish) -> Result<super::Reservation, Error> {
        let (reservation, batch) = self.networks.reserve(wish)?;
        self.networks.inner.db.commit(batch).unwrap();
        self.networks.publish(&wish.container_id)?;
        Ok(reservation)
    }

    fn stop(&self, id: &str) {
        self.networks.inner.db.commit(self.networks.release(id)).unwrap();
    }

    fn published(&self) -> Vec<PublishedPort> {
        self.rules().published
    }

    fn rules(&self) -> network::Rules {
        self.firewall().read().unwrap().unwrap()
    }

    fn firewall(&self) -> Firewall {
        self.networks.inner.firewall.clone().unwrap()
    }

    fn listen(&self) -> EventStream {
        self.events.subscribe(Default::default()).unwrap()
    }
}

fn request(name: &str) -> NetworkCreateRequest {
    NetworkCreateRequest { name: name.to_owned(), ..NetworkCreateRequest::default() }
}

fn with_subnet(name: &str, subnet: &str) -> NetworkCreateRequest {
    let config = IpamConfig { subnet: subnet.to_owned(), ..IpamConfig::default() };
    NetworkCreateRequest {
        ipam: Some(Ipam { config: Some(vec![config]), ..Ipam::default() }),
        ..request(name)
    }
}

fn wish(id: char, mode: &str, ports: &[(&str, &str)]) -> Wish {
    let mut bindings = PortMap::new();
    for (port, host_port) in ports {
        let binding = PortBinding { host_ip: String::new(), host_port: (*host_port).to_owned() };
        bindings.entry((*port).to_owned()).or_default().get_or_insert_default().push(binding);
    }
    Wish {
        container_id: String::from(id).repeat(64),
        container_name: format!("name-{id}"),
        mode: mode.to_owned(),
        endpoints: BTreeMap::new(),
        hostname: String::from(id).repeat(12),
        domainname: String::new(),
        exposed: StringSet::new(),
        bindings,
        publish_all: false,
        dns: Vec::new(),
        dns_search: Vec::new(),
        dns_options: Vec::new(),
        extra_hosts: Vec::new(),
    }
}

fn address(reservation: &super::Reservation) -> Ipv4Addr {
    reservation.plan.as_ref().unwrap().address.address()
}

#[test]
fn a_fresh_daemon_has_dockers_three_networks() {
    on_host(|| {
        let bench = Bench::new();
        let list = bench.networks.list(&Filters::default()).unwrap();
        let shown: Vec<_> =
            list.iter().map(|n| (n.name.as_str(), n.driver.as_str(), n.scope.as_str())).collect();
        assert_eq!(
            shown,
            [("bridge", "bridge", "local"), ("host", "host", "local"), ("none", "null", "local")]
        );
        let bridge = &list[0];
        let ipam = &bridge.ipam.config.as_ref().unwrap()[0];
        assert_eq!((ipam.subnet.as_str(), ipam.gateway.as_str()), ("172.17.0.0/16", "172.17.0.1"));
        assert_eq!(bridge.options["com.docker.network.bridge.name"], "docker0");
        assert_eq!(bridge.options.len(), 6);
        assert!(network::bridge::is_there("docker0").unwrap());

        let ids: Vec<_> = list.iter().map(|network| network.id.clone()).collect();
        let again = bench.restart(&[]).networks.list(&Filters::default()).unwrap();
        assert_eq!(again.iter().map(|network| network.id.clone()).collect::<Vec<_>>(), ids);
    });
}

#[test]
fn addresses_follow_dockers_order_and_are_reused() {
    on_host(|| {
        let bench = Bench::new();
        let start = |id| address(&bench.start(&wish(id, "bridge", &[])).unwrap());
        assert_eq!([start('a'), start('b'), start('c')].map(|address| address.octets()[3]), [2, 3, 4]);
        bench.stop(&"b".repeat(64));
        assert_eq!(start('d').octets()[3], 3);
        let inspected = bench.networks.inspect("bridge").unwrap();
        let containers: Vec<_> =
            inspected.containers.values().map(|c| format!("{} {}", c.name, c.ipv4_address)).collect();
        assert_eq!(containers, ["name-a 172.17.0.2/16", "name-c 172.17.0.4/16", "name-d 172.17.0.3/16"]);
    });
}

#[test]
fn a_reservation_says_all_that_a_container_needs() {
    on_host(|| {
        let bench = Bench::new();
        let mut wish = wish('a', "default", &[("80/tcp", "18080")]);
        wish.exposed = StringSet::from([("443/tcp".to_owned(), Default::default())]);
        wish.extra_hosts = vec!["gate:host-gateway".to_owned()];
        wish.dns = vec!["1.1.1.1".to_owned()];
        let reservation = bench.start(&wish).unwrap();
        let plan = reservation.plan.clone().unwrap();
        assert_eq!((plan.bridge.as_str(), plan.container_interface.as_str()), ("docker0", "eth0"));
        assert_eq!(plan.gateway, Some(Ipv4Addr::new(172, 17, 0, 1)));
        assert_eq!(plan.mac.to_string(), "02:42:ac:11:00:02");
        assert!(plan.host_interface.len() == 11 && plan.host_interface.starts_with("veth"));
        let shown = &reservation.networks["bridge"];
        assert_eq!((shown.ip_address.as_str(), shown.ip_prefix_len), ("172.17.0.2", 16));
        assert_eq!((shown.gateway.as_str(), shown.dns_names.as_ref()), ("172.17.0.1", None));
        let binding = PortBinding { host_ip: "0.0.0.0".to_owned(), host_port: "18080".to_owned() };
        assert_eq!(
            reservation.ports,
            PortMap::from([("443/tcp".to_owned(), None), ("80/tcp".to_owned(), Some(vec![binding]))])
        );
        assert!(reservation.hosts.contains("172.17.0.1\tgate\n172.17.0.2\taaaaaaaaaaaa\n"));
        assert!(reservation.resolv_conf.contains("nameserver 1.1.1.1\n"));
        assert_eq!(reservation.hostname, "aaaaaaaaaaaa\n");
    });
}

#[test]
fn ports_are_published_held_and_given_back() {
    on_host(|| {
        let bench = Bench::new();
        bench.start(&wish('a', "bridge", &[("80/tcp", "18080")])).unwrap();
        let published = bench.published();
        assert_eq!(published[0].to_string(), "0.0.0.0:18080:172.17.0.2:80/tcp");
        std::net::TcpListener::bind("127.0.0.1:18080").unwrap_err();

        let refused = bench.start(&wish('b', "bridge", &[("80/tcp", "18080")])).unwrap_err();
        let (before, after) = refused.message.split_once(" (").unwrap();
        assert_eq!(before, "driver failed programming external connectivity on endpoint name-b");
        assert_eq!(&after[64..], "): Bind for 0.0.0.0:18080 failed: port is already allocated");
        assert_eq!(bench.networks.state().leases.len(), 1);

        let program = std::net::TcpListener::bind("127.0.0.1:18081").unwrap();
        let refused = bench.start(&wish('b', "bridge", &[("80/tcp", "18081")])).unwrap_err();
        assert!(refused.message.ends_with(
            "failed to bind host port for 0.0.0.0:18081:172.17.0.3:80/tcp: address already in use"
        ));
        drop(program);

        bench.stop(&"a".repeat(64));
        assert_eq!(bench.published(), []);
        std::net::TcpListener::bind("127.0.0.1:18080").unwrap();
        assert_eq!(bench.networks.state().ports.len(), 0);
    });
}

#[test]
fn a_restarted_daemon_knows_its_leases_and_repairs_the_rules() {
    on_host(|| {
        let bench = Bench::new();
        bench.start(&wish('a', "bridge", &[("80/tcp", "18080")])).unwrap();
        bench.start(&wish('b', "bridge", &[("80/tcp", "18081")])).unwrap();
        let rules = bench.rules();
        bench.firewall().remove().unwrap();
        network::remove_bridge("docker0").unwrap();

        let bench = bench.restart(&["a".repeat(64).as_str()]);
        let now = bench.rules();
        assert_eq!(now.networks, rules.networks);
        assert_eq!(now.published.iter().map(|port| port.host_port).collect::<Vec<_>>(), [18080]);
        assert!(network::bridge::is_there("docker0").unwrap());
        std::net::TcpListener::bind("127.0.0.1:18080").unwrap_err();
        assert_eq!(address(&bench.start(&wish('c', "bridge", &[])).unwrap()).octets()[3], 3);
    });
}

#[test]
fn flushed_rules_and_a_removed_bridge_come_back_with_the_next_container() {
    on_host(|| {
        let bench = Bench::new();
        bench.start(&wish('a', "bridge", &[("80/tcp", "18080")])).unwrap();
        bench.firewall().remove().unwrap();
        network::remove_bridge("docker0").unwrap();
        bench.start(&wish('b', "bridge", &[("80/tcp", "18081")])).unwrap();
        assert_eq!(bench.published().len(), 2);
        assert!(network::bridge::is_there("docker0").unwrap());
    });
}

#[test]
fn networks_are_created_used_and_removed() {
    on_host(|| {
        let bench = Bench::new();
        let mut events = bench.listen();
        let id = bench.create(with_subnet("net1", "10.77.0.0/24")).unwrap();
        let bridge = format!("br-{}", &id[..12]);
        assert!(network::bridge::is_there(&bridge).unwrap());
        assert_eq!(bench.rules().networks.len(), 2);
        for (term, name) in [(id.as_str(), "net1"), (&id[..8], "net1"), ("net1", "net1")] {
            assert_eq!(bench.networks.inspect(term).unwrap().name, name);
        }
        let taken = bench.create(request("net1")).unwrap_err();
        assert_eq!(
            (taken.kind, taken.message.as_str()),
            (Kind::Conflict, "network with name net1 already exists")
        );

        let reservation = bench.start(&wish('a', "net1", &[])).unwrap();
        assert_eq!(address(&reservation), Ipv4Addr::new(10, 77, 0, 2));
        let names = reservation.networks["net1"].dns_names.clone().unwrap();
        assert_eq!(names, ["name-a", "aaaaaaaaaaaa"]);
        let refused = bench.networks.remove("net1").unwrap_err();
        assert_eq!(refused.kind, Kind::Forbidden);
        assert!(refused.message.starts_with(
            "error while removing network: network net1 has active endpoints (name:\"name-a\" id:\""
        ));
        bench.stop(&"a".repeat(64));
        bench.networks.remove(&id[..6]).unwrap();
        assert!(!network::bridge::is_there(&bridge).unwrap());
        assert_eq!(bench.rules().networks.len(), 1);
        assert_eq!(bench.networks.inspect("net1").unwrap_err().message, "network net1 not found");
        assert_eq!(
            bench.networks.remove("bridge").unwrap_err().message,
            "bridge is a pre-defined network and cannot be removed"
        );

        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mut told = Vec::new();
        runtime.block_on(async {
            while let Ok(Some(event)) =
                tokio::time::timeout(std::time::Duration::from_millis(100), events.next()).await
            {
                told.push(format!("{} {}", event.action, event.actor.attributes["name"]));
            }
        });
        assert_eq!(told, ["create net1", "connect net1", "disconnect net1", "destroy net1"]);
    });
}

#[test]
fn a_created_network_survives_a_restart() {
    on_host(|| {
        let bench = Bench::new();
        let mut wanted = with_subnet("net1", "10.77.0.0/24");
        wanted.internal = true;
        wanted.labels = Some([("a".to_owned(), "b".to_owned())].into());
        bench.create(wanted).unwrap();
        let before = bench.networks.inspect("net1").unwrap();
        let bench = bench.restart(&[]);
        assert_eq!(bench.networks.inspect("net1").unwrap(), before);
        let rules = bench.rules();
        let own = rules.networks.iter().find(|network| network.subnet.to_string() == "10.77.0.0/24").unwrap();
        assert!(own.internal && !own.masquerade);
        let reservation = bench.start(&wish('a', "net1", &[("80/tcp", "18080")])).unwrap();
        assert_eq!(reservation.plan.unwrap().gateway, None);
        assert_eq!(reservation.networks["net1"].gateway, "");
        assert_eq!(bench.published(), [], "an internal network publishes nothing");
    });
}

#[test]
fn a_bridge_of_the_users_stays_when_its_network_goes() {
    on_host(|| {
        let bench = Bench::new();
        let user =
            network::BridgePlan { name: "mine".to_owned(), address: "10.5.0.9/24".parse().unwrap(), mtu: 0 };
        network::ensure_bridge(&user).unwrap();
        let mut wanted = request("net1");
        wanted.options = Some([("com.docker.network.bridge.name".to_owned(), "mine".to_owned())].into());
        bench.create(wanted.clone()).unwrap();
        wanted.name = "net2".to_owned();
        assert_eq!(bench.create(wanted).unwrap_err().kind, Kind::Forbidden);
        bench.networks.remove("net1").unwrap();
        assert!(network::bridge::is_there("mine").unwrap());
    });
}

#[test]
fn a_failed_creation_leaves_nothing() {
    on_host(|| {
        let bench = Bench::new();
        let mut wanted = request("net1");
        wanted.options = Some([("com.docker.network.bridge.name".to_owned(), "lo".to_owned())].into());
        bench.create(wanted).unwrap_err();
        bench.networks.inspect("net1").unwrap_err();
        assert!(bench.networks.state().pending.is_empty());
        assert_eq!(bench.rules().networks.len(), 1);
        bench.create(request("net1")).unwrap();
    });
}

#[test]
fn a_given_address_is_honoured_on_networks_with_a_given_subnet_only() {
    on_host(|| {
        let bench = Bench::new();
        bench.create(with_subnet("net1", "10.77.0.0/24")).unwrap();
        let endpoint = |address: &str| EndpointSettings {
            ipam_config: Some(EndpointIpamConfig { ipv4_address: address.to_owned(), ..Default::default() }),
            ..EndpointSettings::default()
        };
        let check = |name: &str, address: &str| {
            let endpoints = BTreeMap::from([(name.to_owned(), endpoint(address))]);
            bench.networks.check(name, &endpoints, None).map_err(|error| error.message)
        };
        assert_eq!(check("net1", "10.77.0.9"), Ok(()));
        assert_eq!(
            check("net1", "10.1.1.1").unwrap_err(),
            "invalid config for network net1: invalid endpoint settings:\nno configured subnet or ip-range contain the IP address 10.1.1.1"
        );
        assert_eq!(
            check("bridge", "10.1.1.1").unwrap_err(),
            "invalid config for network bridge: invalid endpoint settings:\n* user specified IP address is supported on user defined networks only\n* user specified IP address is supported only when connecting to networks with user configured subnets"
        );
        let mut first = wish('a', "net1", &[]);
        first.endpoints.insert("net1".to_owned(), endpoint("10.77.0.9"));
        assert_eq!(address(&bench.start(&first).unwrap()), Ipv4Addr::new(10, 77, 0, 9));
        let second = Wish { container_id: "b".repeat(64), ..first };
        let error = bench.start(&second).unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (Kind::Forbidden, "Address already in use"));
    });
}

#[test]
fn host_and_none_have_names_but_no_address() {
    on_host(|| {
        let bench = Bench::new();
        let none = bench.start(&wish('a', "none", &[("80/tcp", "18080")])).unwrap();
        assert_eq!((none.plan.clone(), none.ports.len()), (None, 0));
        assert!(none.hosts.starts_with("127.0.0.1\tlocalhost\n") && !none.hosts.contains("aaaa"));
        assert_eq!(none.networks["none"].ip_address, "");
        let host = bench.start(&wish('b', "host", &[])).unwrap();
        assert!(host.plan.is_none() && !host.networks["host"].endpoint_id.is_empty());
        assert_eq!(bench.networks.inspect("host").unwrap().containers.len(), 1);
        let missing = bench.start(&wish('c', "nope", &[])).unwrap_err();
        assert_eq!((missing.kind, missing.message.as_str()), (Kind::NotFound, "network nope not found"));
    });
}

#[test]
fn lists_are_filtered_as_docker_does() {
    on_host(|| {
        let bench = Bench::new();
        let mut labelled = request("front");
        labelled.labels = Some([("tier".to_owned(), "web".to_owned())].into());
        bench.create(labelled).unwrap();
        bench.create(request("back")).unwrap();
        bench.start(&wish('a', "back", &[])).unwrap();
        let names = |name: &str, value: &str| {
            let mut filters = Filters::default();
            filters.add(name, value);
            let list = bench.networks.list(&filters).map_err(|error| error.message)?;
            Ok::<_, String>(list.into_iter().map(|network| network.name).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(names("driver", "bridge").as_deref(), Ok("back bridge front"));
        assert_eq!(names("name", "^b").as_deref(), Ok("back bridge"));
        assert_eq!(names("label", "tier=web").as_deref(), Ok("front"));
        assert_eq!(names("type", "custom").as_deref(), Ok("back front"));
        assert_eq!(names("dangling", "true").as_deref(), Ok("front"));
        assert_eq!(names("scope", "moon").as_deref(), Ok(""));
        assert_eq!(names("type", "nope").unwrap_err(), "invalid filter: 'type'='nope'");
        assert_eq!(names("nope", "1").unwrap_err(), "invalid filter 'nope'");
        assert_eq!(
            names("dangling", "maybe").unwrap_err(),
            "invalid value for filter 'dangling', must be \"true\" (or \"1\"), or \"false\" (or \"0\")"
        );
    });
}

#[test]
fn two_daemons_do_not_share_a_bridge() {
    on_host(|| {
        let bench = Bench::new();
        let root = tempfile::tempdir().unwrap();
        let open = |bridge: &str| {
            let mut config = config(root.path());
            config.network.bridge = bridge.to_owned();
            Networks::open(Db::open(root.path()).unwrap(), &config, Events::new()).unwrap()
        };
        let refused = open("docker0").reconcile(&BTreeSet::new()).unwrap_err();
        assert_eq!(refused.message, "bridge docker0 belongs to another daemon that runs on this host");
        let other = open("docker1");
        other.reconcile(&BTreeSet::new()).unwrap();
        let subnet = other.inspect("bridge").unwrap().ipam.config.unwrap()[0].subnet.clone();
        assert_eq!(subnet, "172.18.0.0/16");
        drop(other);
        drop(bench.networks);

        // Its daemon is gone; its rules must not go on deciding about the bridge.
        let next = open("docker0");
        next.reconcile(&BTreeSet::new()).unwrap();
        let tables = Firewall::list("gantry").unwrap();
        assert_eq!(
            tables.iter().map(Firewall::table).collect::<Vec<_>>(),
            [next.inner.firewall.as_ref().unwrap().table()]
        );
    });
}

#[test]
fn a_daemon_without_a_default_bridge_gives_a_loopback_only() {
    on_host(|| {
        let root = tempfile::tempdir().unwrap();
        let mut config = config(root.path());
        config.network.bridge = "none".to_owned();
        let networks = Networks::open(Db::open(root.path()).unwrap(), &config, Events::new()).unwrap();
        networks.reconcile(&BTreeSet::new()).unwrap();
        networks.inspect("bridge").unwrap_err();
        assert!(!network::bridge::is_there("docker0").unwrap());
        let (reservation, _) = networks.reserve(&wish('a', "bridge", &[])).unwrap();
        assert!(reservation.plan.is_none() && reservation.networks.is_empty());
    });
}

#[test]
fn every_bridge_passes_iptables_that_drop_by_default() {
    on_host(|| {
        let iptables = |arguments: &[&str]| {
            #[expect(clippy::disallowed_methods, reason = "the test looks with the host's own tool")]
            let output = std::process::Command::new("iptables").args(arguments).output().unwrap();
            assert!(output.status.success());
            String::from_utf8(output.stdout).unwrap()
        };
        iptables(&["-P", "FORWARD", "DROP"]);
        let bench = Bench::new();
        let id = bench.create(request("net1")).unwrap();
        let bridge = format!("br-{}", &id[..12]);
        let rules = iptables(&["-S", "FORWARD"]);
        assert!(rules.contains("-i docker0") && rules.contains(&format!("-o {bridge}")), "{rules}");
        bench.networks.remove("net1").unwrap();
        assert!(!iptables(&["-S", "FORWARD"]).contains(&bridge));
    });
}
