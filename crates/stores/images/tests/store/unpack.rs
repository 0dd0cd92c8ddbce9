//! What an archive says is what lies on disk.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{lgetxattr, major, minor};

use crate::bench::Bench;
use crate::build::{Item, archive};

fn attribute(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 256];
    let length = lgetxattr(path, name, &mut buffer).ok()?;
    buffer.truncate(length);
    Some(buffer)
}

#[test]
fn every_kind_of_file_keeps_its_identity() {
    let bench = Bench::new();
    let long = format!("{}/end", "long-name-of-a-folder".repeat(12));
    let image = bench
        .import(archive(&[
            Item::folder("./"),
            Item::folder("d/").mode(0o1777).owner(5, 6).record("mtime", b"1000000000.123456789"),
            Item::file("d/set", b"setuid").mode(0o4755).owner(7, 8).record("mtime", b"1500000000.000000042"),
            Item::hard_link("hard", "d/set"),
            Item::symlink("d/soft", "/etc/passwd").owner(9, 10),
            Item::device(b'3', "null", (1, 3)).mode(0o666),
            Item::device(b'4', "disk", (8, 1)),
            Item::device(b'6', "pipe", (0, 0)),
            Item::file(&long, b"deep"),
            Item::file("implied/parents/are/made", b""),
        ]))
        .unwrap();
    let top = bench.top(&image);

    let folder = fs::metadata(top.join("d")).unwrap();
    assert_eq!((folder.mode() & 0o7777, folder.uid(), folder.gid()), (0o1777, 5, 6));
    assert_eq!((folder.mtime(), folder.mtime_nsec()), (1_000_000_000, 123_456_789));
    let file = fs::metadata(top.join("d/set")).unwrap();
    assert_eq!((file.mode() & 0o7777, file.uid(), file.gid(), file.nlink()), (0o4755, 7, 8, 2));
    assert_eq!((file.mtime(), file.mtime_nsec()), (1_500_000_000, 42));
    assert_eq!(fs::metadata(top.join("hard")).unwrap().ino(), file.ino());
    let link = fs::symlink_metadata(top.join("d/soft")).unwrap();
    assert_eq!((link.uid(), link.gid()), (9, 10));
    assert_eq!(fs::read_link(top.join("d/soft")).unwrap(), Path::new("/etc/passwd"));
    let null = fs::metadata(top.join("null")).unwrap();
    assert!(null.file_type().is_char_device());
    assert_eq!((major(null.rdev()), minor(null.rdev()), null.mode() & 0o7777), (1, 3, 0o666));
    assert!(fs::metadata(top.join("disk")).unwrap().file_type().is_block_device());
    assert!(fs::metadata(top.join("pipe")).unwrap().file_type().is_fifo());
    assert_eq!(fs::read(top.join(long)).unwrap(), b"deep");
    assert_eq!(fs::metadata(top.join("implied/parents")).unwrap().mode() & 0o7777, 0o755);
    // The root folder keeps Docker's identity whatever the archive says of it.
    assert_eq!(fs::metadata(&top).unwrap().mode() & 0o7777, 0o755);
    // Hard links count once, links their target's name.
    assert_eq!(image.size(), 6 + 11 + 4);
}

#[test]
fn attributes_are_kept_but_not_those_of_overlayfs() {
    let bench = Bench::new();
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let image = bench
        .import(archive(&[
            Item::file("ping", b"x")
                .mode(0o755)
                .owner(3, 3)
                .record("SCHILY.xattr.security.capability", &capability)
                .record("SCHILY.xattr.user.note", b"line\nline")
                .record("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
            Item::folder("f/")
                .record("SCHILY.xattr.trusted.overlay.opaque", b"y")
                .record("SCHILY.xattr.user.k", b"v"),
        ]))
        .unwrap();
    let top = bench.top(&image);
    assert_eq!(attribute(&top.join("ping"), "security.capability").unwrap(), capability);
    assert_eq!(attribute(&top.join("ping"), "user.note").unwrap(), b"line\nline");
    assert_eq!(attribute(&top.join("ping"), "trusted.overlay.redirect"), None);
    assert_eq!(attribute(&top.join("f"), "user.k").unwrap(), b"v");
    assert_eq!(attribute(&top.join("f"), "trusted.overlay.opaque"), None);
}

#[test]
fn deletions_become_whiteouts() {
    let bench = Bench::new();
    let image = bench
        .import(archive(&[
            Item::file(".wh.gone", b""),
            Item::file("d/.wh.inner", b""),
            Item::file("emptied/.wh..wh..opq", b""),
            Item::file("emptied/new", b"new"),
            Item::file(".wh..wh.plnk/1.2", b""),
            Item::file(".wh..wh.aufs", b""),
            // Deleted below, made anew here: what lies below must not show through.
            Item::file(".wh.again", b""),
            Item::folder("again/"),
            // Made here, deleted below: a whiteout hides nothing of its own layer.
            Item::file("kept", b"kept"),
            Item::file(".wh.kept", b""),
        ]))
        .unwrap();
    let top = bench.top(&image);
    for path in ["gone", "d/inner"] {
        let facts = fs::symlink_metadata(top.join(path)).unwrap();
        assert!(facts.file_type().is_char_device() && facts.rdev() == 0, "{path}");
    }
    for path in ["emptied", "again"] {
        assert_eq!(attribute(&top.join(path), "trusted.overlay.opaque").unwrap(), b"y", "{path}");
    }
    assert_eq!(fs::read(top.join("emptied/new")).unwrap(), b"new");
    assert_eq!(fs::read(top.join("kept")).unwrap(), b"kept");
    assert!(!top.join(".wh..wh.aufs").exists());
    let names: Vec<_> = fs::read_dir(&top).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        names.iter().all(|name| !name.to_str().unwrap().starts_with(".wh.") || name == ".wh..wh.plnk"),
        "{names:?}"
    );
}

#[test]
fn holes_take_no_room() {
    let bench = Bench::new();
    let image = bench
        .import(archive(&[Item::file("big", b"headend")
            .record("GNU.sparse.size", b"1073741824")
            .record("GNU.sparse.map", b"0,4,1073741821,3")]))
        .unwrap();
    let facts = fs::metadata(bench.top(&image).join("big")).unwrap();
    assert_eq!(facts.len(), 1 << 30);
    assert!(facts.blocks() < 64, "{} blocks", facts.blocks());
    assert_eq!(image.size(), 1 << 30);
}

#[test]
fn what_comes_later_wins() {
    let bench = Bench::new();
    let image = bench
        .import(archive(&[
            Item::file("f", b"first, and longer"),
            Item::file("f", b"second"),
            Item::folder("d/"),
            Item::file("d/inner/deep/file", b"12345"),
            Item::file("d", b"now a file"),
            Item::file("x", b"a file"),
            Item::folder("x/"),
            Item::file("x/y", b"inside"),
            Item::symlink("s", "x"),
            Item::folder("s/"),
            Item::file("s/z", b"own"),
            Item::folder("x/").mode(0o700),
        ]))
        .unwrap();
    let top = bench.top(&image);
    assert_eq!(fs::read(top.join("f")).unwrap(), b"second");
    assert_eq!(fs::read(top.join("d")).unwrap(), b"now a file");
    assert_eq!(fs::read(top.join("x/y")).unwrap(), b"inside");
    assert_eq!(fs::metadata(top.join("x")).unwrap().mode() & 0o7777, 0o700);
    assert!(!top.join("x/z").exists());
    assert_eq!(fs::read(top.join("s/z")).unwrap(), b"own");
    assert_eq!(image.size(), 6 + 10 + 6 + 3);
}

#[test]
fn names_go_through_links_that_stay_inside() {
    let bench = Bench::new();
    let image = bench
        .import(archive(&[
            Item::folder("usr/bin/"),
            Item::symlink("bin", "usr/bin"),
            Item::file("bin/sh", b"shell"),
            Item::symlink("abs", "/usr"),
            Item::file("abs/bin/ls", b"list"),
            Item::hard_link("bin/sh2", "bin/sh"),
        ]))
        .unwrap();
    let top = bench.top(&image);
    assert_eq!(fs::read(top.join("usr/bin/sh")).unwrap(), b"shell");
    assert_eq!(fs::read(top.join("usr/bin/ls")).unwrap(), b"list");
    assert_eq!(fs::metadata(top.join("usr/bin/sh2")).unwrap().nlink(), 2);
}

#[test]
fn the_digest_is_of_the_plain_archive_to_its_last_byte() {
    let bench = Bench::new();
    let mut plain = archive(&[Item::file("f", b"x")]);
    plain.extend_from_slice(&[0; 9000]);
    let expected = testing::images::digest(&plain);
    let packed = bench.import(testing::registry::gzip(&plain)).unwrap();
    assert_eq!(packed.config().diff_ids()[0].as_str(), expected);
    let same = bench.import(plain).unwrap();
    assert_eq!(same.config().diff_ids()[0].as_str(), expected);
    assert_eq!(bench.content().iter().filter(|name| name.starts_with("overlay2/")).count(), 1);
}
