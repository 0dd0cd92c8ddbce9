//! The wrong calls of `contracts/wrong-calls.txt`, made against Gantry and compared with the record of
//! Docker 28.5. A difference that is meant stands in `contracts/error-differences.txt` with its reason.

use std::collections::BTreeMap;

use testing::acceptance::Face;
use testing::client::Client;
use testing::contract;
use testing::daemon::{Daemon, Start};
use testing::http::Address;
use testing::wrong::{self, Call, Engine, Record};

/// Calls whose answer may differ: each line of the list is followed by an indented reason.
fn allowed() -> BTreeMap<String, String> {
    let text = contract::read("error-differences.txt");
    let mut allowed = BTreeMap::new();
    let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).peekable();
    while let Some(call) = lines.next() {
        let reason = lines.next_if(|line| line.starts_with("    "));
        let reason = reason.unwrap_or_else(|| panic!("no reason for the difference at: {call}"));
        allowed.insert(call.to_owned(), reason.trim().to_owned());
    }
    allowed
}

fn records() -> BTreeMap<String, Record> {
    let records: Vec<Record> = serde_json::from_str(&contract::read("docker-28.5-errors.json")).unwrap();
    records.into_iter().map(|record| (record.call.clone(), record)).collect()
}

fn calls() -> Vec<Call> {
    wrong::parse(&contract::read("wrong-calls.txt")).unwrap()
}

/// A daemon, and an engine prepared for the calls.
fn prepare(host: &testing::Host) -> (Daemon, Engine) {
    let start = Start::plain(host.folder());
    let daemon = start.start();
    let socket = format!("unix://{}", start.socket.display());
    let client = Client::new(&Face::Gantry.program(), Some(&socket));
    (daemon, Engine::prepare(Address::unix(&start.socket), client))
}

/// Makes the calls that `wanted` picks, and fails with every difference that is not allowed.
fn replay(host: &testing::Host, wanted: impl Fn(&Call) -> bool) {
    let (daemon, mut engine) = prepare(host);
    let (records, allowed) = (records(), allowed());
    let (mut differing, mut same) = (Vec::new(), 0);
    for call in calls().iter().filter(|call| wanted(call)) {
        let theirs = &records[call.line()].reply;
        match wrong::compare(theirs, &engine.make_call(call)) {
            None if allowed.contains_key(call.line()) => {
                differing.push(format!("{}\n   is allowed to differ and does not", call.line()));
            }
            None => same += 1,
            Some(_) if allowed.contains_key(call.line()) => {}
            Some(difference) => differing.push(format!("{}\n   {difference}", call.line())),
        }
    }
    drop(daemon);
    assert!(
        differing.is_empty(),
        "{} answers differ, {same} are the same:\n{}",
        differing.len(),
        differing.join("\n")
    );
}

#[test]
fn the_api_refuses_in_dockers_words() {
    testing::on_host(&[], |host| replay(host, |call| matches!(call, Call::Api { .. })));
}

#[test]
fn the_command_line_refuses_in_dockers_words() {
    testing::on_host(&[], |host| replay(host, |call| matches!(call, Call::Command { .. })));
}

/// `cargo xtask record-errors` asks for it, with Docker 28.5 in Gantry's place.
#[test]
fn a_new_record_is_made_when_it_is_asked_for() {
    let Some(path) = std::env::var_os("GANTRY_RECORD_ERRORS") else { return };
    testing::on_host(&[], |host| {
        let (daemon, mut engine) = prepare(host);
        let records: Vec<Record> = calls()
            .iter()
            .map(|call| Record { call: call.line().to_owned(), reply: engine.make_call(call) })
            .collect();
        std::fs::write(path, serde_json::to_string_pretty(&records).unwrap() + "\n").unwrap();
        engine.tear_down();
        drop(daemon);
    });
}

#[test]
fn every_call_is_recorded_and_at_least_200_are_refused() {
    let records = records();
    let missing: Vec<String> = calls()
        .iter()
        .filter(|call| !records.contains_key(call.line()))
        .map(|call| call.line().to_owned())
        .collect();
    assert_eq!(missing, Vec::<String>::new(), "run cargo xtask record-errors");
    assert!(records.values().filter(|record| !record.reply.is_success()).count() >= 200);
}

#[test]
fn every_allowed_difference_names_a_call_of_the_list() {
    let known: Vec<String> = calls().iter().map(|call| call.line().to_owned()).collect();
    let stray: Vec<String> = allowed().into_keys().filter(|call| !known.contains(call)).collect();
    assert_eq!(stray, Vec::<String>::new());
}
