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
        // The last block of the store's own log may still take a few.
        let mut created = Vec::new();
        let message = loop {
            let name = format!("c{}", created.len());
            let answer =
                daemon.post(&format!("/containers/create?name={name}"), &json!({ "Image": "busybox" }));
            match answer.status {
                201 => created.push(name),
                500 => break answer.message(),
                _ => panic!("{answer}\n{}", daemon.log()),
            }
            assert!(created.len() < 200, "a full disk takes everything");
        };
        assert!(message.to_lowercase().contains("no space left"), "{message}");
        assert_truthful(&daemon, "with a full disk");
        daemon.kill_9();

        program::shell("rm /var/lib/gantry/filler").ok();
        let daemon = start.start();
        assert_truthful(&daemon, "with space again");
        assert_eq!(daemon.get("/containers/kept/json").json()["State"]["Running"], true);
        for name in created {
            daemon.get(&format!("/containers/{name}/json")).expect(200);
        }
        assert_eq!(create(&daemon, "again", "true", &json!({})), Some(201));
        daemon.post("/containers/again/start", &Value::Null).expect(204);
        daemon.clear();
        daemon.stop();
        // Supervisors let go of their layers after they have told of the end.
        testing::wait::eventually("nobody uses the disk", || {
            program::shell("umount /var/lib/gantry").code == 0
        });
    });
}
