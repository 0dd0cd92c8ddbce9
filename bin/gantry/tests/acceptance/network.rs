//! NET: networks on one host.

use testing::images;
use testing::row;

fn address(row: &testing::acceptance::Row<'_>, container: &str) -> String {
    row.inspect(container, "{{.NetworkSettings.IPAddress}}")
}

row!(docker0_has_a_veth_per_container, "NET-009", |row| {
    row.sh("docker run -d busybox sleep 1000; docker run -d busybox sleep 1000").ok();
    row.sh("ip -d link show docker0").ok().shows("bridge");
    row.sh("ip addr show docker0").ok().shows("inet 172.17.0.1/16");
    let ends = row.sh("ip -o -d link show master docker0").ok();
    assert_eq!(ends.lines().len(), 2, "{ends}");
    assert!(ends.lines().iter().all(|line| line.contains("veth")), "{ends}");
    assert_eq!(row.sh("ls /sys/class/net/docker0/brif").ok().lines().len(), 2);
    row.eventually_prints("docker rm -f $(docker ps -q) >/dev/null 2>&1; ls /sys/class/net/docker0/brif", "");
});

row!(the_default_bridge_knows_addresses_not_names, "NET-010", |row| {
    row.sh("docker run -d --name one busybox sleep 1000; docker run -d --name two busybox sleep 1000").ok();
    row.sh(&format!("docker exec one ping -c 1 -W 5 {}", address(row, "two")))
        .ok()
        .shows("1 packets received");
    let named = row.sh("docker exec one ping -c 1 -W 1 two");
    assert!(named.code != 0 && named.stderr.contains("bad address"), "{named}");
});

row!(the_host_network_is_the_hosts, "NET-014", |row| {
    row.sh("docker run -d --network host busybox httpd -f -p 8123 -h /etc").ok();
    row.eventually_prints("curl -s localhost:8123/group | head -n 1", "root:x:0:");
});

row!(the_none_network_has_only_lo, "NET-015", |row| {
    let links = row.sh("docker run --net none busybox ip -o link").ok();
    assert_eq!(links.lines().len(), 1, "{links}");
    assert!(links.stdout.contains(" lo:") && links.stdout.contains("UP"), "{links}");
});

row!(containers_reach_outside_under_the_hosts_address, "NET-019", |row| {
    // `outside` has no way back to the containers' addresses: an answer means that the source was changed.
    row.sh("ip netns add outside && ip link add out0 type veth peer name eth0 netns outside && \
         ip addr add 10.99.0.1/24 dev out0 && ip link set out0 up && \
         ip -n outside addr add 10.99.0.2/24 dev eth0 && ip -n outside link set eth0 up")
        .ok();
    row.sh("docker run busybox ping -c 1 -W 10 10.99.0.2").ok().shows("1 packets received");
    row.sh("ip netns del outside && umount /run/netns").ok();
});

row!(published_ports_are_visible_as_rules, "NET-021", |row| {
    row.load(&images::web("v1"));
    row.sh("docker run -d --name web -p 8080:80 t/web:v1").ok();
    let rules = row.sh("iptables -t nat -L -n 2>/dev/null; nft list ruleset");
    let address = address(row, "web");
    assert!(rules.stdout.to_lowercase().contains("dnat"), "{rules}");
    let line = rules.stdout.lines().find(|line| line.contains("8080") && line.contains(&address));
    assert!(line.is_some(), "no rule for 8080 -> {address}: {rules}");
});

row!(ports_show_in_the_list, "NET-023", |row| {
    row.load(&images::web("v1"));
    row.sh("docker run -d --name published -p 8080:80 t/web:v1; docker run -d --name exposed t/web:v1").ok();
    row.sh("docker ps -f name=published --format '{{.Ports}}'").ok().shows("0.0.0.0:8080->80/tcp");
    row.sh("docker ps -f name=exposed --format '{{.Ports}}'").ok().prints("80/tcp\n");
});
