//! Archives that mean harm: whatever they try, nothing outside the store changes and no half of them stays.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use crate::bench::{Bench, listing};
use crate::build::{Item, archive, open_archive};

/// Each attack knows the absolute path of a folder that it must not reach.
fn attacks(outside: &str) -> Vec<(&'static str, Vec<Item>)> {
    let victim = format!("{outside}/victim");
    let up = "../".repeat(30);
    vec![
        ("dots", vec![Item::file(&format!("{up}{outside}/new"), b"x")]),
        ("an absolute path", vec![Item::file(&format!("{outside}/new"), b"x")]),
        ("dots in the middle", vec![Item::file(&format!("a/../../../{up}{victim}"), b"x")]),
        (
            "a link to outside",
            vec![Item::symlink("l", outside), Item::file("l/new", b"x"), Item::file("l/victim", b"x")],
        ),
        ("a link by dots", vec![Item::symlink("l", &format!("{up}{outside}")), Item::file("l/new", b"x")]),
        (
            "a chain of links",
            vec![
                Item::symlink("a", "b"),
                Item::symlink("b", "c"),
                Item::symlink("c", outside),
                Item::file("a/victim", b"x"),
            ],
        ),
        ("a link to the file itself", vec![Item::symlink("l", &victim), Item::file("l", b"x")]),
        ("a hard link to outside", vec![Item::hard_link("h", &victim), Item::file("h", b"x")]),
        (
            "a hard link by dots",
            vec![Item::hard_link("h", &format!("{up}{victim}")), Item::file("h", b"x").mode(0o777)],
        ),
        (
            "a hard link through a link",
            vec![Item::symlink("l", outside), Item::hard_link("h", "l/victim"), Item::file("h", b"x")],
        ),
        (
            "a folder that becomes a link",
            vec![
                Item::folder("d/"),
                Item::file("d/inner", b"x"),
                Item::symlink("d", outside),
                Item::file("d/victim", b"x"),
                Item::folder("d/sub/").mode(0o777),
            ],
        ),
        (
            "removal through a link",
            vec![
                Item::symlink("l", outside),
                Item::folder("l/folder/"),
                Item::file("l/folder", b"x"),
                Item::file("l/.wh.victim", b""),
                Item::file("l/.wh..wh..opq", b""),
            ],
        ),
        (
            "owner and mode through a link",
            vec![Item::symlink("l", outside), Item::folder("l/").mode(0o777).owner(1, 1)],
        ),
        ("whiteouts of dots", vec![Item::file(".wh...", b"")]),
        ("a whiteout of a dot", vec![Item::file("d/.wh..", b"")]),
        ("a whiteout of nothing", vec![Item::file("d/.wh.", b"")]),
        (
            "links that go round",
            vec![Item::symlink("a", "b"), Item::symlink("b", "a"), Item::file("a/x", b"x")],
        ),
        (
            "a link of the kernel",
            vec![Item::symlink("l", "/proc/self/root"), Item::file(&format!("l{outside}/new"), b"x")],
        ),
        ("a name with a zero", vec![Item::file("x", b"").record("path", b"a\0b")]),
        ("a name that is too long", vec![Item::file(&"x".repeat(5000), b"")]),
        ("folders without end", vec![Item::file(&format!("{}x", "d/".repeat(3000)), b"")]),
        ("a file as a folder", vec![Item::file("f", b""), Item::file("f/x", b"")]),
        ("a hard link to a folder", vec![Item::folder("d/"), Item::hard_link("h", "d")]),
        ("a hard link to nothing", vec![Item::hard_link("h", "missing")]),
        ("a hard link to itself", vec![Item::file("h", b"x"), Item::hard_link("h", "h")]),
        ("a hard link to the root", vec![Item::hard_link("h", "/")]),
        (
            "the root as a file",
            vec![Item::file("/", b"x"), Item::symlink(".", outside), Item::file("new", b"x")],
        ),
        ("an unknown kind", vec![Item::new(b'V', "volume")]),
        (
            "a sparse file without bounds",
            vec![
                Item::file("s", b"x")
                    .record("GNU.sparse.size", b"4611686018427387904")
                    .record("GNU.sparse.map", b"4611686018427387903,1"),
            ],
        ),
        (
            "devices on top of files",
            vec![Item::symlink("l", &victim), Item::device(b'3', "l", (1, 3)), Item::file("l", b"x")],
        ),
    ]
}

fn outside(folder: &Path) -> std::path::PathBuf {
    let outside = folder.join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("victim"), "untouched").unwrap();
    fs::create_dir(outside.join("folder")).unwrap();
    fs::write(outside.join("folder/file"), "untouched").unwrap();
    outside
}

#[test]
fn nothing_outside_the_layer_changes() {
    let bench = Bench::new();
    let outside = outside(bench.folder.path());
    let before = listing(&outside);
    for (name, items) in attacks(outside.to_str().unwrap()) {
        let outcome = bench.import(archive(&items));
        assert_eq!(listing(&outside), before, "{name}");
        let content = bench.content();
        match outcome {
            Ok(image) => {
                let options = images::RemoveOptions { force: true, prune: true };
                bench.store.remove(image.id().as_str(), options, &|_| Vec::new()).unwrap();
            }
            Err(_) => assert_eq!(content, Vec::<String>::new(), "{name}"),
        }
        assert_eq!(bench.content(), Vec::<String>::new(), "{name}");
    }
}

/// The planted case: the check above must see a change where there is one.
#[test]
fn the_check_sees_a_change() {
    let folder = tempfile::tempdir().unwrap();
    let outside = outside(folder.path());
    let before = listing(&outside);
    fs::hard_link(outside.join("victim"), folder.path().join("held")).unwrap();
    assert_ne!(listing(&outside), before);
}

#[test]
fn broken_archives_are_told_in_dockers_words_and_leave_nothing() {
    let bench = Bench::new();
    let good = archive(&[Item::folder("d/"), Item::file("d/f", &[7; 5000])]);
    let mut damaged = good.clone();
    damaged[512 + 3] = b'!';
    let mut truncated_gzip = testing::registry::gzip(&good);
    truncated_gzip.truncate(truncated_gzip.len() / 2);
    for (bytes, expected) in [
        (damaged, "archive/tar: invalid tar header"),
        (good[..3000].to_vec(), "unexpected EOF"),
        (b"this is no archive".to_vec(), "unexpected EOF"),
        (vec![b'x'; 2048], "archive/tar: invalid tar header"),
        (truncated_gzip, ""),
    ] {
        let error = bench.import(bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{error} instead of {expected}");
        assert_eq!(bench.content(), Vec::<String>::new());
    }
}

#[test]
fn a_full_disk_is_told_and_the_store_goes_on() {
    testing::on_host(&[], |host| {
        let small = host.path("small");
        fs::create_dir(&small).unwrap();
        let size = c"size=24m";
        rustix::mount::mount("tmpfs", &small, "tmpfs", rustix::mount::MountFlags::empty(), size).unwrap();
        let bench = Bench::below(&small);
        let big: Vec<Item> =
            (0..40).map(|number| Item::file(&format!("f{number}"), &vec![number; 1 << 20])).collect();
        let error = bench.import(archive(&big)).unwrap_err().to_string();
        assert!(error.ends_with("no space left on device"), "{error}");
        assert!(
            testing::wait::until(testing::wait::PATIENCE, || bench.content().is_empty()),
            "{:?}",
            bench.content()
        );
        // The trash is emptied in the background; then there is room again.
        let fits = || bench.import(archive(&big[..10])).is_ok();
        assert!(testing::wait::until(testing::wait::PATIENCE, fits));
    });
}

#[test]
fn a_cut_between_entries_is_an_end() {
    let bench = Bench::new();
    assert!(bench.import(open_archive(&[Item::file("f", b"x")])).is_ok());
    assert!(bench.import(Vec::new()).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn archives_at_random_change_nothing_outside(
        steps in prop::collection::vec((0_u8..6, 0_usize..5, 0_usize..7), 1..25),
    ) {
        let bench = Bench::new();
        let outside = outside(bench.folder.path());
        let before = listing(&outside);
        let place = outside.to_str().unwrap();
        let names = ["a", "a/b", "a/b/c", "b", "../a"];
        let targets = ["a", "../..", "/", "b", place, "a/b", "../../../../../../../../../../"];
        let items: Vec<Item> = steps.iter().map(|(kind, name, target)| match kind {
            0 => Item::file(names[*name], b"data"),
            1 => Item::folder(names[*name]),
            2 => Item::symlink(names[*name], targets[*target]),
            3 => Item::hard_link(names[*name], &format!("{}/victim", targets[*target])),
            4 => Item::file(&format!("{}/victim", names[*name]), b"data").mode(0o777).owner(1, 1),
            _ => Item::file(&format!("{}/.wh.victim", names[*name]), b""),
        }).collect();
        let _ = bench.import(archive(&items));
        prop_assert_eq!(listing(&outside), before);
    }
}
