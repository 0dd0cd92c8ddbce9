//! Streams over a hijacked connection, byte by byte: both heads, both framings, half-close, early stdin.

use std::io::{Read, Write};
use std::time::Duration;

use serde_json::{Value, json};
use testing::acceptance::Face;
use testing::client::Client;
use testing::daemon::{Daemon, Start};
use testing::http::{self, Flowing, Request};
use testing::images;

/// A request that asks for the connection itself, or not.
#[derive(Clone, Copy)]
enum Upgrade {
    Asked,
    NotAsked,
}

fn daemon(host: &testing::Host) -> Daemon {
    let daemon = Start::plain(host.folder()).start();
    daemon.load(&images::busybox());
    daemon
}

fn create(daemon: &Daemon, name: &str, script: &str, more: Value) {
    let mut body = json!({ "Image": "busybox", "Cmd": ["sh", "-c", script] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    daemon.post(&format!("/containers/create?name={name}"), &body).expect(201);
}

fn hijack(daemon: &Daemon, path: &str, body: &Value, upgrade: Upgrade, early: &[u8]) -> Flowing {
    let mut request = Request::new("POST", &format!("/v1.51{path}"));
    if let Upgrade::Asked = upgrade {
        request = request.header("Connection: Upgrade").header("Upgrade: tcp");
    }
    if !body.is_null() {
        request = request.json(body);
    }
    request.claimed_length = Some(request.body.len());
    request.body.extend(early);
    http::open(daemon.address(), &request).unwrap()
}

/// Reads frames until the stream ends: channel and bytes, neighbours of one channel joined.
fn frames(mut stream: Flowing) -> Vec<(u8, String)> {
    let mut all: Vec<(u8, String)> = Vec::new();
    let mut head = [0_u8; 8];
    while stream.raw().read_exact(&mut head).is_ok() {
        let size = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let mut bytes = vec![0; size];
        stream.raw().read_exact(&mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        match all.last_mut() {
            Some((channel, joined)) if *channel == head[0] => joined.push_str(&text),
            _ => all.push((head[0], text)),
        }
    }
    all
}

#[test]
fn an_upgrade_answers_101_and_none_answers_200() {
    testing::on_host(&[], |host| {
        let daemon = daemon(host);
        // Docker names the framing only to those who asked for the upgrade.
        let framed = "application/vnd.docker.multiplexed-stream";
        let raw = "application/vnd.docker.raw-stream";
        let cases = [("up", Upgrade::Asked, 101, framed), ("plain", Upgrade::NotAsked, 200, raw)];
        for (name, upgrade, status, named) in cases {
            create(&daemon, name, "echo out; echo err >&2", json!({}));
            let path = format!("/containers/{name}/attach?stream=1&stdout=1&stderr=1");
            let stream = hijack(&daemon, &path, &Value::Null, upgrade, b"");
            assert_eq!(stream.status, status);
            let kind = stream.headers.iter().find(|(header, _)| header == "content-type");
            assert_eq!(kind.unwrap().1, named);
            daemon.post(&format!("/containers/{name}/start"), &Value::Null).expect(204);
            let mut seen = frames(stream);
            seen.sort();
            assert_eq!(seen, [(1, "out\n".to_owned()), (2, "err\n".to_owned())]);
        }
    });
}

#[test]
fn a_terminal_is_sent_raw() {
    testing::on_host(&[], |host| {
        let daemon = daemon(host);
        create(&daemon, "tty", "tty; stty size", json!({ "Tty": true }));
        let path = "/containers/tty/attach?stream=1&stdout=1";
        let mut stream = hijack(&daemon, path, &Value::Null, Upgrade::Asked, b"");
        let kind = stream.headers.iter().find(|(header, _)| header == "content-type").unwrap();
        assert_eq!(kind.1, "application/vnd.docker.raw-stream");
        daemon.post("/containers/tty/start", &Value::Null).expect(204);
        let mut text = String::new();
        stream.raw().read_to_string(&mut text).unwrap();
        assert!(text.starts_with("/dev/pts/0\r\n"), "{text:?}");
    });
}

#[test]
fn a_half_closed_stdin_ends_the_reader_and_the_rest_still_comes() {
    testing::on_host(&[], |host| {
        let daemon = daemon(host);
        let open = json!({ "OpenStdin": true, "StdinOnce": true, "AttachStdin": true });
        create(&daemon, "cat", "cat; echo after", open);
        let path = "/containers/cat/attach?stream=1&stdin=1&stdout=1";
        let mut stream = hijack(&daemon, path, &Value::Null, Upgrade::Asked, b"");
        daemon.post("/containers/cat/start", &Value::Null).expect(204);
        stream.raw().get_mut().write_all(b"typed\n").unwrap();
        stream.raw().get_ref().half_close().unwrap();
        assert_eq!(frames(stream), [(1, "typed\nafter\n".to_owned())]);
    });
}

#[test]
fn stdin_sent_with_the_request_is_not_lost() {
    testing::on_host(&[], |host| {
        let daemon = daemon(host);
        let open = json!({ "OpenStdin": true, "StdinOnce": true });
        create(&daemon, "early", "cat", open);
        let path = "/containers/early/attach?stream=1&stdin=1&stdout=1";
        // Docker itself drops what arrives in one piece with the request.
        let mut stream = hijack(&daemon, path, &Value::Null, Upgrade::Asked, b"sent early\n");
        assert_eq!(stream.status, 101);
        stream.raw().get_ref().half_close().unwrap();
        daemon.post("/containers/early/start", &Value::Null).expect(204);
        assert_eq!(frames(stream), [(1, "sent early\n".to_owned())]);
    });
}

#[test]
fn exec_streams_both_ways_and_tells_its_code() {
    testing::on_host(&[], |host| {
        let daemon = daemon(host);
        create(&daemon, "box", "sleep 1000", json!({}));
        daemon.post("/containers/box/start", &Value::Null).expect(204);
        let wish = json!({
            "Cmd": ["sh", "-c", "cat; echo err >&2; exit 3"],
            "AttachStdin": true, "AttachStdout": true, "AttachStderr": true,
        });
        let id =
            daemon.post("/containers/box/exec", &wish).expect(201).json()["Id"].as_str().unwrap().to_owned();
        let path = format!("/exec/{id}/start");
        let mut stream = hijack(&daemon, &path, &json!({ "Detach": false }), Upgrade::Asked, b"");
        stream.raw().get_mut().write_all(b"in\n").unwrap();
        stream.raw().get_ref().half_close().unwrap();
        assert_eq!(frames(stream), [(1, "in\n".to_owned()), (2, "err\n".to_owned())]);
        testing::wait::eventually("the exec's code is known", || {
            let state = daemon.get(&format!("/exec/{id}/json")).json();
            state["Running"] == false && state["ExitCode"] == 3
        });
    });
}

#[test]
fn a_reader_that_stops_does_not_stop_other_containers() {
    testing::on_host(&[], |host| {
        let daemon = daemon(host);
        create(&daemon, "loud", "yes", json!({}));
        let path = "/containers/loud/attach?stream=1&stdout=1";
        let stuck = hijack(&daemon, path, &Value::Null, Upgrade::Asked, b"");
        daemon.post("/containers/loud/start", &Value::Null).expect(204);
        create(&daemon, "quiet", "echo fine", json!({}));
        daemon.post("/containers/quiet/start", &Value::Null).expect(204);
        let waited = daemon.post("/containers/quiet/wait", &Value::Null).expect(200);
        assert_eq!(waited.json()["StatusCode"], 0);
        drop(stuck);
    });
}

#[test]
fn a_megabyte_goes_through_stdin_and_back_unchanged() {
    testing::on_host(&[], |host| {
        let daemon = daemon(host);
        create(&daemon, "cat", "cat", json!({ "OpenStdin": true, "StdinOnce": true }));
        let path = "/containers/cat/attach?stream=1&stdin=1&stdout=1";
        let mut stream = hijack(&daemon, path, &Value::Null, Upgrade::Asked, b"");
        stream.raw().get_ref().set_limit(Duration::from_secs(30)).unwrap();
        daemon.post("/containers/cat/start", &Value::Null).expect(204);
        let sent: String = (0..100_000).map(|number| format!("{number:09}\n")).collect();
        let testing::http::Stream::Unix(writer) = stream.raw().get_ref() else { panic!("a unix socket") };
        let (mut writer, bytes) = (writer.try_clone().unwrap(), sent.clone());
        let typing = std::thread::spawn(move || {
            writer.write_all(bytes.as_bytes()).unwrap();
            writer.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let back: String = frames(stream).into_iter().map(|(_, text)| text).collect();
        typing.join().unwrap();
        assert!(back == sent, "{} bytes of {} came back", back.len(), sent.len());
    });
}

#[test]
fn logs_and_attach_with_logs_replay_what_was_printed() {
    testing::on_host(&[], |host| {
        let daemon = daemon(host);
        create(&daemon, "done", "echo one; echo two", json!({}));
        daemon.post("/containers/done/start", &Value::Null).expect(204);
        daemon.post("/containers/done/wait", &Value::Null).expect(200);
        let logs = Request::new("GET", "/v1.51/containers/done/logs?stdout=1&stderr=1");
        let answer = daemon.ask(logs);
        assert_eq!(answer.header("content-type"), Some("application/vnd.docker.multiplexed-stream"));
        assert_eq!(answer.body.windows(4).filter(|window| window == b"one\n").count(), 1);
        let tail = daemon.get("/containers/done/logs?stdout=1&tail=1").expect(200);
        assert_eq!(&tail.body[8..], b"two\n");
        let path = "/containers/done/attach?logs=1&stdout=1";
        let stream = hijack(&daemon, path, &Value::Null, Upgrade::Asked, b"");
        assert_eq!(frames(stream), [(1, "one\ntwo\n".to_owned())]);
    });
}

#[test]
fn short_runs_never_lose_their_line_or_their_end() {
    testing::on_host(&[], |host| {
        let daemon = daemon(host);
        std::thread::scope(|scope| {
            for face in [Face::Docker, Face::Gantry] {
                scope.spawn(move || {
                    let client = Client::new(&face.program(), None);
                    for round in 0..60 {
                        let rm = if round % 2 == 0 { "--rm" } else { "" };
                        let line = format!("docker run {rm} busybox sh -c 'echo {round}; exit 3'");
                        client.sh(&line).code(3).prints(&format!("{round}\n"));
                    }
                });
            }
        });
        drop(daemon);
    });
}

#[test]
fn short_execs_never_lose_their_line_or_their_code() {
    testing::on_host(&[], |host| {
        let daemon = daemon(host);
        create(&daemon, "box", "sleep 1000", json!({}));
        daemon.post("/containers/box/start", &Value::Null).expect(204);
        std::thread::scope(|scope| {
            for face in [Face::Docker, Face::Gantry] {
                scope.spawn(move || {
                    let client = Client::new(&face.program(), None);
                    for round in 0..100 {
                        let line = format!("docker exec box sh -c 'echo {round}; exit 9'");
                        client.sh(&line).code(9).prints(&format!("{round}\n"));
                    }
                });
            }
        });
        drop(daemon);
    });
}
