//! API: the calls that documents show with curl.

use testing::row;
use testing::wait::{self, PATIENCE};

const CURL: &str = "curl -s -w '\\n%{http_code}' --unix-socket /var/run/docker.sock";
const CREATE: &str =
    r#"-XPOST -d '{"Image":"busybox","Cmd":["sleep","1000"]}' -H 'Content-Type:application/json'"#;

row!(create_answers_id_and_warnings, "API-001", |row| {
    let ran = row.sh(&format!("{CURL} {CREATE} http://localhost/containers/create")).ok().shows("\n201");
    let answer: serde_json::Value = serde_json::from_str(ran.lines()[0]).unwrap();
    assert!(answer["Id"].as_str().is_some_and(|id| crate::is_hex(id, 64)), "{answer}");
    assert!(answer.get("Warnings").is_some_and(|warnings| warnings.is_array()), "{answer}");
});

row!(start_answers_no_content, "API-002", |row| {
    let id = row.out("docker create --name alpha busybox sleep 1000");
    row.sh(&format!("{CURL} -XPOST http://localhost/containers/{id}/start")).ok().shows("\n204");
    row.sh("docker ps --format '{{.Names}} {{.Status}}'").ok().shows("alpha Up ");
});

row!(events_stream_one_object_per_action, "API-003", |row| {
    let curl = row.start("curl -sN --unix-socket /var/run/docker.sock http://localhost/events");
    wait::eventually("the stream is open", || {
        row.sh("docker run --rm busybox true").ok();
        curl.stdout_so_far().contains("\"die\"")
    });
    row.sh("docker run --name alpha busybox true").ok();
    let events = || -> Vec<serde_json::Value> {
        let text = curl.stdout_so_far();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let all = whole.lines().map(|line| serde_json::from_str(line).expect("one JSON object a line"));
        all.filter(|event: &serde_json::Value| event["Actor"]["Attributes"]["name"] == "alpha").collect()
    };
    let actions = || -> Vec<String> {
        events().iter().filter_map(|event| event["Action"].as_str().map(str::to_owned)).collect()
    };
    wait::eventually("the container's events arrive", || actions().contains(&"die".to_owned()));
    assert_eq!(actions(), ["create", "attach", "start", "die"]);
    for event in events() {
        assert_eq!(event["Type"], "container");
        assert_eq!(event["status"], event["Action"]);
        assert!(event["Actor"]["ID"].is_string() && event["time"].is_i64() && event["timeNano"].is_i64());
    }
});

row!(a_container_drives_the_api_through_the_mounted_socket, "API-004", |row| {
    // The stand-in image has no curl: the host's comes in with its libraries.
    let admin = "docker run --rm -v /usr:/usr:ro -v /lib:/lib:ro -v /lib64:/lib64:ro \
                 -v /var/run/docker.sock:/var/run/docker.sock busybox";
    let curl = "/usr/bin/curl -s --unix-socket /var/run/docker.sock";
    let created =
        row.sh(&format!("{admin} {curl} {CREATE} 'http://localhost/containers/create?name=sibling'"));
    let id = created.ok().json()["Id"].as_str().unwrap().to_owned();
    row.sh(&format!("{admin} {curl} -XPOST http://localhost/containers/{id}/start")).ok();
    row.sh("docker ps --format '{{.Names}}'").ok().prints("sibling\n");
    let events = format!(
        "docker run -d --name watch -v /usr:/usr:ro -v /lib:/lib:ro -v /lib64:/lib64:ro \
         -v /var/run/docker.sock:/var/run/docker.sock busybox {curl} -N http://localhost/events"
    );
    row.sh(&events).ok();
    assert!(wait::until(PATIENCE, || {
        row.sh("docker run --rm busybox true").ok();
        row.sh("docker logs watch").ok().stdout.contains("\"die\"")
    }));
});
