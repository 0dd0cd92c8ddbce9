//! IMG: images and their commands.

use testing::images;
use testing::row;

use crate::is_hex;

row!(pull_tells_what_it_does, "IMG-001", |row| {
    let registry = row.registry();
    let digest = registry.push(&images::layers(), "t/demo", "v1");
    row.sh("docker rmi -f busybox t/busybox").ok();
    let ran = row.sh("docker image pull localhost:5000/t/demo:v1").ok();
    let lines = ran.lines();
    assert_eq!(lines[0], "v1: Pulling from t/demo");
    let complete = lines.iter().filter(|line| line.ends_with(": Pull complete")).count();
    assert_eq!(complete, 4, "one line per layer: {ran}");
    assert!(lines.contains(&format!("Digest: {digest}").as_str()), "{ran}");
    assert!(lines.contains(&"Status: Downloaded newer image for localhost:5000/t/demo:v1"), "{ran}");
    let again = row.sh("docker image pull localhost:5000/t/demo:v1").ok();
    again.shows("Status: Image is up to date for localhost:5000/t/demo:v1");
    row.sh("docker run localhost:5000/t/demo:v1").ok().prints("three\n");
});

row!(the_default_tag_is_latest, "IMG-002", |row| {
    let registry = row.registry();
    registry.push(&images::echo(), "t/demo", "latest");
    let ran = row.sh("docker pull localhost:5000/t/demo").ok();
    assert_eq!(ran.lines()[..2], ["Using default tag: latest", "latest: Pulling from t/demo"]);
    row.sh("docker image ls --format '{{.Repository}}:{{.Tag}}' localhost:5000/t/demo")
        .ok()
        .prints("localhost:5000/t/demo:latest\n");
});

row!(a_name_has_registry_namespace_and_tag, "IMG-003", |row| {
    let registry = row.registry();
    registry.push(&images::echo(), "a/b/c", "1");
    row.sh("docker pull localhost:5000/a/b/c:1").ok().shows("1: Pulling from a/b/c");
    assert!(registry.log().contains("/v2/a/b/c/manifests/"), "the registry was asked for another path");
    row.sh("docker image ls -q localhost:5000/a/b/c:1").ok().shows(&images::echo().id()[7..19]);
});

row!(the_list_has_dockers_header, "IMG-009", |row| {
    let list = row.sh("docker image ls").ok();
    let columns: Vec<&str> =
        list.lines()[0].split("  ").map(str::trim).filter(|word| !word.is_empty()).collect();
    assert_eq!(columns, ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]);
    let id = &images::busybox().id()[7..19];
    assert!(list.lines().iter().any(|line| line.starts_with("t/busybox ") && line.contains(id)), "{list}");
    row.sh("docker rmi -f busybox t/busybox").ok();
    row.sh("docker images").ok().prints("REPOSITORY   TAG       IMAGE ID   CREATED   SIZE\n");
});

row!(the_list_filters_by_name, "IMG-010", |row| {
    row.sh("docker tag busybox ping:1 && docker tag busybox pinger:1 && docker tag busybox ping:2").ok();
    row.sh("docker image ls --format '{{.Repository}}:{{.Tag}}' ping | sort").ok().prints("ping:1\nping:2\n");
    row.sh("docker image ls -q nothing").ok().prints("");
});

row!(quiet_lists_ids, "IMG-012", |row| {
    row.load(&images::echo());
    let list = row.sh("docker image ls -q").ok();
    assert!(list.lines().len() >= 2 && list.lines().iter().all(|line| is_hex(line, 12)), "{list}");
    row.sh("docker image ls -q --no-trunc t/echo").ok().prints(&format!("{}\n", images::echo().id()));
});

row!(inspect_shows_the_configuration, "IMG-016", |row| {
    row.load(&images::layers());
    let image = row.sh("docker image inspect t/layers").ok().json()[0].clone();
    assert_eq!(image["Id"], images::layers().id());
    assert_eq!(image["RepoTags"], serde_json::json!(["t/layers:latest"]));
    assert_eq!(image["Config"]["Cmd"], serde_json::json!(["cat", "/version"]));
    let diff_ids: Vec<String> = images::layers().layers.iter().map(|layer| images::digest(layer)).collect();
    assert_eq!(image["RootFS"], serde_json::json!({ "Type": "layers", "Layers": diff_ids }));
});

row!(import_makes_an_image_of_a_tarball, "IMG-020", |row| {
    let tar = row.host.path("root.tar");
    std::fs::write(&tar, images::busybox_rootfs()).unwrap();
    let id = row
        .out(&format!("docker image import -c 'CMD [\"echo\",\"flat\"]' -m note {} flat:1", tar.display()));
    assert!(id.strip_prefix("sha256:").is_some_and(|id| is_hex(id, 64)), "{id}");
    row.sh("docker run flat:1").ok().prints("flat\n");
    row.sh("docker run flat:1 ls /bin/busybox").ok().prints("/bin/busybox\n");
    row.sh(&format!("docker import - piped:1 <{}", tar.display())).ok();
    row.sh("docker run piped:1 echo from stdin").ok().prints("from stdin\n");
    row.sh("docker history --format '{{.Comment}}' flat:1").ok().prints("note\n");
});

row!(tag_adds_a_name, "IMG-021", |row| {
    row.sh("docker image tag busybox localhost:5000/me/box:2").ok().prints("");
    let id = row.out("docker image ls -q busybox");
    assert_eq!(row.out("docker image ls -q localhost:5000/me/box"), id);
    row.sh("docker run localhost:5000/me/box:2 echo same").ok().prints("same\n");
});

row!(rm_untags_and_deletes, "IMG-023", |row| {
    row.load(&images::layers());
    let (layers, own) = (images::layers(), images::layers().id());
    let removed = row.sh("docker image rm t/layers").ok();
    let lines = removed.lines();
    assert_eq!(lines[0], "Untagged: t/layers:latest");
    assert_eq!(lines[1], format!("Deleted: {own}"));
    assert_eq!(lines.len(), 2 + layers.layers.len() - 1, "the shared layer stays: {removed}");
    assert!(
        lines[2..].iter().all(|line| line.strip_prefix("Deleted: sha256:").is_some_and(|id| is_hex(id, 64)))
    );
    row.sh("docker run busybox echo the shared layer works").ok();

    row.sh("docker create --name user busybox").ok();
    let refused = row.sh("docker rmi $(docker images -q busybox)").code(1);
    assert!(refused.stderr.contains("conflict: unable to delete"), "{refused}");
});

row!(one_image_has_several_tags, "IMG-027", |row| {
    row.load(&images::echo());
    row.sh("docker tag t/echo t/echo:v2").ok();
    let rows = row.sh("docker image ls t/echo --format '{{.Tag}} {{.ID}}' | sort").ok();
    let id = &images::echo().id()[7..19];
    assert_eq!(rows.stdout, format!("latest {id}\nv2 {id}\n"));
    row.sh("docker image rm t/echo:v2").ok().prints("Untagged: t/echo:v2\n");
    row.sh("docker image ls -q t/echo").ok().prints(&format!("{id}\n"));
});

row!(ids_are_hashes_of_content, "IMG-028", |row| {
    row.load(&images::layers());
    let id = row.out("docker image inspect -f '{{.Id}}' t/layers");
    let hex = id.strip_prefix("sha256:").unwrap();
    let found = row.out(&format!("find {} -type f -name {hex}", row.root().display()));
    let stored = std::fs::read(found.lines().next().expect("the configuration is a file")).unwrap();
    assert_eq!(images::digest(&stored), id);
    let layers = row.sh("docker image inspect -f '{{json .RootFS.Layers}}' t/layers").ok().json();
    let hashes: Vec<String> = images::layers().layers.iter().map(|layer| images::digest(layer)).collect();
    assert_eq!(layers, serde_json::json!(hashes));
});

row!(a_container_never_changes_its_image, "IMG-033", |row| {
    let upper = row.out("docker image inspect -f '{{.GraphDriver.Data.UpperDir}}' busybox");
    let hash = || row.out(&format!("tar --sort=name -c -C {upper} . | sha256sum"));
    let before = hash();
    row.sh("docker run --name alpha busybox sh -c 'echo mine >/etc/passwd; rm /bin/vi; touch /new'").ok();
    assert_eq!(hash(), before);
    row.sh("docker run busybox sh -c 'ls /bin/vi; ls /new; grep -c root /etc/passwd'")
        .shows("/bin/vi\n")
        .shows("\n1\n");
    let layer = row.inspect("alpha", "{{.GraphDriver.Data.UpperDir}}");
    row.sh(&format!("ls {layer}")).ok().shows("new");
});
