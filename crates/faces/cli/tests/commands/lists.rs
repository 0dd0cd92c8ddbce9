//! Listings, details, versions, and refusals.

use crate::engine::{Engine, json, refusal};
use crate::run;

const CONTAINERS: &str = r#"[{"Id": "4f66ad9a0b2e7c21d7b4e1ed1d0dbe6d", "Names": ["/web"], "Image": "localhost:5000/t/web:2",
  "ImageID": "sha256:aa", "Command": "httpd -f -v -p 80 -h /www", "Created": 0, "State": "running", "Status": "Up 2 minutes",
  "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}], "Labels": {"tier": "front"}},
 {"Id": "0b2e7c21d7b4e1ed1d0dbe6d4f66ad9a", "Names": ["/db"], "Image": "db", "ImageID": "sha256:bb", "Command": "db",
  "Created": 0, "State": "exited", "Status": "Exited (1) 3 hours ago", "Ports": null, "Labels": null}]"#;

#[test]
fn ps_shows_a_table() {
    let engine = Engine::new(&[json("GET /containers/json", CONTAINERS)]);
    let page = run(&engine, "docker|ps|-a|--filter|status=running").page();
    let (head, rows) = page.split_once('\n').unwrap();
    assert_eq!(
        head,
        "CONTAINER ID   IMAGE                    COMMAND                  CREATED        STATUS                   PORTS                  NAMES"
    );
    assert!(
        rows.starts_with("4f66ad9a0b2e   localhost:5000/t/web:2   \"httpd -f -v -p 80 -…\"   "),
        "{rows}"
    );
    assert!(rows.ends_with("   Exited (1) 3 hours ago                          db\n--\n== 0\n"), "{rows}");
    assert_eq!(
        engine.asked(),
        ["GET /containers/json?all=1&filters=%7B%22status%22%3A%7B%22running%22%3Atrue%7D%7D"]
    );
}

#[test]
fn ps_shows_what_the_configuration_asks_for() {
    let engine = Engine::new(&[json("GET /containers/json", CONTAINERS)]);
    let config = r#"{"psFormat": "table {{.Names}}\\t{{.Label \"tier\"}}"}"#;
    std::fs::write(engine.folder().join("config.json"), config).unwrap();
    assert_eq!(run(&engine, "docker|ps").page(), "NAMES     tier\nweb       front\ndb        \n--\n== 0\n");
    assert_eq!(run(&engine, "docker|ps|-q").page(), "4f66ad9a0b2e\n0b2e7c21d7b4\n--\n== 0\n");
}

#[test]
fn sizes_are_asked_for_only_when_shown() {
    let engine = Engine::new(&[json("GET /containers/json", "[]")]);
    run(&engine, "docker|ps|--format|{{.Size}}");
    run(&engine, "docker|ps|--format|{{.Names}}");
    assert_eq!(engine.asked(), ["GET /containers/json?size=1", "GET /containers/json"]);
}

#[test]
fn both_forms_of_a_command_show_the_same() {
    let engine = Engine::new(&[json("GET /containers/json", CONTAINERS)]);
    assert_eq!(run(&engine, "docker|ps").out, run(&engine, "docker|container|ls").out);
}

#[test]
fn networks_and_volumes_are_listed_in_natural_order() {
    let engine = Engine::new(&[
        json(
            "GET /networks",
            r#"[{"Id": "b1", "Name": "net10", "Driver": "bridge", "Scope": "local"}, {"Id": "a1", "Name": "net9", "Driver": "bridge", "Scope": "local"}]"#,
        ),
        json("GET /volumes", r#"{"Volumes": [{"Name": "data", "Driver": "local"}], "Warnings": null}"#),
    ]);
    assert_eq!(
        run(&engine, "docker|network|ls").page(),
        "NETWORK ID   NAME      DRIVER    SCOPE\na1           net9      bridge    local\nb1           net10     bridge    local\n--\n== 0\n"
    );
    assert_eq!(run(&engine, "docker|volume|ls").page(), "DRIVER    VOLUME NAME\nlocal     data\n--\n== 0\n");
}

#[test]
fn inspect_looks_for_one_kind_after_the_other() {
    let engine = Engine::new(&[
        refusal("GET /containers/", 404, r#"{"message": "No such container: x"}"#),
        refusal("GET /images/", 404, r#"{"message": "No such image: x"}"#),
        refusal("GET /networks/", 404, r#"{"message": "network x not found"}"#),
        json("GET /volumes/x", r#"{"Name": "x", "Mountpoint": "/v", "Labels": null}"#),
    ]);
    assert_eq!(
        run(&engine, "docker|inspect|x").page(),
        "[\n    {\n        \"Name\": \"x\",\n        \"Mountpoint\": \"/v\",\n        \"Labels\": null\n    }\n]\n--\n== 0\n"
    );
    assert_eq!(
        run(&engine, "docker|inspect|-f|{{.Mountpoint}} {{.Labels}}|x").page(),
        "/v map[]\n--\n== 0\n"
    );
    assert_eq!(
        run(&engine, "docker|inspect|--type|image|x").page(),
        "[]\n--\nError response from daemon: No such image: x\n== 1\n"
    );
}

#[test]
fn hints_are_shown_by_gantry_alone() {
    let engine = Engine::new(&[refusal(
        "POST /containers/web/start",
        500,
        r#"{"message": "Bind for 0.0.0.0:80 failed: port is already allocated", "hint": "container api holds it"}"#,
    )]);
    let said = "Error response from daemon: Bind for 0.0.0.0:80 failed: port is already allocated\n";
    let end = "Error: failed to start containers: web\n== 1\n";
    assert_eq!(run(&engine, "docker|start|web").page(), format!("--\n{said}{end}"));
    assert_eq!(
        run(&engine, "gantry|start|web").page(),
        format!("--\n{said}hint: container api holds it\n{end}")
    );
}

#[test]
fn several_objects_are_acted_on_and_all_failures_told() {
    let engine = Engine::new(&[
        json("POST /containers/a/stop", ""),
        refusal("POST /containers/b/stop", 404, r#"{"message": "No such container: b"}"#),
        json("POST /containers/c/stop", ""),
    ]);
    assert_eq!(
        run(&engine, "docker|stop|-t|3|a|b|c").page(),
        "a\nc\n--\nError response from daemon: No such container: b\n== 1\n"
    );
    assert!(engine.asked().contains(&"POST /containers/a/stop?t=3".to_owned()));
}

#[test]
fn version_shows_the_client_even_without_an_engine() {
    let engine = Engine::new(&[]);
    let address = "unix:///nowhere/gantry.sock";
    let ran = run(&engine, &format!("docker|-H|{address}|version"));
    assert!(ran.out.starts_with("Client: Gantry "), "{}", ran.out);
    assert!(ran.out.contains("\n API version:       1.51\n"), "{}", ran.out);
    assert_eq!(
        ran.error,
        format!("Cannot connect to the Docker daemon at {address}. Is the docker daemon running?\n")
    );
    assert_eq!(ran.code, 1);
}

#[test]
fn no_engine_is_started_for_an_address_that_was_chosen() {
    let engine = Engine::new(&[]);
    let ran = run(&engine, "gantry|-H|unix:///nowhere/gantry.sock|run|hello");
    assert_eq!(
        ran.page(),
        "--\ngantry: Cannot connect to the Docker daemon at unix:///nowhere/gantry.sock. Is the docker daemon running?\n\nRun 'gantry run --help' for more information\n== 125\n"
    );
}

#[test]
fn events_are_shown_as_they_come() {
    let event = r#"{"Type":"container","Action":"start","Actor":{"ID":"abc","Attributes":{"name":"web","image":"x"}},"scope":"local","time":1,"timeNano":1500000000}"#;
    let engine = Engine::new(&[json("GET /events", &format!("{event}\n{event}\n"))]);
    let line = "1970-01-01T00:00:01.500000000Z container start abc (image=x, name=web)\n";
    assert_eq!(run(&engine, "docker|events|--until|1").page(), format!("{line}{line}--\n== 0\n"));
    assert_eq!(run(&engine, "docker|events|--format|{{.Actor.Attributes.name}}").out, "web\nweb\n");
    assert_eq!(run(&engine, "docker|events|--format|json").out, format!("{event}\n{event}\n"));
}
