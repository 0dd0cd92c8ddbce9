//! Mounts with every option of the specification.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use crate::namespaces;
use crate::stage::{Stage, gather, mount_tmpfs, pipes, with_own_mounts};

/// A folder of the host with a file of the given owner.
fn source(stage: &Stage, name: &str, owner: u32) -> String {
    let folder = stage.outside().join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("file"), "text").unwrap();
    chown(folder.join("file"), Some(owner), Some(owner)).unwrap();
    folder.display().to_string()
}

#[test]
fn a_mount_with_ids_of_its_own_shows_them() {
    let mut stage = Stage::script("stat -c %u:%g /vol/file; touch /vol/new; id -u");
    let source = source(&stage, "vol", 1005);
    let map =
        r#"[{"containerID": 0, "hostID": 0, "size": 1}, {"containerID": 1005, "hostID": 7, "size": 10}]"#;
    stage.mount(&format!(
        r#"{{"destination": "/vol", "source": "{source}", "options": ["bind"], "uidMappings": {map}, "gidMappings": {map}}}"#
    ));
    assert_eq!(stage.run().output(), "7:7\n0\n");
    assert_eq!(fs::metadata(format!("{source}/new")).unwrap().uid(), 0);
}

#[test]
fn a_mapped_tree_maps_what_is_mounted_in_it_when_asked_for() {
    testing::needs!(MappedTmpfs);
    let mut stage = Stage::script("stat -c %u /one/file /one/sub/file /all/file /all/sub/file");
    let source = source(&stage, "vol", 5);
    fs::create_dir(format!("{source}/sub")).unwrap();
    with_own_mounts(move || {
        let output = {
            mount_tmpfs(&format!("{source}/sub"));
            fs::write(format!("{source}/sub/file"), "x").unwrap();
            chown(format!("{source}/sub/file"), Some(5), Some(5)).unwrap();
            let map = r#"[{"containerID": 5, "hostID": 9, "size": 1}]"#;
            for (place, option) in [("/one", "idmap"), ("/all", "ridmap")] {
                stage.mount(&format!(
                    r#"{{"destination": "{place}", "source": "{source}", "options": ["rbind", "{option}"],
                        "uidMappings": {map}, "gidMappings": {map}}}"#
                ));
            }
            stage.run().output()
        };
        assert_eq!(output, "9\n5\n9\n9\n");
    });
}

#[test]
fn a_tmpfs_begins_with_what_it_covers() {
    let mut stage = Stage::script(
        "cat /full/d/f; stat -c '%a %u' /full/d/f /full; readlink /full/l; ls /empty; echo x > /full/y",
    );
    let full = stage.image().join("full");
    fs::create_dir_all(full.join("d")).unwrap();
    fs::write(full.join("d/f"), "text\n").unwrap();
    chown(full.join("d/f"), Some(33), None).unwrap();
    fs::set_permissions(full.join("d/f"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::set_permissions(&full, fs::Permissions::from_mode(0o1711)).unwrap();
    std::os::unix::fs::symlink("d/f", full.join("l")).unwrap();
    stage.mount(r#"{"destination": "/full", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]}"#);
    stage.mount(
        r#"{"destination": "/empty", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "ro"]}"#,
    );
    assert_eq!(stage.run().output(), "text\n640 33\n1711 0\nd/f\n");
    assert!(!full.join("y").exists());
}

#[test]
fn recursive_attributes_reach_what_is_mounted_in_a_bind() {
    let script = "grep ' /plain' /proc/self/mountinfo; grep ' /all' /proc/self/mountinfo";
    let mut stage = Stage::script(script);
    let source = source(&stage, "vol", 0);
    fs::create_dir(format!("{source}/sub")).unwrap();
    with_own_mounts(move || {
        mount_tmpfs(&format!("{source}/sub"));
        for (place, options) in [
            ("/plain", r#""ro", "nosuid""#),
            ("/all", r#""rro", "rnosuid", "rnoexec", "rnodev", "rnoatime""#),
        ] {
            stage.mount(&format!(
                r#"{{"destination": "{place}", "source": "{source}", "options": ["rbind", {options}]}}"#
            ));
        }
        let output = stage.run().output();
        let options: Vec<_> = output.lines().map(|line| line.split(' ').nth(5).unwrap()).collect();
        let all = "ro,nosuid,nodev,noexec,noatime";
        assert_eq!(options, ["ro,nosuid,relatime", "rw,relatime", all, all], "{output}");
    });
}

#[test]
fn propagation_is_what_the_document_says() {
    let mut stage = Stage::script("grep -E ' / / | /t| /v' /proc/self/mountinfo");
    let source = source(&stage, "vol", 0);
    stage.mount(r#"{"destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": ["shared"]}"#);
    stage.mount(&format!(
        r#"{{"destination": "/v", "source": "{source}", "options": ["bind", "unbindable"]}}"#
    ));
    stage.linux().rootfs_propagation = "shared".to_owned();
    let output = stage.run().output();
    let tag = |place: &str| {
        let line = output.lines().find(|line| line.split(' ').nth(4) == Some(place)).unwrap();
        line.split(' ').nth(6).unwrap().split(':').next().unwrap().to_owned()
    };
    assert_eq!(["/", "/t", "/v"].map(tag), ["shared", "shared", "unbindable"], "{output}");
}

#[test]
fn flags_of_a_whole_file_system_arrive() {
    let mut stage = Stage::script("grep ' /t ' /proc/self/mountinfo");
    stage.mount(r#"{"destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": ["sync", "rnoexec", "size=1m"]}"#);
    let output = stage.run().output();
    assert!(output.contains("rw,noexec") && output.contains("rw,sync,size=1024k"), "{output}");
}

#[test]
fn a_user_namespaces_ids_serve_for_a_mount() {
    let mut stage = crate::namespaces::shifted("stat -c %u /vol/file /plain/file", "");
    let source = source(&stage, "vol", 3);
    for (place, option) in [("/vol", r#", "idmap""#), ("/plain", "")] {
        stage.mount(&format!(
            r#"{{"destination": "{place}", "source": "{source}", "options": ["bind"{option}]}}"#
        ));
    }
    assert_eq!(stage.run().output(), "3\n65534\n");
}

#[test]
fn the_root_stays_covered_where_it_cannot_be_put_elsewhere() {
    // A user namespace inside may not mount a procfs that shows more than the container's own.
    let mut stage = Stage::script("ls /; unshare -Urmpf mount -t proc none /proc 2>&1");
    stage.uses_filter = false;
    let (stdio, readers) = pipes();
    let options =
        runtime::CreateOptions { root: runtime::RootChange::Cover, ..runtime::CreateOptions::default() };
    let mut created = stage.create_with(stdio, None, options).unwrap();
    created.start().unwrap();
    let output = gather(&created.pidfd, readers).stdout;
    created.cgroup.unwrap().remove().unwrap();
    assert!(!output.contains("lower") && output.contains("bin\ndev\netc"), "{output}");
    assert!(output.ends_with("mount: permission denied (are you root?)\n"), "{output}");
}

#[test]
fn labels_of_mounts_need_selinux() {
    let mut stage = Stage::script("true");
    stage.linux().mount_label = "system_u:object_r:x_t:s0".to_owned();
    if !std::path::Path::new("/sys/fs/selinux/enforce").exists() {
        let text = stage.refusal().to_string();
        assert!(text.contains("selinux is disabled or not supported"), "{text}");
    }
}

#[test]
fn a_bind_with_options_has_these_and_no_others() {
    use rustix::mount::{MountFlags, mount_remount};
    let mut stage = Stage::script("grep ' /v[a-c] ' /proc/self/mountinfo | cut -d' ' -f5,6");
    let source = source(&stage, "vol", 0);
    with_own_mounts(move || {
        mount_tmpfs(&source);
        let flags = MountFlags::BIND | MountFlags::NOEXEC | MountFlags::NOATIME;
        mount_remount(source.as_str(), flags, "").unwrap();
        for (place, options) in
            [("/va", r#""bind""#), ("/vb", r#""bind", "nosuid""#), ("/vc", r#""bind", "ro", "relatime""#)]
        {
            stage.mount(&format!(
                r#"{{"destination": "{place}", "source": "{source}", "options": [{options}]}}"#
            ));
        }
        let output = stage.run().output();
        assert_eq!(output, "/va rw,noexec,noatime\n/vb rw,nosuid,noatime\n/vc ro,relatime\n");
    });
}

#[test]
fn a_folder_of_the_image_does_not_play_proc() {
    let mut stage = Stage::script("true");
    let fake = stage.image().join("fake");
    fs::create_dir(&fake).unwrap();
    let json = format!(r#"{{"destination": "/proc", "source": "{}", "options": ["bind"]}}"#, fake.display());
    stage.spec.mounts[0] = serde_json::from_str(&json).unwrap();
    let refused = |rootfs: &runtime::Rootfs| {
        let request = runtime::CreateRequest {
            id: "x",
            spec: &stage.spec,
            rootfs,
            user: None,
            stdio: runtime::Stdio::Null,
            cgroup: None,
            seccomp: None,
            gate: None,
            options: runtime::CreateOptions::default(),
        };
        runtime::create(request, &mut |_| Ok(())).unwrap_err().to_string()
    };
    // Named as the host sees it, and as a place of the root file system itself.
    assert!(refused(&stage.rootfs()).contains("not of type proc"));
    let text = refused(&runtime::Rootfs::Path(stage.image()));
    assert!(text.contains("at \"/proc\": operation not permitted"), "{text}");
}

#[test]
fn a_bind_of_the_root_shows_earlier_mounts_with_ids_of_its_own() {
    const SCRIPT: &str = "stat -c %u /one/file /two/file";
    let cases = [(Stage::script(SCRIPT), 0, 5), (namespaces::shifted(SCRIPT, ""), namespaces::ROOT, 65534)];
    for (mut stage, first, shown) in cases {
        let source = source(&stage, "vol", 5);
        stage.mount(&format!(r#"{{"destination": "/one", "source": "{source}", "options": ["bind"]}}"#));
        let map = format!(r#"[{{"containerID": 5, "hostID": {}, "size": 1}}]"#, first + 9);
        let image = stage.image().display().to_string();
        stage.mount(&format!(
            r#"{{"destination": "{image}/two", "source": "{image}/one", "options": ["bind"],
                "uidMappings": {map}, "gidMappings": {map}}}"#
        ));
        let (stdio, readers) = pipes();
        let mut created = stage.create_on_image(stdio, &mut |_| Ok(())).unwrap();
        created.start().unwrap();
        assert_eq!(gather(&created.pidfd, readers).output(), format!("{shown}\n9\n"));
    }
}
