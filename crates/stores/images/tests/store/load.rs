//! Archives of images: the good ones of several makers, and bad ones of which nothing stays.

use serde_json::{Value, json};
use testing::images::{self, digest};
use testing::registry::gzip;
use testing::tar::Archive;

use crate::bench::Bench;

fn report(bench: &Bench, archive: Vec<u8>) -> String {
    match bench.load(archive) {
        Ok(loaded) => ::images::load_report(&loaded).join("\n"),
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn dockers_archive_gives_images_and_names() {
    let bench = Bench::new();
    let image = images::layers().also("other/name:2");
    let text = report(&bench, gzip(&image.archive()));
    assert_eq!(text, "Loaded image: t/layers:latest\nLoaded image: other/name:2");
    let found = bench.store.resolve("other/name:2").unwrap();
    assert_eq!(found.id().as_str(), image.id());
    assert_eq!(bench.store.config_bytes(found.id()).unwrap(), image.document());
    assert_eq!(found.repo_tags(), ["other/name:2", "t/layers:latest"]);
    let layers: u64 = found.layer_sizes().iter().sum();
    assert_eq!(layers, found.size());
}

#[test]
fn a_name_that_moves_is_told() {
    let bench = Bench::new();
    bench.load(images::busybox().archive()).unwrap();
    let text = report(&bench, images::echo().named("t/busybox:latest").archive());
    let old = images::busybox().id();
    assert_eq!(
        text,
        format!(
            "The image t/busybox:latest already exists, renaming the old one with ID {old} to empty string\nLoaded image: t/busybox:latest"
        )
    );
    let mut nameless = images::web("1");
    nameless.names.clear();
    assert_eq!(report(&bench, nameless.archive()), format!("Loaded image ID: {}", nameless.id()));
}

/// Blobs under their digests, and an index.
fn layout(blobs: &[Vec<u8>], index: &Value) -> Vec<u8> {
    let archive = Archive::new().file("oci-layout", 0o644, r#"{"imageLayoutVersion":"1.0.0"}"#);
    let archive = archive.file("index.json", 0o644, index.to_string());
    let path = |blob: &[u8]| format!("blobs/sha256/{}", &digest(blob)[7..]);
    blobs.iter().fold(archive, |archive, blob| archive.file(&path(blob), 0o644, blob.clone())).finish()
}

fn descriptor(kind: &str, blob: &[u8]) -> Value {
    json!({ "mediaType": format!("application/vnd.oci.image.{kind}"), "digest": digest(blob), "size": blob.len() })
}

fn manifest(image: &images::Image, layers: &[Vec<u8>]) -> Vec<u8> {
    let layers: Vec<Value> = layers.iter().map(|layer| descriptor("layer.v1.tar+gzip", layer)).collect();
    json!({ "schemaVersion": 2, "config": descriptor("config.v1+json", &image.document()), "layers": layers })
        .to_string()
        .into_bytes()
}

#[test]
fn an_image_layout_is_followed_to_the_hosts_platform() {
    let bench = Bench::new();
    let (wanted, other) = (images::layers(), images::echo());
    let layers: Vec<Vec<u8>> = wanted.layers.iter().map(|layer| gzip(layer)).collect();
    let (mine, theirs) = (manifest(&wanted, &layers), manifest(&other, &[]));
    let mut first = descriptor("manifest.v1+json", &theirs);
    first["platform"] = json!({ "os": "linux", "architecture": "s390x" });
    let mut second = descriptor("manifest.v1+json", &mine);
    second["platform"] = json!({ "os": "linux", "architecture": "amd64" });
    let inner = json!({ "schemaVersion": 2, "manifests": [first, second] }).to_string().into_bytes();
    let mut outer = descriptor("index.v1+json", &inner);
    outer["annotations"] =
        json!({ "io.containerd.image.name": "docker.io/t/many:3", "org.opencontainers.image.ref.name": "3" });
    let mut blobs = layers;
    blobs.extend([mine, theirs, inner, wanted.document(), other.document()]);
    let index = json!({ "schemaVersion": 2, "manifests": [outer] });
    assert_eq!(report(&bench, layout(&blobs, &index)), "Loaded image: t/many:3");
    assert_eq!(bench.store.resolve("t/many:3").unwrap().id().as_str(), wanted.id());
}

#[test]
fn an_image_layout_is_verified() {
    let bench = Bench::new();
    let image = images::busybox();
    let layers = vec![gzip(&image.layers[0])];
    let mine = manifest(&image, &layers);
    let index = json!({ "schemaVersion": 2, "manifests": [descriptor("manifest.v1+json", &mine)] });
    let swapped = layout(&[mine.clone(), layers[0].clone(), image.document()], &index);
    let archive = String::from_utf8_lossy(&swapped).into_owned();
    assert!(archive.contains("amd64"));
    // The same length, other bytes.
    let at = swapped.windows(5).position(|window| window == b"amd64").unwrap();
    let mut bytes = swapped.clone();
    bytes[at..at + 5].copy_from_slice(b"amd65");
    assert!(report(&bench, bytes).contains("does not match its digest"));
    let missing = layout(&[mine, image.document()], &index);
    assert!(report(&bench, missing).contains("no such file or directory"));
    assert_eq!(bench.content(), Vec::<String>::new());
}

/// An archive with this manifest, the config and layers of the stand-in beside it.
fn with_manifest(manifest: &Value) -> Vec<u8> {
    let image = images::busybox();
    Archive::new()
        .file("config.json", 0o644, image.document())
        .file("layer.tar", 0o644, image.layers[0].clone())
        .file("other.tar", 0o644, Archive::new().file("x", 0o644, "x").finish())
        .file("windows.json", 0o644, r#"{"os":"windows","rootfs":{"type":"layers","diff_ids":[]}}"#)
        .file("bare.json", 0o644, r#"{"os":"linux"}"#)
        .file("text.json", 0o644, "no json")
        .symlink("linked.tar", "./layer.tar")
        .symlink("round.tar", "round.tar")
        .symlink("/outside.tar", "/etc/passwd")
        .file("manifest.json", 0o644, manifest.to_string())
        .finish()
}

#[test]
fn bad_archives_are_refused_in_dockers_words_and_leave_nothing() {
    let bench = Bench::new();
    let (layer, other) =
        (digest(&images::busybox().layers[0]), digest(&Archive::new().file("x", 0o644, "x").finish()));
    for (manifest, expected) in [
        (json!(null), "invalid manifest, manifest cannot be null (but can be [])".to_owned()),
        (json!({}), "invalid type: map, expected a sequence".to_owned()),
        (
            json!([{ "Config": "config.json", "Layers": [] }]),
            "invalid manifest, layers length mismatch: expected 0, got 1".to_owned(),
        ),
        (
            json!([{ "Config": "nope.json", "Layers": [] }]),
            "/nope.json: no such file or directory".to_owned(),
        ),
        (
            json!([{ "Config": "config.json", "Layers": ["../../etc/passwd"] }]),
            "no such file or directory".to_owned(),
        ),
        (
            json!([{ "Config": "config.json", "Layers": ["outside.tar"] }]),
            "no such file or directory".to_owned(),
        ),
        (
            json!([{ "Config": "config.json", "Layers": ["round.tar"] }]),
            "no such file or directory".to_owned(),
        ),
        (
            json!([{ "Config": "config.json", "Layers": ["other.tar"] }]),
            format!("invalid diffID for layer 0: expected \"{layer}\", got \"{other}\""),
        ),
        (
            json!([{ "Config": "windows.json", "Layers": [] }]),
            "cannot load windows image on linux".to_owned(),
        ),
        (json!([{ "Config": "bare.json", "Layers": [] }]), "invalid image JSON, no RootFS key".to_owned()),
        (json!([{ "Config": "text.json", "Layers": [] }]), "expected ident".to_owned()),
        (
            json!([{ "Config": "config.json", "Layers": ["layer.tar"], "RepoTags": ["UPPER:1"] }]),
            "repository name (library/UPPER) must be lowercase".to_owned(),
        ),
        (
            json!([{ "Config": "config.json", "Layers": ["layer.tar"], "RepoTags": ["x"] }]),
            "invalid tag \"x\"".to_owned(),
        ),
        (
            // The first is good; because of the second nothing of it stays.
            json!([{ "Config": "config.json", "Layers": ["layer.tar"], "RepoTags": ["x:1"] }, { "Config": "config.json", "Layers": [] }]),
            "layers length mismatch".to_owned(),
        ),
    ] {
        let text = report(&bench, with_manifest(&manifest));
        assert!(text.starts_with("error: ") && text.contains(&expected), "{text} instead of {expected}");
        assert_eq!((bench.content(), bench.store.list().len()), (Vec::new(), 0), "{manifest}");
    }
    assert_eq!(report(&bench, with_manifest(&json!([]))), "");
    assert_eq!(
        report(
            &bench,
            with_manifest(
                &json!([{ "Config": "config.json", "Layers": ["linked.tar"], "RepoTags": ["x:1"] }])
            )
        ),
        "Loaded image: x:1"
    );
}

#[test]
fn what_is_no_archive_of_images_is_told() {
    let bench = Bench::new();
    for (bytes, expected) in [
        (Vec::new(), "/repositories: no such file or directory"),
        (b"not an archive".to_vec(), "unexpected EOF"),
        (vec![b'x'; 4096], "archive/tar: invalid tar header"),
        (Archive::new().file("bin/sh", 0o755, "x").finish(), "/bin/json: no such file or directory"),
        (images::busybox().archive()[..100_000].to_vec(), "unexpected EOF"),
    ] {
        let text = report(&bench, bytes);
        assert!(text.starts_with("error: ") && text.ends_with(expected), "{text} instead of {expected}");
        assert_eq!(bench.content(), Vec::<String>::new());
    }
}
