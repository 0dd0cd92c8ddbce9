//! Calls against a daemon that answers from a script.

use super::*;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread::JoinHandle;

const PONG: &str = "HTTP/1.1 200 OK\r\nApi-Version: 1.44\r\nOstype: linux\r\nContent-Length: 0\r\n\r\n";

/// One connection of the script: the answer to each request on it, in order.
type Answers = &'static [&'static str];

struct Daemon {
    _folder: tempfile::TempDir,
    address: Address,
    heads: JoinHandle<Vec<String>>,
}

impl Daemon {
    /// Accepts one connection for each of `script` and answers the requests on it.
    fn start(script: Vec<Answers>) -> Daemon {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let heads = std::thread::spawn(move || {
            let mut heads = Vec::new();
            for answers in script {
                let (stream, _) = listener.accept().unwrap();
                let mut from = BufReader::new(stream);
                for answer in answers {
                    heads.push(read_request(&mut from));
                    from.get_mut().write_all(answer.as_bytes()).unwrap();
                }
            }
            heads
        });
        Daemon { _folder: folder, address: Address::Unix(path), heads }
    }

    fn client(&self) -> Client {
        Client::new(Options::new(self.address.clone()))
    }

    fn fixed_client(&self) -> Client {
        Client::new(Options { version: Some("1.51".to_owned()), ..Options::new(self.address.clone()) })
    }

    fn heads(self) -> Vec<String> {
        self.heads.join().unwrap()
    }
}

fn read_request(from: &mut BufReader<UnixStream>) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(
            std::io::BufRead::read_line(from, &mut head).unwrap(),
            0,
            "the request is complete: {head}"
        );
    }
    let size =
        head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; size];
    from.read_exact(&mut body).unwrap();
    head + &String::from_utf8(body).unwrap()
}

#[test]
fn the_version_is_negotiated_once_and_the_connection_kept() {
    let daemon = Daemon::start(vec![&[
        PONG,
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
    ]]);
    let client = daemon.client();
    let call = |path: &str| client.get(path).query("q", "a b&c").query("a", "1").send().unwrap();
    assert_eq!(call("/x").value().unwrap(), serde_json::json!([]));
    assert_eq!(call("/y/é z").value().unwrap(), serde_json::json!([1, 2]));
    assert_eq!(client.post("/z").json(&[1]).send().unwrap().status(), 204);
    let heads = daemon.heads();
    assert!(heads[0].starts_with("HEAD /_ping HTTP/1.1\r\nHost: api.moby.localhost\r\n"), "{}", heads[0]);
    assert!(heads[1].starts_with("GET /v1.44/x?a=1&q=a+b%26c HTTP/1.1\r\n"), "{}", heads[1]);
    assert!(heads[2].starts_with("GET /v1.44/y/%C3%A9%20z?a=1"), "{}", heads[2]);
    assert!(
        heads[3].ends_with("Content-Type: application/json\r\nContent-Length: 3\r\n\r\n[1]"),
        "{}",
        heads[3]
    );
}

#[test]
fn a_refusal_keeps_dockers_words_and_our_hint() {
    let daemon = Daemon::start(vec![&[
        "HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n{\"message\":\"port taken\",\"hint\":\"stop x\"}",
        "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nnope\n",
        "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
    ]]);
    let client = daemon.fixed_client();
    let taken = client.get("/a").send().unwrap_err();
    assert_eq!(taken.to_string(), "Error response from daemon: port taken");
    assert_eq!((taken.status(), taken.hint()), (Some(409), Some("stop x")));
    let missing = client.get("/b").send().unwrap_err();
    assert!(missing.is_not_found());
    assert_eq!(missing.to_string(), "Error response from daemon: nope");
    let silent = client.get("/c").send().unwrap_err().to_string();
    assert!(
        silent.starts_with("request returned 502 Bad Gateway for API route and version http://%2F"),
        "{silent}"
    );
    assert!(silent.contains("api.sock/v1.51/c, check if"), "{silent}");
}

#[test]
fn a_closed_idle_connection_is_replaced() {
    const EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let daemon = Daemon::start(vec![&[EMPTY], &[EMPTY]]);
    let client = daemon.fixed_client();
    client.get("/a").send().unwrap().bytes().unwrap();
    client.get("/b").send().unwrap().bytes().unwrap();
    assert_eq!(daemon.heads().len(), 2);
}

#[test]
fn streams_are_taken_over_with_what_came_early() {
    let daemon = Daemon::start(vec![
        &[
            "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nhello",
        ],
        &["HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nworld"],
        &[
            "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"message\":\"no\"}",
        ],
    ]);
    let client = daemon.fixed_client();
    for (multiplexed, expected) in [(true, "hello"), (false, "world")] {
        let mut streams = client.post("/containers/x/attach").query("stream", "1").hijack().unwrap();
        assert_eq!(streams.is_multiplexed(), Some(multiplexed));
        let mut text = String::new();
        streams.read_to_string(&mut text).unwrap();
        assert_eq!(text, expected);
    }
    assert_eq!(
        client.post("/containers/x/attach").hijack().unwrap_err().to_string(),
        "Error response from daemon: no"
    );
    assert!(daemon.heads()[0].contains("Upgrade: tcp\r\n"));
}

#[test]
fn a_daemon_may_refuse_a_body_before_it_ends() {
    let daemon = Daemon::start(vec![&[
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{\"message\":\"bad\"}",
    ]]);
    let error =
        daemon.fixed_client().post("/images/load").stream("application/x-tar", std::io::repeat(7)).send();
    assert_eq!(error.unwrap_err().to_string(), "Error response from daemon: bad");
}

#[test]
fn a_body_is_sent_in_chunks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut text = Vec::new();
        let mut byte = [0];
        while !text.ends_with(b"0\r\n\r\n") || !text.windows(4).any(|part| part == b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            text.push(byte[0]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\ndone").unwrap();
        String::from_utf8(text).unwrap()
    });
    let client =
        Client::new(Options { version: Some("1.51".to_owned()), ..Options::new(Address::Unix(path)) });
    let answer =
        client.post("/images/load").stream("application/x-tar", &b"0123456789abcdefg"[..]).send().unwrap();
    assert_eq!(answer.bytes().unwrap(), b"done");
    assert!(peer.join().unwrap().ends_with("chunked\r\n\r\n11\r\n0123456789abcdefg\r\n0\r\n\r\n"));
}

#[test]
fn a_missing_daemon_is_reported_in_dockers_words() {
    let client = Client::new(Options::new(Address::parse("unix:///nowhere/gantry.sock").unwrap()));
    let error = client.get("/info").send().unwrap_err();
    assert!(error.is_unreachable());
    assert_eq!(
        error.to_string(),
        "Cannot connect to the Docker daemon at unix:///nowhere/gantry.sock. Is the docker daemon running?"
    );
}

#[test]
fn garbage_is_no_answer() {
    let daemon = Daemon::start(vec![&["SSH-2.0-OpenSSH\r\n\r\n"]]);
    let error = daemon.fixed_client().get("/info").send().unwrap_err().to_string();
    assert!(error.starts_with("error during connect: Get \"http://%2F"), "{error}");
    assert!(error.contains("malformed HTTP response"), "{error}");
}
