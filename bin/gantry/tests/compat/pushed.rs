//! Images that a real tool pushed into Debian's registry, pulled and run.

use testing::acceptance::Face;
use testing::client::Client;
use testing::daemon::Start;
use testing::registry::Registry;
use testing::{images, program};

/// Pushes by `skopeo`, whose manifests and compression are not ours.
fn push_with_skopeo(host: &testing::Host, image: &images::Image, target: &str, format: &str) {
    let archive = host.path("image.tar");
    std::fs::write(&archive, image.archive()).unwrap();
    let source = format!("docker-archive:{}:{}", archive.display(), image.name());
    let flags = format!("--insecure-policy copy --format {format} --dest-tls-verify=false --tmpdir /run");
    program::shell(&format!("HOME=/run skopeo {flags} {source} docker://{target}")).ok();
}

#[test]
fn docker_and_oci_manifests_are_pulled_by_tag_and_digest() {
    testing::on_host(&[], |host| {
        let registry = Registry::start(host.folder(), 5000);
        let daemon = Start::plain(host.folder()).start();
        let client = Client::new(&Face::Gantry.program(), None);
        for (format, name) in [("v2s2", "docker"), ("oci", "oci")] {
            let target = format!("localhost:5000/t/{name}:1");
            push_with_skopeo(host, &images::layers(), &target, format);
            client.sh(&format!("docker run --rm {target}")).ok().prints("three\n");
            let digests =
                client.sh(&format!("docker inspect -f '{{{{index .RepoDigests 0}}}}' {target}")).ok();
            let by_digest = digests.text().to_owned();
            client
                .sh(&format!("docker rmi -f {target} && docker pull {by_digest}"))
                .ok()
                .shows("Digest: sha256:");
            client.sh(&format!("docker run --rm {by_digest} cat /second-only")).ok().prints("2\n");
        }
        drop((registry, daemon));
    });
}

#[test]
fn a_damaged_blob_is_refused_and_nothing_stays() {
    testing::on_host(&[], |host| {
        let registry = Registry::start(host.folder(), 5000);
        let daemon = Start::plain(host.folder()).start();
        registry.push(&images::echo(), "t/echo", "1");
        let blobs = "find /run/test/registry-5000/docker/registry/v2/blobs -name data -size +500k";
        let damage = format!(
            "{blobs} | while read file; do printf XXXX | dd of=$file bs=1 seek=400000 conv=notrunc; done"
        );
        program::shell(&damage).ok();
        let client = Client::new(&Face::Gantry.program(), None);
        let refused = client.sh("docker pull localhost:5000/t/echo:1");
        assert!(refused.code != 0, "{refused}");
        client.sh("docker images -q").ok().prints("");
        drop((registry, daemon));
    });
}

#[test]
fn a_registry_with_a_password_wants_it() {
    testing::on_host(&[], |host| {
        let registry = Registry::with_password(host.folder(), 5000);
        let daemon = Start::plain(host.folder()).start();
        let client = Client::new(&Face::Gantry.program(), None);
        client.sh("docker pull localhost:5000/t/box:1").code(1).complains("no basic auth credentials");
        let auth = "{\"auths\":{\"localhost:5000\":{\"auth\":\"bWU6c2VjcmV0\"}}}";
        let archive = host.path("image.tar");
        std::fs::write(&archive, images::busybox().archive()).unwrap();
        let push = format!(
            "HOME=/run skopeo --insecure-policy copy --dest-creds me:secret --dest-tls-verify=false --tmpdir /run \
             docker-archive:{}:t/busybox:latest docker://localhost:5000/t/box:1",
            archive.display()
        );
        program::shell(&push).ok();
        std::fs::create_dir_all(client.home().join(".docker")).unwrap();
        std::fs::write(client.home().join(".docker/config.json"), auth).unwrap();
        client.sh("docker pull localhost:5000/t/box:1").ok().shows("Status: Downloaded newer image");
        drop((registry, daemon));
    });
}
