//! Further processes in a running container.

use std::net::Shutdown;

use oci_spec::runtime::ConsoleSize;
use shim::{Event, ExecOptions, RefusalKind, Request, ShimError};

use crate::harness::{LIMIT, Place, demultiplex, launch, read_until, say};

#[test]
fn an_exec_has_streams_an_exit_code_and_the_containers_view() {
    let place = Place::new();
    let mut running = launch(&place.script("sleep 100"));
    let script = "cat; hostname; ps | grep -c 'sleep 100'; echo bad >&2; exit 3";
    let mut client = running.exec("e1", place.process(&["sh", "-c", script]));
    say(&mut client, "input\n");
    client.shutdown(Shutdown::Write).unwrap();
    let (out, err) = demultiplex(&mut client);
    assert!(out.starts_with("input\ntested\n"), "{out}");
    assert_eq!(err, "bad\n");
    assert_eq!(running.wait_exec("e1"), 3);
    let state = running.state();
    assert_eq!(state.execs.len(), 1);
    assert_eq!(state.execs[0].exit_code, Some(3));
    assert_eq!(place.logged(), "", "an exec's output is not the container's");
    running.signal(9);
    running.wait();
}

#[test]
fn many_execs_run_at_once() {
    let place = Place::new();
    let mut running = launch(&place.script("sleep 100"));
    let mut clients: Vec<_> = (0..20)
        .map(|number| {
            let script = format!("read x; echo {number} $x; exit {number}");
            running.exec(&format!("e{number}"), place.process(&["sh", "-c", &script]))
        })
        .collect();
    assert_eq!(running.state().execs.iter().filter(|exec| exec.exit_code.is_none()).count(), 20);
    for (number, client) in clients.iter_mut().enumerate() {
        say(client, "go\n");
        assert_eq!(demultiplex(client).0, format!("{number} go\n"));
    }
    let mut codes: Vec<i32> = (0..20)
        .map(|_| match running.event() {
            Event::ExecExited { exit_code, .. } => exit_code,
            other => panic!("{other:?}"),
        })
        .collect();
    codes.sort_unstable();
    assert_eq!(codes, (0..20).collect::<Vec<_>>());
    running.signal(9);
    running.wait();
}

#[test]
fn an_exec_may_have_a_terminal_and_detach() {
    let place = Place::new();
    let mut running = launch(&place.script("sleep 100"));
    let mut process =
        place.process(&["sh", "-c", "tty; stty size; echo ready; read x; stty size; sleep 100"]);
    process.terminal = true;
    process.console_size = Some(ConsoleSize { height: 11, width: 22 });
    let mut client = running.exec("e1", process);
    let seen = read_until(&mut client, "ready");
    assert!(seen.contains("/dev/pts/0\r\n11 22\r\n"), "{seen:?}");
    running.call(Request::Resize { exec: Some("e1".into()), rows: 33, columns: 44 });
    say(&mut client, "x\n");
    read_until(&mut client, "33 44");
    say(&mut client, "\x10\x11");
    assert_eq!(running.event(), Event::Detached { client: "c".into(), exec: Some("e1".into()) });
    running.call(Request::Signal { signal: 15, exec: Some("e1".into()), all: false });
    assert_eq!(running.wait_exec("e1"), 143);
    running.signal(9);
    running.wait();
}

#[test]
fn an_exec_without_client_has_no_streams() {
    let place = Place::new();
    let mut running = launch(&place.script("sleep 100"));
    let process =
        place.process(&["sh", "-c", "cat && echo x && ls -l /proc/self/fd | grep -c /dev/null > /tmp/count"]);
    let options = ExecOptions { exec: "e1".into(), process, user: None, client: None };
    running.call(Request::Exec(Box::new(options)));
    assert_eq!(running.wait_exec("e1"), 0);
    running.signal(9);
    running.wait();
}

#[test]
fn an_exec_that_cannot_begin_is_refused_and_leaves_the_container_alone() {
    let place = Place::new();
    let mut running = launch(&place.script("sleep 100"));
    for (program, exit_code) in [("nope", 127), ("/etc/passwd", 126)] {
        let process = place.process(&[program]);
        let options = ExecOptions { exec: program.into(), process, user: None, client: None };
        match running.client.call(Request::Exec(Box::new(options)), &[], LIMIT) {
            Err(ShimError::Refused(refusal)) => {
                assert_eq!(
                    (refusal.kind, refusal.exit_code),
                    (RefusalKind::Start, Some(exit_code)),
                    "{refusal}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(running.state().execs, []);
    running.signal(9);
    assert_eq!(running.wait().exit_code, 137);
}

#[test]
fn a_background_child_of_an_exec_holds_its_end_up_for_two_seconds_at_most() {
    let place = Place::new();
    let mut running = launch(&place.script("sleep 100"));
    let mut client = running.exec("e1", place.process(&["sh", "-c", "sleep 50 & echo hi"]));
    assert_eq!(demultiplex(&mut client).0, "hi\n");
    assert_eq!(running.wait_exec("e1"), 0);
    running.signal(9);
    running.wait();
}

#[test]
fn execs_end_with_their_container() {
    let place = Place::new();
    let mut running = launch(&place.script("sleep 100"));
    let mut client = running.exec("e1", place.process(&["sleep", "100"]));
    running.signal(9);
    assert_eq!(running.wait_exec("e1"), 137);
    assert_eq!(running.wait().exit_code, 137);
    assert_eq!(demultiplex(&mut client), (String::new(), String::new()));
    let process = place.process(&["true"]);
    let options = ExecOptions { exec: "e2".into(), process, user: None, client: None };
    match running.client.call(Request::Exec(Box::new(options)), &[], LIMIT) {
        Err(ShimError::Gone) => {}
        Err(ShimError::Refused(refusal)) => assert_eq!(refusal.kind, RefusalKind::NotRunning),
        other => panic!("{other:?}"),
    }
}
