//! Commands that move images.

use crate::engine::{Engine, json, refusal};
use crate::{run, run_with};

#[test]
fn pull_names_the_tag_and_shows_steps() {
    let progress = "{\"status\":\"Pulling from t/x\",\"id\":\"latest\"}\r\n\
        {\"status\":\"Downloading\",\"progressDetail\":{\"current\":5,\"total\":10},\"id\":\"aaa\"}\r\n\
        {\"status\":\"Pull complete\",\"progressDetail\":{},\"id\":\"aaa\"}\r\n\
        {\"status\":\"Status: Downloaded newer image for localhost:5000/t/x:latest\"}\r\n";
    let engine = Engine::new(&[json("POST /images/create", progress)]);
    assert_eq!(
        run(&engine, "docker|pull|localhost:5000/t/x").page(),
        "Using default tag: latest\nlatest: Pulling from t/x\naaa: Pull complete\nStatus: Downloaded newer image for localhost:5000/t/x:latest\nlocalhost:5000/t/x:latest\n--\n== 0\n"
    );
    assert_eq!(
        run(&engine, "docker|pull|-q|localhost:5000/t/x:1").page(),
        "localhost:5000/t/x:1\n--\n== 0\n"
    );
    assert_eq!(
        run(&engine, "docker|pull|X").error,
        "invalid reference format: repository name (library/X) must be lowercase\n"
    );
}

#[test]
fn a_pull_that_fails_says_why() {
    let engine = Engine::new(&[json(
        "POST /images/create",
        "{\"errorDetail\":{\"message\":\"no space\"},\"error\":\"no space\"}\r\n",
    )]);
    assert_eq!(run(&engine, "docker|pull|-q|x").page(), "--\nno space\n== 1\n");
}

#[test]
fn load_sends_stdin_or_a_file() {
    let engine = Engine::new(&[json("POST /images/load", "{\"stream\":\"Loaded image: x:1\\n\"}\r\n")]);
    assert_eq!(run_with(&engine, "docker|load", b"archive").page(), "Loaded image: x:1\n--\n== 0\n");
    let file = engine.folder().join("x.tar");
    std::fs::write(&file, "bytes").unwrap();
    assert_eq!(run(&engine, &format!("docker|load|-i|{}", file.display())).code, 0);
    assert_eq!(engine.asked(), ["POST /images/load?quiet=1 archive", "POST /images/load?quiet=1 bytes"]);
    let missing = run(&engine, "docker|load|-i|/nowhere/x.tar");
    assert_eq!(missing.page(), "--\nopen /nowhere/x.tar: no such file or directory\n== 1\n");
}

#[test]
fn import_sends_changes_in_order() {
    let engine = Engine::new(&[json("POST /images/create", "{\"status\":\"sha256:abc\"}\r\n")]);
    let ran = run_with(&engine, "docker|import|-c|ENV B=1|-c|CMD [\"a\"]|-m|note|-|x:1", b"tar");
    assert_eq!(ran.page(), "sha256:abc\n--\n== 0\n");
    assert_eq!(
        engine.asked(),
        [
            "POST /images/create?changes=ENV+B%3D1&changes=CMD+%5B%22a%22%5D&fromSrc=-&message=note&repo=x%3A1 tar"
        ]
    );
}

#[test]
fn rmi_shows_what_went_and_forgives_what_is_gone() {
    let engine = Engine::new(&[
        json("DELETE /images/x", r#"[{"Untagged": "x:latest"}, {"Deleted": "sha256:1"}]"#),
        refusal("DELETE /images/gone", 404, r#"{"message": "No such image: gone:latest"}"#),
    ]);
    assert_eq!(
        run(&engine, "docker|rmi|x|gone").page(),
        "Untagged: x:latest\nDeleted: sha256:1\n--\nError response from daemon: No such image: gone:latest\n== 1\n"
    );
    assert_eq!(
        run(&engine, "docker|rmi|-f|gone").page(),
        "--\nError response from daemon: No such image: gone:latest\n== 0\n"
    );
}

#[test]
fn images_has_the_classic_table() {
    let list = r#"[{"Id": "sha256:0123456789abcdef", "RepoTags": ["busybox:1.36", "busybox:latest"], "RepoDigests": [], "Size": 4277000, "Created": 0}]"#;
    let engine = Engine::new(&[
        json("GET /images/json", list),
        json("GET /images/json", list),
        json("GET /images/json", "[]"),
    ]);
    let table = run(&engine, "docker|images|busybox").out;
    assert!(table.starts_with("REPOSITORY   TAG       IMAGE ID       CREATED        SIZE\nbusybox      1.36      0123456789ab   "), "{table}");
    assert!(table.ends_with("   4.28MB\n"), "{table}");
    assert_eq!(run(&engine, "docker|images|-q").out, "0123456789ab\n0123456789ab\n");
    let ran = run(&engine, "docker|images|ls");
    assert_eq!(ran.error, "\nNo images found matching \"ls\": did you mean \"docker image ls\"?\n");
}

#[test]
fn tag_sends_the_canonical_name() {
    let engine = Engine::new(&[json("POST /images/x/tag", "")]);
    assert_eq!(run(&engine, "docker|tag|x|team/y:2").page(), "--\n== 0\n");
    assert_eq!(engine.asked(), ["POST /images/x/tag?repo=docker.io%2Fteam%2Fy&tag=2"]);
    assert_eq!(
        run(&engine, "docker|tag|x|Y").error,
        "Error parsing reference: \"Y\" is not a valid repository/tag: invalid reference format: repository name (library/Y) must be lowercase\n"
    );
}
