//! `record-errors`: what Docker 28.5 says to the wrong calls of `contracts/wrong-calls.txt`, stored as data.
//!
//! Run by hand against a real engine; the tests compare Gantry with the committed record.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use testing::client::Client;
use testing::http::Address;
use testing::wrong::{self, Engine, Record};

use crate::project;

const RECORD: &str = "contracts/docker-28.5-errors.json";

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (host, docker) = match arguments {
        [host, docker] => (host, PathBuf::from(docker)),
        _ => bail!("names the engine's socket (unix://…) and the client program"),
    };
    let socket = host.strip_prefix("unix://").context("the engine's socket is a unix:// address")?;
    let list = std::fs::read_to_string(project::root().join("contracts/wrong-calls.txt"))?;
    let calls = wrong::parse(&list)?;
    let mut engine = Engine::prepare(Address::unix(socket), Client::new(&docker, Some(host)));
    let mut records = Vec::new();
    for call in &calls {
        let reply = engine.make_call(call);
        if reply.is_success() {
            println!("accepted: {}", call.line());
        }
        records.push(Record { call: call.line().to_owned(), reply });
    }
    engine.tear_down();
    let refused = records.iter().filter(|record| !record.reply.is_success()).count();
    std::fs::write(project::root().join(RECORD), serde_json::to_string_pretty(&records)? + "\n")?;
    println!("{} calls, {refused} refused: {RECORD}", records.len());
    Ok(())
}
