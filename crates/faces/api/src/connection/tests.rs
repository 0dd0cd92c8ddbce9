//! Raw sockets against a server without an engine.

use super::*;
use crate::body;
use crate::hijack::Takeover;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Barrier;
use std::thread;

/// Where the server of one test and its client meet.
static REACHED: Barrier = Barrier::new(2);

/// A server that takes the socket on `/take` and sends back everything it gets, in capitals; says `hello` on every
/// other path, after reading the body.
async fn respond(request: Request<Incoming>, client: Client) -> Answer {
    let path = request.uri().path().to_owned();
    let request_query = request.uri().query().map(str::to_owned);
    let mut body = request.into_body();
    match body::read_all(&mut body).await {
        Ok(_) => {}
        Err(error) => return Answer::Plain(crate::answer::error_response(&error)),
    }
    match path.as_str() {
        "/query" => {
            let query = request_query.unwrap_or_default();
            Answer::Plain(Response::new(Body::full(query)))
        }
        "/take" => Answer::Takeover(Takeover {
            head: b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n".to_vec(),
            serve: Box::new(|socket, early| {
                Box::pin(async move {
                    thread::spawn(move || shout(UnixStream::from(socket), &early));
                })
            }),
        }),
        "/gone" | "/stop" => {
            if path == "/stop" {
                REACHED.wait();
            }
            client.gone().await;
            Answer::Plain(Response::new(Body::full("gone")))
        }
        _ => Answer::Plain(Response::new(Body::full("hello"))),
    }
}

fn shout(mut socket: UnixStream, early: &[u8]) {
    socket.set_nonblocking(false).unwrap();
    socket.write_all(&early.to_ascii_uppercase()).unwrap();
    let mut bytes = [0; 64];
    while let Ok(count @ 1..) = socket.read(&mut bytes) {
        socket.write_all(&bytes[..count].to_ascii_uppercase()).unwrap();
    }
    socket.write_all(b"END").unwrap();
}

/// Runs a server for one connection and gives the client's end.
fn connect() -> UnixStream {
    // The sender must outlive the connection: a server that is gone is a server that stops.
    let (closing, is_closing) = watch::channel(false);
    std::mem::forget(closing);
    connect_until(is_closing)
}

fn connect_until(closing: watch::Receiver<bool>) -> UnixStream {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    theirs.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let socket = Socket::Unix(tokio::net::UnixStream::from_std(theirs).unwrap());
            serve(socket, closing, respond).await;
        });
    });
    ours
}

fn read_until(client: &mut UnixStream, end: &str) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(end.as_bytes()) && client.read(&mut byte).unwrap() == 1 {
        bytes.push(byte[0]);
    }
    String::from_utf8(bytes).unwrap()
}

fn read_to_end(client: &mut UnixStream) -> String {
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn bytes_glued_to_the_request_reach_whoever_takes_the_socket() {
    let mut client = connect();
    client
        .write_all(b"POST /take HTTP/1.1\r\nHost: d\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\nearly ")
        .unwrap();
    assert_eq!(read_until(&mut client, "\r\n\r\n"), "HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n");
    assert_eq!(read_until(&mut client, " "), "EARLY ");
    client.write_all(b"late").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut client), "LATEEND");
}

#[test]
fn a_client_may_close_its_side_before_it_gets_an_answer() {
    let mut client = connect();
    client.write_all(b"POST /take HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\n\r\n{}all at once").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let text = read_to_end(&mut client);
    assert_eq!(text.split_once("\r\n\r\n").unwrap().1, "ALL AT ONCEEND");
}

#[test]
fn a_connection_that_served_other_requests_can_be_taken() {
    let mut client = connect();
    for _ in 0..3 {
        client.write_all(b"GET /x HTTP/1.1\r\nHost: d\r\n\r\n").unwrap();
        assert!(read_until(&mut client, "hello").starts_with("HTTP/1.1 200 OK\r\n"));
    }
    client.write_all(b"POST /take HTTP/1.1\r\nHost: d\r\n\r\n").unwrap();
    read_until(&mut client, "\r\n\r\n");
    client.write_all(b"x").unwrap();
    assert_eq!(read_until(&mut client, "X"), "X");
}

#[test]
fn what_stands_raw_in_a_url_is_taken_on_every_request() {
    let mut client = connect();
    for _ in 0..3 {
        client.write_all(b"\r\nGET /query?a={\"b\":[\"<c>\"]}&d=\xc3\xa4 HTTP/1.1\r\nX: \"y\"\r\n").unwrap();
        client.write_all(b"Content-Length: 4\r\n\r\n\"\n\"\n").unwrap();
        assert!(
            read_until(&mut client, "%C3%A4").ends_with("\r\n\r\na=%7B%22b%22:[%22%3Cc%3E%22]%7D&d=%C3%A4")
        );
    }
    client.write_all(b"POST /take?\"x\" HTTP/1.1\r\nHost: d\r\n\r\n\"early\"").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert!(read_to_end(&mut client).ends_with("\r\n\r\n\"EARLY\"END"));
}

#[test]
fn a_long_answer_sees_that_its_client_closed() {
    let mut client = connect();
    client.write_all(b"GET /gone HTTP/1.1\r\nHost: d\r\n\r\n").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert!(read_to_end(&mut client).ends_with("gone"));
}

#[test]
fn a_long_answer_ends_when_the_server_stops() {
    let (closing, is_closing) = watch::channel(false);
    let mut client = connect_until(is_closing);
    client.write_all(b"GET /stop HTTP/1.1\r\nHost: d\r\n\r\n").unwrap();
    REACHED.wait();
    closing.send(true).unwrap();
    assert!(read_to_end(&mut client).ends_with("gone"));
}

#[test]
fn garbage_is_refused_and_too_much_is_not_read() {
    for (request, status) in [
        ("nonsense\r\n\r\n".to_owned(), "400"),
        ("GET /x HTTP/9.9\r\n\r\n".to_owned(), "400"),
        ("GET /x HTTP/1.1\r\nContent-Length: x\r\n\r\n".to_owned(), "400"),
        (format!("GET /x HTTP/1.1\r\nHost: d\r\n{}\r\n", "a: b\r\n".repeat(2000)), "431"),
        ("POST /x HTTP/1.1\r\nHost: d\r\nContent-Length: 99999999999\r\n\r\n".to_owned(), "413"),
        ("POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_owned(), "400"),
    ] {
        let mut client = connect();
        client.write_all(request.as_bytes()).unwrap();
        let answer = read_until(&mut client, "\r\n");
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer:?} to {:?}",
            &request[..30.min(request.len())]
        );
    }
}

#[test]
fn a_chunked_body_is_read_up_to_the_bound() {
    let mut client = connect();
    let mut writer = client.try_clone().unwrap();
    let sending = thread::spawn(move || {
        let block = [b'x'; 65536];
        let _ = writer.write_all(b"POST /x HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..=body::LARGEST_DOCUMENT / block.len() {
            if writer.write_all(b"10000\r\n").and_then(|()| writer.write_all(&block)).is_err() {
                return;
            }
            let _ = writer.write_all(b"\r\n");
        }
    });
    assert!(read_until(&mut client, "\r\n").starts_with("HTTP/1.1 413"));
    drop(client);
    sending.join().unwrap();
}
