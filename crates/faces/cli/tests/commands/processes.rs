//! Commands that attach to processes.

use crate::engine::{Engine, json, refusal, streams};
use crate::{run, run_with};

const CREATED: &str = r#"{"Id": "abc", "Warnings": []}"#;

#[test]
fn run_shows_both_streams_and_passes_the_exit_code_on() {
    let engine = Engine::new(&[
        json("POST /containers/create", r#"{"Id": "abc", "Warnings": ["careful"]}"#),
        streams("POST /containers/abc/attach", &[(1, "out\n"), (2, "err\n"), (1, "more\n")]),
        json("POST /containers/abc/wait", r#"{"StatusCode": 7}"#),
        json("POST /containers/abc/start", ""),
    ]);
    assert_eq!(
        run(&engine, "docker|run|--rm|image|sh|-x").page(),
        "out\nmore\n--\nWARNING: careful\nerr\n== 7\n"
    );
    let asked = engine.asked();
    let calls: Vec<&str> = asked.iter().map(|call| call.split('{').next().unwrap().trim_end()).collect();
    assert_eq!(
        calls,
        [
            "POST /containers/create",
            "POST /containers/abc/attach?stderr=1&stdout=1&stream=1",
            "POST /containers/abc/wait?condition=removed",
            "POST /containers/abc/start",
        ]
    );
    assert!(
        asked[0].contains(r#""Cmd":["sh","-x"]"#) && asked[0].contains(r#""AutoRemove":true"#),
        "{}",
        asked[0]
    );
}

#[test]
fn run_sends_its_input_and_closes_it() {
    let engine = Engine::new(&[
        json("POST /containers/create", CREATED),
        streams("POST /containers/abc/attach", &[]),
        json("POST /containers/abc/wait", r#"{"StatusCode": 0}"#),
        json("POST /containers/abc/start", ""),
    ]);
    assert_eq!(run_with(&engine, "docker|run|-i|image|cat", b"hello\n").page(), "hello\n--\n== 0\n");
}

#[test]
fn run_in_the_background_prints_the_id() {
    let engine =
        Engine::new(&[json("POST /containers/create", CREATED), json("POST /containers/abc/start", "")]);
    assert_eq!(run(&engine, "docker|run|-d|--name|web|image").page(), "abc\n--\n== 0\n");
    assert!(engine.asked()[0].starts_with("POST /containers/create?name=web {"));
}

#[test]
fn a_command_that_is_not_there_exits_with_127() {
    let message =
        r#"{"message": "failed to create task: exec: \"nope\": executable file not found in $PATH"}"#;
    for (signs, code) in [
        (message, 127),
        (r#"{"message": "exec /etc: permission denied"}"#, 126),
        (r#"{"message": "x"}"#, 125),
    ] {
        let engine = Engine::new(&[
            json("POST /containers/create", CREATED),
            streams("POST /containers/abc/attach", &[]),
            json("POST /containers/abc/wait", r#"{"StatusCode": 0}"#),
            refusal("POST /containers/abc/start", 400, signs),
        ]);
        let ran = run(&engine, "docker|run|image|nope");
        assert_eq!(ran.code, code);
        assert!(ran.error.starts_with("docker: Error response from daemon: "), "{}", ran.error);
        assert!(ran.error.ends_with("\n\nRun 'docker run --help' for more information\n"), "{}", ran.error);
    }
}

#[test]
fn a_missing_image_is_pulled_with_its_credentials() {
    let engine = Engine::new(&[
        refusal("POST /containers/create", 404, r#"{"message": "No such image: localhost:5000/x:latest"}"#),
        json("POST /containers/create", CREATED),
        json("POST /images/create", "{\"status\":\"Pulling from x\",\"id\":\"latest\"}\r\n"),
        json("POST /containers/abc/start", ""),
    ]);
    let ran = run(&engine, "docker|run|-d|localhost:5000/x");
    assert_eq!(
        ran.page(),
        "abc\n--\nUnable to find image 'localhost:5000/x:latest' locally\nlatest: Pulling from x\n== 0\n"
    );
    assert_eq!(engine.asked()[1], "POST /images/create?fromImage=localhost%3A5000%2Fx&tag=latest");
}

#[test]
fn a_missing_image_is_not_pulled_when_that_is_forbidden() {
    let engine =
        Engine::new(&[refusal("POST /containers/create", 404, r#"{"message": "No such image: x:latest"}"#)]);
    assert_eq!(run(&engine, "docker|run|--pull|never|x").code, 125);
    assert_eq!(engine.asked().len(), 1);
}

#[test]
fn hello_means_the_embedded_image_and_is_told_when_it_was_asked_for() {
    let engine =
        Engine::new(&[json("POST /containers/create", CREATED), json("POST /containers/abc/start", "")]);
    run(&engine, "gantry|run|-d|hello");
    run(&engine, "docker|run|-d|hello");
    let asked = engine.asked();
    assert!(
        asked[0].contains(r#""Image":"gantry/hello""#) && asked[0].contains("GANTRY_REQUESTED_AT="),
        "{}",
        asked[0]
    );
    assert!(asked[2].contains(r#""Image":"hello""#) && !asked[2].contains("GANTRY"), "{}", asked[2]);
}

#[test]
fn hello_world_greets_without_a_network() {
    let offline = "{\"errorDetail\":{\"message\":\"dial tcp: lookup registry-1.docker.io: no such host\"},\"error\":\"x\"}\r\n";
    let engine = Engine::new(&[
        refusal("POST /containers/create", 404, r#"{"message": "No such image: hello-world:latest"}"#),
        json("POST /containers/create", CREATED),
        json("POST /images/create", offline),
        json("POST /containers/abc/start", ""),
    ]);
    let ran = run(&engine, "gantry|run|-d|hello-world");
    assert_eq!(ran.code, 0, "{}", ran.page());
    assert!(engine.asked()[2].contains(r#""Image":"gantry/hello""#));
}

#[test]
fn exec_passes_the_exit_code_on() {
    let engine = Engine::new(&[
        json("POST /containers/web/exec", r#"{"Id": "e1"}"#),
        streams("POST /exec/e1/start", &[(1, "out\n"), (2, "err\n")]),
        json("GET /exec/e1/json", r#"{"ID": "e1", "ExitCode": 5}"#),
    ]);
    assert_eq!(run(&engine, "docker|exec|-w|/tmp|web|sh|-c|exit 5").page(), "out\n--\nerr\n== 5\n");
    assert!(engine.asked()[0].contains(r#""WorkingDir":"/tmp","Cmd":["sh","-c","exit 5"]"#));
}

#[test]
fn a_terminal_is_refused_when_stdin_is_none() {
    let engine = Engine::new(&[json("GET /containers/web/json", "{}")]);
    assert_eq!(run(&engine, "docker|run|-it|image").page(), "--\nthe input device is not a TTY\n== 1\n");
    assert_eq!(run(&engine, "docker|exec|-it|web|sh").page(), "--\nthe input device is not a TTY\n== 1\n");
    assert_eq!(engine.asked(), ["GET /containers/web/json"]);
}

#[test]
fn attach_refuses_what_does_not_run() {
    let engine = Engine::new(&[
        json("POST /containers/web/wait", r#"{"StatusCode": 0}"#),
        json("GET /containers/web/json", r#"{"Id": "abc", "State": {"Running": false}}"#),
    ]);
    assert_eq!(
        run(&engine, "docker|attach|web").page(),
        "--\nYou cannot attach to a stopped container, start it first\n== 1\n"
    );
}

#[test]
fn logs_parts_the_streams_and_wait_prints_codes() {
    let mut logs = streams("GET /containers/web/logs", &[(1, "a\n"), (2, "b\n")]);
    logs.answers_plainly();
    let engine = Engine::new(&[logs, json("POST /containers/web/wait", r#"{"StatusCode": 3}"#)]);
    assert_eq!(run(&engine, "docker|logs|--tail|5|web").page(), "a\n--\nb\n== 0\n");
    assert_eq!(engine.asked(), ["GET /containers/web/logs?stderr=1&stdout=1&tail=5"]);
    assert_eq!(run(&engine, "docker|wait|web").page(), "3\n--\n== 0\n");
}
