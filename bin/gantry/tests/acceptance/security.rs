//! SEC: what keeps containers apart.

use testing::row;

row!(the_command_is_process_one, "SEC-001", |row| {
    row.sh("docker run --name alpha busybox sh -c 'echo $$; ps -o pid,args'")
        .ok()
        .shows("1\n")
        .shows("    1 ")
        .shows(" sh -c ");
    let seen = row.sh("docker run busybox ps -o pid").ok();
    assert_eq!(seen.lines().len(), 2, "other processes are visible: {seen}");
});

/// The namespace of one kind that a container's first process is in.
fn namespace(row: &testing::acceptance::Row<'_>, container: &str, kind: &str) -> std::path::PathBuf {
    std::fs::read_link(format!("/proc/{}/ns/{kind}", row.pid(container))).unwrap()
}

row!(each_container_has_its_own_interfaces, "SEC-002", |row| {
    row.sh("docker run -d --name alpha busybox sleep 1000; docker run -d --name beta busybox sleep 1000")
        .ok();
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    let (a, b) = (namespace(row, "alpha", "net"), namespace(row, "beta", "net"));
    assert!(a != b && a != own && b != own);
    row.sh("docker exec alpha ls /sys/class/net").ok().prints("eth0\nlo\n");
    assert_ne!(
        row.out("docker exec alpha cat /sys/class/net/eth0/address"),
        row.out("docker exec beta cat /sys/class/net/eth0/address")
    );
});

row!(mounts_inside_are_invisible_outside, "SEC-003", |row| {
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    row.sh("docker run -d --name alpha --cap-add SYS_ADMIN busybox sh -c 'mkdir /inside && mount -t tmpfs tmpfs /inside && echo done && sleep 1000'").ok();
    row.wait_log("alpha", "done");
    row.sh("docker exec alpha cat /proc/mounts").ok().shows(" /inside tmpfs");
    assert!(!mounts().contains("/inside"));
    assert_ne!(namespace(row, "alpha", "mnt"), std::fs::read_link("/proc/self/ns/mnt").unwrap());
});

row!(host_names_are_independent, "SEC-004", |row| {
    let before = row.out("hostname");
    row.sh("docker run --cap-add SYS_ADMIN busybox sh -c 'hostname inside; hostname'")
        .ok()
        .prints("inside\n");
    row.sh("docker run -h other busybox hostname").ok().prints("other\n");
    assert_eq!(row.out("hostname"), before);
});

row!(the_default_capabilities_are_dockers, "SEC-008", |row| {
    row.sh("docker run busybox grep -E 'Cap(Bnd|Eff|Prm)' /proc/self/status")
        .ok()
        .prints("CapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\n");
});

row!(sethostname_needs_sys_admin, "SEC-009", |row| {
    row.sh("docker run busybox hostname foo")
        .code(1)
        .complains("hostname: sethostname: Operation not permitted");
    row.sh("docker run --cap-add=SYS_ADMIN busybox sh -c 'hostname foo; hostname'").ok().prints("foo\n");
});

row!(ping_needs_net_raw, "SEC-010", |row| {
    row.sh("docker run busybox ping -c 1 127.0.0.1").ok().shows("64 bytes from 127.0.0.1");
    row.sh("docker run --cap-drop=NET_RAW busybox ping -c 1 127.0.0.1")
        .code(1)
        .complains("permission denied (are you root?)");
});

row!(one_capability_is_enough_for_port_80, "SEC-011", |row| {
    let server =
        "docker run -d --name alpha --cap-drop ALL --cap-add NET_BIND_SERVICE busybox httpd -f -p 80 -h /etc";
    row.sh(server).ok();
    row.eventually_prints("docker exec alpha wget -qO- 127.0.0.1:80/group | head -n 1", "root:x:0:");
    let status = std::fs::read_to_string(format!("/proc/{}/status", row.pid("alpha"))).unwrap();
    assert!(status.contains("CapEff:\t0000000000000400"), "{status}");
});
