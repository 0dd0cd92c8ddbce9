//! Daemons that die and come back.

use shim::protocol::{Answer, Status};
use shim::{ExitRecord, Framing, Request};

use crate::harness::{LIMIT, Place, Running, eventually, everything, launch, launch_attached, read_until};

#[test]
fn a_daemon_that_dies_while_output_flows_leaves_no_gap() {
    let place = Place::new();
    let script = "trap 'exit 4' USR1; i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done; \
                  while :; do sleep 0.02; done";
    let (running, mut client) = launch_attached(place.script(script));
    let started = running.started;
    read_until(&mut client, "\n100\n");
    drop(running);
    drop(client);
    let mut again = Running { client: place.connect(), started };
    assert!(matches!(again.call(Request::Version), Answer::Version { .. }));
    let Answer::State(state) = again.call(Request::Watch) else { panic!("no state") };
    assert_eq!((state.started, state.id), (started, "ab".repeat(32)));
    let expected: String = (0..20_000).map(|number| format!("{number}\n")).collect();
    eventually("everything is logged", || place.logged().len() >= expected.len());
    again.signal(10);
    assert_eq!(again.wait().exit_code, 4);
    assert!(place.logged() == expected, "the log has a gap");
}

#[test]
fn a_client_stays_attached_while_no_daemon_is_there() {
    let place = Place::new();
    let mut plan = place.plan(&["cat"]);
    plan.stdin = shim::StdinWish::Once;
    let (running, mut client) = launch_attached(plan);
    drop(running);
    crate::harness::say(&mut client, "hello\n");
    read_until(&mut client, "hello\n");
    client.shutdown(std::net::Shutdown::Write).unwrap();
    eventually("the exit record is there", || ExitRecord::load(&place.exec_dir).unwrap().is_some());
    assert_eq!(ExitRecord::load(&place.exec_dir).unwrap().unwrap().exit_code, 0);
}

#[test]
fn what_happened_while_nobody_watched_is_in_the_state() {
    let place = Place::new();
    let mut running = launch(&place.script("sleep 100"));
    let client = running.exec("e1", place.process(&["sh", "-c", "exit 5"]));
    let started = running.started;
    drop((running, client));
    let mut again = Running { client: place.connect(), started };
    eventually("the exec is over", || {
        let state = again.state();
        state.status == Status::Running && state.execs.iter().any(|exec| exec.exit_code == Some(5))
    });
    // Not watching, it hears nothing; the record is there all the same.
    again.signal(9);
    let outcome = again.client.next_event(LIMIT);
    assert!(outcome.is_err(), "{outcome:?}");
    assert_eq!(ExitRecord::load(&place.exec_dir).unwrap().unwrap().exit_code, 137);
}

#[test]
fn many_daemons_may_come_and_the_watching_one_is_kept() {
    let place = Place::new();
    let mut running = launch(&place.script("sleep 100"));
    let crowd: Vec<_> = (0..150).map(|_| place.connect()).collect();
    assert_eq!(running.state().status, Status::Running);
    let attached = running.attach(everything(Framing::Raw));
    drop(crowd);
    running.signal(9);
    assert_eq!(running.wait().exit_code, 137);
    drop(attached);
}
