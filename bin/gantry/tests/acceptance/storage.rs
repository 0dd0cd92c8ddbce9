//! STO: what lies on disk.

use testing::images;
use testing::{row, wait};

/// The folder that takes a container's changes.
fn upper(row: &testing::acceptance::Row<'_>, container: &str) -> String {
    row.inspect(container, "{{.GraphDriver.Data.UpperDir}}")
}

row!(only_the_data_root_is_written, "STO-001", |row| {
    let marker = row.host.path("marker");
    std::fs::write(&marker, "").unwrap();
    let written = |places: &str| {
        row.out(&format!("find {places} -xdev -newer {} 2>/dev/null || true", marker.display()))
    };
    row.sh("docker run --name alpha -v data:/data busybox sh -c 'echo x >/file; echo y >/data/file'").ok();
    let root = row.root();
    assert!(!written(&root.display().to_string()).is_empty());
    let outside = written("/etc /opt /srv /usr /var/lib /var/spool /var/cache");
    let stray: Vec<&str> = outside
        .lines()
        .filter(|path| *path != "/var/lib" && !path.starts_with(&root.display().to_string()))
        .collect();
    assert_eq!(stray, Vec::<&str>::new());
});

row!(overlay2_holds_the_files, "STO-006", |row| {
    row.sh("docker run --name test busybox touch /tmp/test_file").ok();
    let found = row.out(&format!("find {} -name test_file", row.root().display()));
    assert_eq!(found.lines().count(), 1, "{found}");
    assert!(found.contains("/overlay2/") && found.ends_with("/diff/tmp/test_file"), "{found}");
    row.sh("docker rm test").ok();
    // The layer is out of the way with the answer, and its files go behind it.
    let find = format!("find {} -name test_file", row.root().display());
    wait::eventually("the files are gone", || row.sh(&find).stdout.is_empty());
});

row!(a_file_is_copied_up_at_the_first_write, "STO-013", |row| {
    row.sh("docker run -d --name alpha busybox sleep 1000").ok();
    let copy = format!("{}/etc/passwd", upper(row, "alpha"));
    row.sh("docker exec alpha cat /etc/passwd").ok();
    assert!(!std::path::Path::new(&copy).exists(), "reading copied it");
    row.sh("docker exec alpha sh -c 'echo new >>/etc/passwd'").ok();
    let text = std::fs::read_to_string(&copy).unwrap();
    assert!(text.starts_with("root:x:0:0:") && text.ends_with("new\n"), "{text}");
});

row!(a_deleted_file_is_a_whiteout, "STO-014", |row| {
    let size = || row.out("docker image inspect -f '{{.Size}}' busybox");
    let before = size();
    row.sh("docker run --name alpha busybox rm /etc/passwd").ok();
    let listed = row.out(&format!("ls -l {}/etc/passwd", upper(row, "alpha")));
    assert!(listed.starts_with('c') && listed.contains("0, 0"), "{listed}");
    assert_eq!(size(), before);
});

row!(containers_share_their_images_layers, "STO-016", |row| {
    let used = || -> u64 {
        row.out(&format!("du -sk --one-file-system {}", row.root().display()))
            .split('\t')
            .next()
            .unwrap()
            .parse()
            .unwrap()
    };
    let before = used();
    row.sh("for i in 1 2 3 4 5 6 7 8 9 10; do docker run -d busybox sleep 1000; done").ok();
    let grown = used() - before;
    assert!(grown < 1500, "ten containers took {grown} KiB, and the image has 2 MiB");
});

row!(the_newest_layer_wins, "STO-017", |row| {
    row.load(&images::layers());
    row.sh("docker run t/layers").ok().prints("three\n");
    row.sh("docker run t/layers cat second-only").ok().prints("2\n");
    row.sh("docker run t/layers ls first-only").code(1);
    row.sh("docker run t/layers ls dir").ok().prints("new\n");
});

row!(the_layer_goes_with_its_container, "STO-018", |row| {
    row.sh("docker run --name test busybox touch /test_file").ok();
    let layer = upper(row, "test");
    assert!(std::path::Path::new(&layer).join("test_file").exists());
    row.sh("docker rm test").ok();
    assert!(!std::path::Path::new(&layer).exists());
    row.sh(&format!("find {} -name test_file", row.root().display())).ok().prints("");
});

row!(a_blobs_name_is_its_hash, "STO-019", |row| {
    row.load(&images::layers());
    let found = row.out(&format!(
        "find {} -type f -path '*/sha256/*' -regextype posix-extended -regex '.*/[0-9a-f]{{64}}'",
        row.root().display()
    ));
    assert!(!found.is_empty(), "no blobs");
    for path in found.lines() {
        let name = path.rsplit('/').next().unwrap();
        assert_eq!(images::digest(&std::fs::read(path).unwrap()), format!("sha256:{name}"), "{path}");
    }
});
