//! Volumes through their life, through crashes between its steps, and filled from an image.

use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};

use super::*;

fn store(dir: &Path) -> VolumeStore {
    VolumeStore::open(dir, Db::open(dir).unwrap()).unwrap()
}

fn named(name: &str) -> NewVolume {
    NewVolume { name: Some(name.to_owned()), ..NewVolume::default() }
}

#[test]
fn a_volume_lives_until_it_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let volumes = store(dir.path());
    let (volume, new) = volumes.create(named("data")).unwrap();
    assert!(new && !volume.anonymous);
    fs::write(volume.mountpoint.join("file"), "kept").unwrap();
    drop(volumes);
    let volumes = store(dir.path());
    assert_eq!(volumes.create(named("data")).unwrap(), (volume.clone(), false));
    assert_eq!(fs::read(volume.mountpoint.join("file")).unwrap(), b"kept");
    volumes.remove("data").unwrap();
    assert!(!volume.mountpoint.exists());
    assert!(matches!(volumes.load("data"), Err(VolumeError::NotFound(_))));
    assert!(volumes.list().unwrap().is_empty());
}

#[test]
fn a_volume_without_name_gets_sixty_four_digits() {
    let dir = tempfile::tempdir().unwrap();
    let (volume, _) = store(dir.path()).create(NewVolume::default()).unwrap();
    assert!(volume.anonymous && volume.name.len() == 64);
}

#[test]
fn names_are_judged_as_docker_judges_them() {
    let dir = tempfile::tempdir().unwrap();
    let volumes = store(dir.path());
    for name in ["", "a", "../x", "a/b", ".hidden", "-a", "ä1", "a b"] {
        assert!(volumes.create(named(name)).is_err(), "{name}");
    }
    assert!(volumes.create(named(&"a".repeat(241))).is_err());
    assert!(volumes.create(named("a.b_c-1")).is_ok());
    assert_eq!(fs::read_dir(dir.path().join("volumes")).unwrap().count(), 1);
}

#[test]
fn a_removal_cut_before_its_record_went_is_undone() {
    let dir = tempfile::tempdir().unwrap();
    let volumes = store(dir.path());
    let (volume, _) = volumes.create(named("data")).unwrap();
    fs::write(volume.mountpoint.join("file"), "kept").unwrap();
    drop(volumes);
    let root = dir.path().join("volumes");
    fs::rename(root.join("data"), root.join(".removing-data")).unwrap();
    assert_eq!(fs::read(store(dir.path()).load("data").unwrap().mountpoint.join("file")).unwrap(), b"kept");
}

#[test]
fn a_removal_cut_after_its_record_went_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("volumes");
    fs::create_dir_all(root.join(".removing-data/_data")).unwrap();
    drop(store(dir.path()));
    assert_eq!(fs::read_dir(root).unwrap().count(), 0);
}

#[test]
fn an_empty_volume_is_filled_and_a_used_one_left_alone() {
    let (image, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = image.path();
    fs::create_dir_all(root.join("sub/deep")).unwrap();
    fs::write(root.join("sub/deep/tool"), "#!").unwrap();
    fs::set_permissions(root.join("sub/deep/tool"), fs::Permissions::from_mode(0o4755)).unwrap();
    std::os::unix::fs::chown(root.join("sub/deep/tool"), Some(33), Some(44)).unwrap();
    fs::set_permissions(root.join("sub/deep/tool"), fs::Permissions::from_mode(0o4755)).unwrap();
    fs::set_permissions(root.join("sub"), fs::Permissions::from_mode(0o1777)).unwrap();
    symlink("/etc/passwd", root.join("link")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, root.join("pipe"), rustix::fs::FileType::Fifo, 0o640.into(), 0)
        .unwrap();

    let (from, to) = (fs::File::open(root).unwrap(), fs::File::open(target.path()).unwrap());
    assert!(seed(from.as_fd(), to.as_fd()).unwrap());
    let tool = fs::metadata(target.path().join("sub/deep/tool")).unwrap();
    assert_eq!((tool.mode() & 0o7777, tool.uid(), tool.gid()), (0o4755, 33, 44));
    assert_eq!(fs::metadata(target.path().join("sub")).unwrap().mode() & 0o7777, 0o1777);
    assert_eq!(fs::read_link(target.path().join("link")).unwrap(), Path::new("/etc/passwd"));
    assert!(fs::metadata(target.path().join("pipe")).unwrap().file_type().is_fifo());
    assert_eq!(tool.mtime_nsec(), fs::metadata(root.join("sub/deep/tool")).unwrap().mtime_nsec());

    fs::write(root.join("new"), "").unwrap();
    assert!(!seed(from.as_fd(), to.as_fd()).unwrap());
    assert!(!target.path().join("new").exists());
}
