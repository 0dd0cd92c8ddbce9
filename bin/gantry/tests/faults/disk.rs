//! A full disk: a small loop device under the data root.

use serde_json::{Value, json};
use testing::daemon::Start;
use testing::{images, program};

use crate::bench::{assert_truthful, create};

#[test]
fn a_full_disk_refuses_politely_and_loses_nothing() {
    testing::on_host(&[], |host| {
        let image = host.path("disk");
        program::shell(&format!(
            "truncate -s 24M {0} && mkfs.ext4 -q -m 0 {0} && mkdir -p /var/lib/gantry && mount -o loop {0} /var/lib/gantry",
            image.display()
        ))
        .ok();
        let start = Start::plain(host.folder());
        let daemon = start.start();
        daemon.load(&images::busybox());
        create(&daemon, "kept", "sleep 1000", &json!({}));
        daemon.post("/containers/kept/start", &Value::Null).expect(204);

        program::shell("dd if=/dev/zero of=/var/lib/gantry/filler bs=64k 2>/dev/null; true").ok();
        let refused = create(&daemon, "refused", "true", &json!({}));
        assert_eq!(refused, Some(500), "{}", daemon.log());
        let message = daemon.post("/containers/create?name=again", &json!({ "Image": "busybox" })).message();
        assert!(message.to_lowercase().contains("no space left"), "{message}");
        assert_truthful(&daemon, "with a full disk");
        daemon.kill_9();

        program::shell("rm /var/lib/gantry/filler").ok();
        let daemon = start.start();
        assert_truthful(&daemon, "with space again");
        assert_eq!(daemon.get("/containers/kept/json").json()["State"]["Running"], true);
        assert_eq!(create(&daemon, "refused", "true", &json!({})), Some(201));
        daemon.clear();
        daemon.stop();
        program::shell("umount /var/lib/gantry").ok();
    });
}
