//! Layers as containers see them, and what is left when images and containers go.

use std::fs;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use ::images::{ImageUser, RemoveOptions, Removed};
use mount::Overlay;
use testing::images;
use testing::tar::Archive;

use crate::bench::Bench;
use crate::build::{Item, archive};

const ONE: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const PLAIN: RemoveOptions = RemoveOptions { force: false, prune: true };
const FORCE: RemoveOptions = RemoveOptions { force: true, prune: true };

/// Calls `look` with the root of the mounted container.
fn mounted(snapshot: &::images::Snapshot, look: impl FnOnce(PathBuf)) {
    let overlay = Overlay {
        lower: snapshot.lower.clone(),
        upper: Some(snapshot.upper.clone()),
        work: Some(snapshot.work.clone()),
        volatile: false,
    };
    let mount = overlay.mount().unwrap();
    look(PathBuf::from(format!("/proc/self/fd/{}", mount.as_raw_fd())));
}

#[test]
fn a_container_sees_the_layers_as_one() {
    testing::on_host(&[], |_| {
        let bench = Bench::new();
        let loaded = bench.load(images::layers().archive()).unwrap();
        let snapshot = bench.store.prepare(ONE, &loaded[0].image).unwrap();
        assert_eq!(snapshot.lower.len(), images::layers().layers.len() + 1);
        mounted(&snapshot, |root| {
            assert_eq!(fs::read_to_string(root.join("version")).unwrap(), "three\n");
            assert!(!root.join("first-only").exists());
            assert!(root.join("second-only").exists());
            let names: Vec<_> =
                fs::read_dir(root.join("dir")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(names, ["new"]);
            // The places of mounts are there, from the lowest folder.
            for path in ["proc", "sys", "dev/pts", "dev/shm", "etc/hosts", "etc/resolv.conf", ".dockerenv"] {
                assert!(root.join(path).exists(), "{path}");
            }
            fs::write(root.join("own"), "written").unwrap();
            fs::remove_file(root.join("version")).unwrap();
        });
        assert_eq!(bench.store.size_rw(ONE).unwrap(), 7);
        let below = bench.top(&bench.store.get(&loaded[0].image).unwrap());
        assert_eq!(fs::read_to_string(below.join("version")).unwrap(), "three\n");
        bench.store.remove_snapshot(ONE).unwrap();
        bench.store.remove_snapshot(ONE).unwrap();
        assert!(!snapshot.upper.exists());
    });
}

#[test]
fn an_image_may_have_very_many_layers() {
    testing::on_host(&[], |_| {
        let bench = Bench::new();
        let mut image = images::busybox().named("deep:1");
        for number in 0..200 {
            image = image.layer(Archive::new().file("last", 0o644, number.to_string()).file(
                &format!("f{number}"),
                0o644,
                "",
            ));
        }
        let loaded = bench.load(image.archive()).unwrap();
        assert_eq!(loaded[0].image.as_str(), image.id());
        mounted(&bench.store.prepare(ONE, &loaded[0].image).unwrap(), |root| {
            assert_eq!(fs::read_to_string(root.join("last")).unwrap(), "199");
            assert!(root.join("f0").exists() && root.join("bin/busybox").exists());
        });
        let mut image = image;
        for number in 200..500 {
            image = image.layer(Archive::new().file(&format!("f{number}"), 0o644, ""));
        }
        assert_eq!(bench.load(image.archive()).unwrap_err().to_string(), "max depth exceeded");
    });
}

#[test]
fn layers_outlive_their_image_as_long_as_a_container_uses_them() {
    let bench = Bench::new();
    let image = bench.import_as(archive(&[Item::file("f", b"x")]), "x:1");
    let snapshot = bench.store.prepare(ONE, image.id()).unwrap();
    let user = |_: &reference::Digest| vec![ImageUser { container: ONE.to_owned(), is_running: false }];
    let refused = bench.store.remove("x:1", PLAIN, &user).unwrap_err().to_string();
    assert!(
        refused.starts_with("conflict: unable to remove repository reference \"x:1\" (must force)"),
        "{refused}"
    );
    let removed = bench.store.remove(image.id().hex(), FORCE, &user).unwrap();
    assert!(matches!(removed.as_slice(), [Removed::Untagged { .. }, Removed::Image(_)]), "{removed:?}");
    assert!(snapshot.lower[0].join("f").exists());
    assert!(bench.store.resolve("x:1").is_err());

    let bench = bench.reopened();
    bench.store.sweep([(ONE, image.id())]).unwrap();
    assert_eq!(bench.store.prepare(ONE, image.id()).unwrap(), snapshot);
    assert!(snapshot.lower[0].join("f").exists());
    bench.store.remove_snapshot(ONE).unwrap();
    assert_eq!(bench.content(), Vec::<String>::new());
}

#[test]
fn a_shared_layer_stays_for_the_other_image() {
    let bench = Bench::new();
    bench.load(images::busybox().archive()).unwrap();
    bench.load(images::layers().archive()).unwrap();
    let removed = bench.store.remove("t/layers", PLAIN, &|_| Vec::new()).unwrap();
    assert_eq!(removed.iter().filter(|step| matches!(step, Removed::Layer(_))).count(), 3);
    let busybox = bench.store.resolve("t/busybox").unwrap();
    assert!(bench.top(&busybox).join("bin/busybox").exists());
    bench.store.remove(busybox.id().as_str(), FORCE, &|_| Vec::new()).unwrap();
    assert_eq!(bench.content(), Vec::<String>::new());
}

#[test]
fn a_new_start_finds_everything_again_and_sweeps_what_a_crash_left() {
    let bench = Bench::new();
    let image = bench.import_as(archive(&[Item::file("f", b"data")]), "x:1");
    bench.store.prepare(ONE, image.id()).unwrap();
    let root = bench.root();
    for left in ["overlay2/2222/diff", "tmp/half/diff", "trash/old/diff"] {
        fs::create_dir_all(root.join(left)).unwrap();
    }
    let orphan = "a".repeat(64);
    fs::create_dir_all(root.join("overlay2").join(&orphan).join("diff")).unwrap();
    fs::write(root.join("blobs/sha256").join(&orphan), "{}").unwrap();

    let bench = bench.reopened();
    bench.store.sweep([]).unwrap();
    let found = bench.store.resolve("x:1").unwrap();
    assert_eq!((found.id(), found.size(), found.repo_tags()), (image.id(), 4, vec!["x:1".to_owned()]));
    assert_eq!(bench.content().len(), 2, "{:?}", bench.content());
    let empty = || fs::read_dir(root.join("trash")).unwrap().next().is_none();
    assert!(testing::wait::until(testing::wait::PATIENCE, empty), "the trash is emptied");
}

#[test]
fn a_damaged_image_is_left_out_and_can_be_loaded_again() {
    let bench = Bench::new();
    let archive = images::busybox().archive();
    let loaded = bench.load(archive.clone()).unwrap();
    fs::write(bench.root().join("blobs/sha256").join(loaded[0].image.hex()), "damaged").unwrap();
    let bench = bench.reopened();
    bench.store.sweep([]).unwrap();
    assert!(bench.store.resolve("t/busybox").is_err());
    bench.load(archive).unwrap();
    assert_eq!(bench.store.resolve("t/busybox").unwrap().id(), &loaded[0].image);
    let bench = bench.reopened();
    assert_eq!(bench.store.resolve("t/busybox").unwrap().id(), &loaded[0].image);
}

#[test]
fn the_built_in_image_is_there_when_it_is_asked_for() {
    let bench = Bench::new();
    assert_eq!(bench.store.list().len(), 0);
    let image = bench.store.resolve("gantry/hello").unwrap();
    assert_eq!(image.repo_tags(), ["gantry/hello:latest"]);
    assert_eq!(image.config().config.as_ref().unwrap().cmd.as_deref(), Some(&["/hello".to_owned()][..]));
    assert_eq!(fs::read(bench.top(&image).join("hello")).unwrap(), sys::programs::HELLO);
    assert_eq!(bench.store.resolve("gantry/hello:latest").unwrap().id(), image.id());
    bench.store.remove("gantry/hello", PLAIN, &|_| Vec::new()).unwrap();
    assert_eq!(bench.store.list().len(), 0);
    assert_eq!(bench.store.resolve("gantry/hello").unwrap().id(), image.id());
    assert!(bench.store.resolve("gantry/hello:2").is_err());
}
