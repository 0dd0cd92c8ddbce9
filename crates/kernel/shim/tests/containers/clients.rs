//! Attached clients: half-close, terminals, detach keys, large streams.

use std::io::Read;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use shim::{AttachOptions, Event, Framing, Request, ShimError, StdinWish};

use crate::harness::{
    LIMIT, Place, Running, demultiplex, everything, launch, launch_attached, read_until, say, with_terminal,
};

#[test]
fn cat_gives_back_what_it_gets_and_ends_with_the_input() {
    let place = Place::new();
    let mut plan = place.plan(&["cat"]);
    plan.stdin = StdinWish::Once;
    let (mut running, mut client) = launch_attached(plan);
    say(&mut client, "one\n");
    say(&mut client, "two\n");
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(demultiplex(&mut client).0, "one\ntwo\n");
    assert_eq!(running.wait().exit_code, 0);
    assert_eq!(place.logged(), "one\ntwo\n");
}

#[test]
fn input_that_stays_open_outlives_its_clients() {
    let place = Place::new();
    let mut plan = place.plan(&["cat"]);
    plan.stdin = StdinWish::Open;
    let (mut running, mut first) = launch_attached(plan);
    say(&mut first, "one\n");
    first.shutdown(Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    first.read_to_end(&mut rest).unwrap();
    let mut second = running.attach(everything(Framing::Raw));
    say(&mut second, "two\n");
    read_until(&mut second, "two\n");
    running.signal(9);
    running.wait();
    assert_eq!(place.logged(), "one\ntwo\n");
}

#[test]
fn a_client_that_never_reads_its_own_input_back_still_hears_the_end() {
    let place = Place::new();
    let mut plan = place.plan(&["true"]);
    plan.stdin = StdinWish::Once;
    let (mut running, mut client) = launch_attached(plan);
    // More than the pipe takes: some of it is never read by anybody.
    let mut writer = client.try_clone().unwrap();
    let thread = std::thread::spawn(move || {
        let _ = std::io::Write::write_all(&mut writer, &vec![b'x'; 1_000_000]);
    });
    assert_eq!(running.wait().exit_code, 0);
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).expect("the end, not a reset connection");
    drop(client);
    thread.join().unwrap();
}

#[test]
fn a_terminal_has_a_name_a_size_and_can_be_resized() {
    let place = Place::new();
    let plan = with_terminal(
        place.script(
            "tty; stty size; trap 'stty size' WINCH; echo ready; until read x; do :; done; echo got $x",
        ),
        40,
        120,
    );
    let (mut running, mut client) = launch_attached(plan);
    let seen = read_until(&mut client, "ready");
    assert!(seen.contains("/dev/pts/0\r\n40 120\r\n"), "{seen:?}");
    running.call(Request::Resize { exec: None, rows: 30, columns: 99 });
    // The signal may or may not end the shell's `read`.
    say(&mut client, "hi\n");
    let seen = read_until(&mut client, "got hi");
    assert!(seen.contains("30 99"), "{seen:?}");
    assert_eq!(running.wait().exit_code, 0);
    assert!(place.logged().contains("40 120\r\n"));
}

#[test]
fn everything_that_was_printed_on_a_terminal_before_the_end_arrives() {
    for _ in 0..10 {
        let place = Place::new();
        let (mut running, mut client) = launch_attached(with_terminal(place.script("seq 1 3000"), 24, 80));
        let mut heard = String::new();
        client.read_to_string(&mut heard).unwrap();
        let expected: String = (1..=3000).map(|number| format!("{number}\r\n")).collect();
        assert!(heard == expected, "{} bytes of {} came", heard.len(), expected.len());
        assert_eq!(running.wait().exit_code, 0);
        assert!(place.logged() == expected, "the log differs");
    }
}

#[test]
fn detach_keys_end_the_session_and_leave_the_container() {
    let place = Place::new();
    let plan = with_terminal(place.script("echo ready; read x; echo got $x"), 24, 80);
    let (mut running, mut client) = launch_attached(plan);
    read_until(&mut client, "ready");
    say(&mut client, "\x10\x11");
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    assert_eq!(running.event(), Event::Detached { client: "c".into(), exec: None });
    let own_keys =
        AttachOptions { detach_keys: b"qq".to_vec(), client: "d".into(), ..everything(Framing::Raw) };
    let mut again = running.attach(own_keys);
    say(&mut again, "\x10\x11qq");
    again.read_to_end(&mut rest).unwrap();
    assert_eq!(running.event(), Event::Detached { client: "d".into(), exec: None });
    let mut last = running.attach(everything(Framing::Raw));
    say(&mut last, "hi\n");
    read_until(&mut last, "hi\r\ngot");
    assert_eq!(running.wait().exit_code, 0);
}

#[test]
fn two_hundred_megabytes_arrive_whole_while_a_second_client_comes_and_goes() {
    const TOTAL: usize = 200_000_000;
    let place = Place::new();
    let mut plan = place.script("yes 0123456789abcdefghijklmnopqrstuvwxyz | head -c 200000000");
    plan.log = shim::LogPolicy::None;
    let (mut running, mut client) = launch_attached(plan);
    // Not on this thread: while the first client does not read, nobody hears anything.
    let started = running.started;
    let mut passing = Running { client: place.connect(), started };
    let passers_by = std::thread::spawn(move || {
        for _ in 0..20 {
            let mut passer_by = passing.attach(everything(Framing::Raw));
            passer_by.read_exact(&mut [0; 1000]).unwrap();
        }
    });
    let line = b"0123456789abcdefghijklmnopqrstuvwxyz\n";
    let expected: Vec<u8> = line.iter().copied().cycle().take(line.len() + 65_536).collect();
    let mut total = 0;
    let mut head = [0; 8];
    let mut frame = Vec::new();
    while client.read_exact(&mut head).is_ok() {
        assert_eq!(head[..4], [1, 0, 0, 0]);
        frame.resize(usize::try_from(u32::from_be_bytes([head[4], head[5], head[6], head[7]])).unwrap(), 0);
        client.read_exact(&mut frame).unwrap();
        let phase = total % line.len();
        assert!(frame == expected[phase..phase + frame.len()], "wrong bytes after {total}");
        total += frame.len();
    }
    assert_eq!(total, TOTAL);
    passers_by.join().unwrap();
    assert_eq!(running.wait().exit_code, 0);
}

#[test]
fn only_sockets_are_attached() {
    let place = Place::new();
    let mut running = launch(&place.script("sleep 100"));
    let file = std::fs::File::open("/dev/zero").unwrap();
    let outcome = running.client.call(Request::Attach(everything(Framing::Raw)), &[file.as_fd()], LIMIT);
    assert!(
        matches!(outcome, Err(ShimError::Refused(refusal)) if refusal.kind == shim::RefusalKind::Invalid)
    );
    let (ours, theirs) = UnixStream::pair().unwrap();
    running.client.call(Request::Attach(everything(Framing::Raw)), &[theirs.as_fd()], LIMIT).unwrap();
    drop((ours, theirs));
    running.signal(9);
    assert_eq!(running.wait().exit_code, 137);
}
