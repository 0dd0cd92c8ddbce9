//! Archives made to hurt: nothing is created, nothing outside the root is touched.

use testing::daemon::{Daemon, Start};
use testing::http::Request;
use testing::images::{self, Image};
use testing::program;
use testing::tar::{Archive, Node, root};

fn load(daemon: &Daemon, archive: Vec<u8>) -> (u16, String) {
    let request =
        Request::new("POST", "/images/load?quiet=1").header("Content-Type: application/x-tar").body(archive);
    let answer = daemon.ask(request);
    (answer.status, answer.text())
}

/// An image whose only own layer is `layer`.
fn image(layer: Archive) -> Image {
    images::busybox().named("t/hostile:1").layer(layer)
}

fn hardlink(name: &str, target: &str) -> Archive {
    Archive::new().with(name, root(0o644), &Node::Hardlink(target.to_owned()))
}

#[test]
fn hostile_layers_stay_inside_the_root() {
    testing::on_host(&[], |host| {
        let daemon = Start::plain(host.folder()).start();
        std::fs::write("/run/test/victim", "untouched").unwrap();
        let dots = "../".repeat(12);
        for (what, layer) in [
            ("an absolute name", Archive::new().file("/run/test/absolute", 0o644, "x")),
            ("a name with dots", Archive::new().file(&format!("{dots}run/test/dots"), 0o644, "x")),
            (
                "a link out and a file through it",
                Archive::new().symlink("out", "/run/test").file("out/through", 0o644, "x"),
            ),
            (
                "a relative link out",
                Archive::new().symlink("out", &format!("{dots}run/test")).file("out/relative", 0o644, "x"),
            ),
            (
                "a hard link to the host",
                hardlink("stolen", "/run/test/victim").file("stolen", 0o644, "overwritten"),
            ),
            (
                "a hard link with dots",
                hardlink("stolen", &format!("{dots}run/test/victim")).file("stolen", 0o644, "overwritten"),
            ),
            ("a whiteout with dots", Archive::new().file(&format!("{dots}run/test/.wh.victim"), 0o644, "")),
            (
                "a link replaced by a folder",
                Archive::new().symlink("d", "/run/test").folder("d/", 0o755).file("d/replaced", 0o644, "x"),
            ),
        ] {
            // Refused or tamed: both are right, as long as the host stays as it was.
            load(&daemon, image(layer).archive());
            let listed = program::shell("ls /run/test").ok();
            assert_eq!(listed.lines(), ["daemon.log", "victim"], "{what} reached the host");
            assert_eq!(std::fs::read_to_string("/run/test/victim").unwrap(), "untouched", "{what}");
            daemon.delete("/images/t/hostile:1?force=1");
        }
    });
}

#[test]
fn damaged_archives_are_refused_and_leave_nothing() {
    testing::on_host(&[], |host| {
        let daemon = Start::plain(host.folder()).start();
        let listing = || {
            program::shell("find /var/lib/gantry/blobs /var/lib/gantry/overlay2 -mindepth 2 | sort").stdout
        };
        let before = listing();
        let whole = images::busybox().archive();
        let mut flipped = whole.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 0xff;
        let empty_manifest = Archive::new().file("manifest.json", 0o644, "[{}]").finish();
        let outside = Archive::new()
            .file(
                "manifest.json",
                0o644,
                r#"[{"Config":"/etc/passwd","RepoTags":["t/x:1"],"Layers":["../../etc/passwd"]}]"#,
            )
            .finish();
        for (what, archive) in [
            ("cut in the middle", whole[..whole.len() / 2].to_vec()),
            ("with a wrong layer", flipped),
            ("with an empty manifest", empty_manifest),
            ("with names outside", outside),
            (
                "of noise",
                (0..100_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect(),
            ),
        ] {
            let (status, text) = load(&daemon, archive);
            assert!(status >= 400 || text.contains("error"), "an archive {what} was taken: {status} {text}");
            assert_eq!(
                daemon.get("/images/json").json(),
                serde_json::json!([]),
                "an archive {what} left an image"
            );
            assert_eq!(listing(), before, "an archive {what} left files");
        }
        daemon.load(&images::busybox());
    });
}

#[test]
fn a_bomb_does_not_fill_the_disk_unseen() {
    testing::on_host(&[], |host| {
        program::shell("mkdir -p /var/lib/gantry && mount -t tmpfs -o size=64m tmpfs /var/lib/gantry").ok();
        let daemon = Start::plain(host.folder()).start();
        // 512 MiB of zeros pack into half a megabyte.
        let zeros =
            testing::registry::gzip(&Archive::new().file("zeros", 0o644, vec![0; 512 << 20]).finish());
        let (status, text) = load(&daemon, zeros);
        assert!(status >= 400 || text.contains("error"), "{status} {text}");
        let import = Request::new("POST", "/images/create?fromSrc=-&repo=bomb");
        let zeros =
            testing::registry::gzip(&Archive::new().file("zeros", 0o644, vec![0; 512 << 20]).finish());
        let answer = daemon.ask(import.header("Content-Type: application/x-tar").body(zeros));
        assert!(answer.status >= 400 || answer.text().contains("error"), "{answer}");
        daemon.get("/_ping").expect(200);
        let used = program::shell("du -sm /var/lib/gantry | cut -f1").ok();
        assert!(used.text().parse::<u64>().unwrap() < 8, "{used}");
    });
}
