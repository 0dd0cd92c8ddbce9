//! Overlays and detached mounts on a real kernel.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use mount::{Overlay, tree};
use sys::mount::{AttributeChange, READ_ONLY, Reach, change_attributes};

/// Three layers on a tmpfs of its own, seen by nobody: `/tmp` may itself be an overlay, which cannot be an upper layer.
struct Layers {
    _tmpfs: OwnedFd,
    base: PathBuf,
}

fn layers(depth: usize, name: &str) -> Layers {
    let tmpfs =
        tree::NewFilesystem { kind: c"tmpfs".to_owned(), source: None, options: Vec::new(), attributes: 0 };
    let tmpfs = tmpfs.mount().unwrap();
    let base = PathBuf::from(format!("/proc/self/fd/{}", tmpfs.as_raw_fd()));
    for index in 0..depth {
        let folder = base.join(format!("{name}{index}"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("top"), index.to_string()).unwrap();
        fs::write(folder.join(format!("only{index}")), "").unwrap();
    }
    fs::create_dir(base.join("upper")).unwrap();
    fs::create_dir(base.join("work")).unwrap();
    Layers { _tmpfs: tmpfs, base }
}

fn overlay(base: &Path, depth: usize, name: &str) -> Overlay {
    Overlay {
        lower: (0..depth).map(|index| base.join(format!("{name}{index}"))).collect(),
        upper: Some(base.join("upper")),
        work: Some(base.join("work")),
        volatile: true,
    }
}

fn inside(mount: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", mount.as_raw_fd()))
}

fn is_merged_and_hidden(mount: &OwnedFd, base: &Path, depth: usize) {
    let root = inside(mount);
    assert_eq!(fs::read_to_string(root.join("top")).unwrap(), "0");
    assert!(root.join(format!("only{}", depth - 1)).exists());
    fs::write(root.join("new"), "x").unwrap();
    assert!(base.join("upper/new").exists());
    assert!(
        !fs::read_to_string("/proc/self/mountinfo").unwrap().contains("- overlay overlay rw,lowerdir=/proc")
    );
}

#[test]
fn an_overlay_of_many_layers_is_mounted_out_of_sight() {
    let layers = layers(130, "layer");
    let mount = overlay(&layers.base, 130, "layer").mount().unwrap();
    is_merged_and_hidden(&mount, &layers.base, 130);
}

#[test]
fn folders_with_long_names_take_the_way_of_older_kernels() {
    let name = "long".repeat(60);
    let layers = layers(130, &name);
    let mount = overlay(&layers.base, 130, &name).mount().unwrap();
    is_merged_and_hidden(&mount, &layers.base, 130);
}

#[test]
fn a_volatile_overlay_can_be_mounted_again() {
    let layers = layers(1, "layer");
    let wanted = overlay(&layers.base, 1, "layer");
    for _ in 0..3 {
        drop(wanted.mount().unwrap());
    }
}

#[test]
fn a_missing_layer_is_named() {
    let layers = layers(1, "layer");
    let mut wanted = overlay(&layers.base, 1, "layer");
    wanted.lower.push("/no/such/layer".into());
    let error = wanted.mount().unwrap_err();
    assert!(error.what.contains("/no/such/layer"), "{error:?}");
    assert_eq!(error.errno, rustix::io::Errno::NOENT);
}

#[test]
fn a_clone_can_be_made_read_only_without_touching_its_source() {
    let layers = layers(1, "layer");
    let clone = tree::clone_path(&layers.base, Reach::Tree).unwrap();
    let change = AttributeChange { set: READ_ONLY, ..AttributeChange::default() };
    change_attributes(clone.as_fd(), Reach::Tree, change).unwrap();
    assert_eq!(fs::write(inside(&clone).join("x"), "").unwrap_err().raw_os_error(), Some(libc_erofs()));
    fs::write(layers.base.join("x"), "").unwrap();
}

fn libc_erofs() -> i32 {
    rustix::io::Errno::ROFS.raw_os_error()
}
