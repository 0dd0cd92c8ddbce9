//! Requests, and what is no request.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use shim::protocol::{Answer, Call, Message, Status, VERSION};
use shim::{Event, RefusalKind, Request, ShimError, wire};

use crate::harness::{LIMIT, Place, eventually, launch, launch_attached, read_until};

#[test]
fn version_and_state_are_told() {
    let place = Place::new();
    let mut running = launch(&place.script("sleep 100"));
    let Answer::Version { protocol, .. } = running.call(Request::Version) else { panic!("no version") };
    assert_eq!(protocol, VERSION);
    let state = running.state();
    assert_eq!(state.started, running.started);
    assert_eq!(state.status, Status::Running);
    running.signal(15);
    running.signal(9);
    running.wait();
}

#[test]
fn pause_stops_every_process_and_resume_lets_them_go_on() {
    let place = Place::new();
    let (mut running, mut client) =
        launch_attached(place.script("trap 'echo here' USR1; echo ready; while true; do sleep 0.01; done"));
    read_until(&mut client, "ready");
    running.call(Request::Pause);
    assert_eq!(running.state().status, Status::Paused);
    running.signal(10);
    client.set_read_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
    assert!(client.read(&mut [0; 1]).is_err(), "a frozen process says nothing");
    running.call(Request::Resume);
    read_until(&mut client, "here");
    running.call(Request::Pause);
    running.signal(9);
    assert_eq!(running.wait().exit_code, 137, "SIGKILL reaches a paused container");
}

#[test]
fn all_processes_are_listed_and_signalled() {
    let place = Place::new();
    let (mut running, mut client) =
        launch_attached(place.script("sleep 100 & sleep 101 & trap '' USR1; echo ready; wait; wait; exit 9"));
    read_until(&mut client, "ready");
    let mut pids = Vec::new();
    eventually("three processes", || {
        let Answer::Processes(list) = running.call(Request::Processes) else { return false };
        pids = list;
        pids.len() == 3
    });
    assert!(pids.contains(&running.started.pid));
    running.call(Request::Signal { signal: 10, exec: None, all: true });
    assert_eq!(running.wait().exit_code, 9, "the children are gone, the shell has ignored the signal");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let place = Place::new();
    let mut running = launch(&place.script("sleep 100"));
    let mut refused = |request| match running.client.call(request, &[], LIMIT) {
        Err(ShimError::Refused(refusal)) => refusal.kind,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(Request::Resize { exec: None, rows: 1, columns: 1 }), RefusalKind::Invalid);
    assert_eq!(refused(Request::Signal { signal: 99, exec: None, all: false }), RefusalKind::Invalid);
    let exec = Some("nope".to_owned());
    assert_eq!(refused(Request::Signal { signal: 9, exec, all: false }), RefusalKind::NotFound);
    running.signal(9);
    running.wait();
}

/// The far side's answer to bytes; empty if it closed the connection.
fn answer_to(place: &Place, bytes: &[u8]) -> Vec<u8> {
    let (mut socket, _, _) = place.connect().into_socket();
    socket.write_all(bytes).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    let mut buffer = vec![0; 4096];
    let length = socket.read(&mut buffer).unwrap_or(0);
    buffer.truncate(length);
    buffer
}

fn framed(content: &[u8]) -> Vec<u8> {
    [&u32::try_from(content.len()).unwrap().to_le_bytes()[..], content].concat()
}

#[test]
fn nonsense_ends_a_connection_and_nothing_else() {
    let place = Place::new();
    let mut running = launch(&place.script("sleep 100"));
    let nonsense: [&[u8]; 9] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[0xff; 100],
        &[0; 100],
        &framed(b"not json"),
        &framed(b"{}"),
        &framed(b"{\"id\":\"one\",\"request\":\"State\"}"),
        &framed(b"{\"id\":1,\"request\":{\"Signal\":{\"signal\":\"KILL\"}}}"),
        &framed(b"{\"id\":1,\"request\":{\"Signal\":{\"signal\":9},\"State\":{}}}"),
        // An attach without its socket.
        &wire::encode(&Call { id: 1, request: Request::Attach(shim::AttachOptions::default()) }).unwrap(),
    ];
    for bytes in nonsense {
        assert_eq!(answer_to(&place, bytes), b"", "{:?}", String::from_utf8_lossy(bytes));
    }
    // Frames that are cut off, from many who then go away or stay.
    let mut held = Vec::new();
    for length in 1..40 {
        let (mut socket, _, _) = place.connect().into_socket();
        socket
            .write_all(&wire::encode(&Call { id: 1, request: Request::State }).unwrap()[..length.min(20)])
            .unwrap();
        held.push(socket);
    }
    held.truncate(20);
    assert_eq!(running.state().status, Status::Running);
    running.signal(9);
    assert_eq!(running.wait().exit_code, 137);
}

#[test]
fn a_request_of_a_later_version_is_refused_and_the_connection_goes_on() {
    let place = Place::new();
    let mut running = launch(&place.script("sleep 100"));
    let bytes = [
        framed(b"{\"id\":5,\"request\":{\"Teleport\":{\"to\":\"mars\"}}}"),
        wire::encode(&Call { id: 6, request: Request::Version }).unwrap(),
    ]
    .concat();
    let mut cutter = wire::Cutter::default();
    let (mut socket, _, _) = place.connect().into_socket();
    socket.write_all(&bytes).unwrap();
    let mut messages = Vec::new();
    while messages.len() < 2 {
        let mut buffer = [0; 4096];
        let length = socket.read(&mut buffer).unwrap();
        cutter.feed(&buffer[..length]);
        while let Some(frame) = cutter.next_frame().unwrap() {
            messages.push(wire::decode::<Message>(&frame).unwrap());
        }
    }
    assert!(
        matches!(&messages[0], Message::Refusal { id: 5, refusal } if refusal.kind == RefusalKind::Unsupported)
    );
    assert!(matches!(&messages[1], Message::Answer { id: 6, answer: Answer::Version { .. } }));
    running.signal(9);
    running.wait();
}

#[test]
fn descriptors_that_nobody_asked_for_end_the_connection() {
    let place = Place::new();
    let mut running = launch(&place.script("sleep 100"));
    let (socket, _, _) = place.connect().into_socket();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let fds = [std::os::fd::AsFd::as_fd(&ours); 10];
    let frame = wire::encode(&Call { id: 1, request: Request::State }).unwrap();
    wire::send(&socket, &frame, &fds, rustix::net::SendFlags::empty()).unwrap();
    let mut all = Vec::new();
    (&socket).read_to_end(&mut all).unwrap();
    assert_eq!(running.state().status, Status::Running);
    running.signal(9);
    assert!(matches!(running.event(), Event::Exited(_)));
}
