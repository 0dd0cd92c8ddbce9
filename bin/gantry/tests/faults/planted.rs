//! The leak check itself: what is planted must be found, or the other tests prove nothing.

use serde_json::{Value, json};
use testing::leaks::Holdings;
use testing::program;

use crate::bench::{Bench, create};

#[test]
fn a_planted_leak_of_each_kind_is_found() {
    testing::on_host(&[], |host| {
        let bench = Bench::prepare(host);
        let daemon = bench.start().start();
        let before = Holdings::count(Some(&daemon));
        for (kind, plant, uproot) in [
            ("link", "ip link add leaked type veth peer name leaked2", "ip link del leaked"),
            (
                "cgroup",
                "mkdir -p /sys/fs/cgroup/pids/docker/leaked",
                "rmdir /sys/fs/cgroup/pids/docker/leaked",
            ),
            ("mount", "mkdir /run/m && mount -t tmpfs tmpfs /run/m", "umount /run/m"),
            ("file", "mkdir /var/lib/gantry/containers/leaked", "rmdir /var/lib/gantry/containers/leaked"),
            ("rule", "nft add table ip leaked", "nft delete table ip leaked"),
        ] {
            program::shell(plant).ok();
            let found = Holdings::count(Some(&daemon)).leaked_since(&before);
            assert!(found.iter().any(|thing| thing.starts_with(kind)), "{kind} is not found: {found:?}");
            program::shell(uproot).ok();
        }
        // A container that nobody removes is the plainest leak of all.
        create(&daemon, "forgotten", "sleep 1000", &json!({}));
        daemon.post("/containers/forgotten/start", &Value::Null).expect(204);
        let found = Holdings::count(Some(&daemon)).leaked_since(&before).join("\n");
        for kind in [
            "link veth",
            "cgroup ",
            "process gantry-shim",
            "namespace net:",
            "file /var/lib/gantry/containers/",
        ] {
            assert!(found.contains(kind), "no {kind} in\n{found}");
        }
        bench.leaves_nothing(&daemon, "after the planted leaks");
    });
}
