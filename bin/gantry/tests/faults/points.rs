//! Every fault point of the engine's own list: killed there, started again, compared.

use std::time::Duration;

use engine::fault::POINTS;
use serde_json::{Value, json};
use testing::daemon::Daemon;
use testing::http::Request;
use testing::wait;

use crate::bench::{Bench, assert_truthful, create};

/// What a client was told before the engine died.
#[derive(Debug, Default)]
struct Told {
    created: bool,
    started: bool,
    removed: bool,
    volume: bool,
    network: bool,
}

fn status(daemon: &Daemon, method: &str, path: &str, body: &Value) -> u16 {
    let request = Request::new(method, path);
    let request = if body.is_null() { request } else { request.json(body) };
    daemon.try_ask(request).map_or(0, |answer| answer.status)
}

/// A whole life that passes every point but those of the reconciler.
fn live(daemon: &Daemon, point: &str) -> Told {
    let none = &Value::Null;
    let volume = status(daemon, "POST", "/volumes/create", &json!({ "Name": "vol1" })) == 201;
    let network = status(daemon, "POST", "/networks/create", &json!({ "Name": "net1" })) == 201;
    let mut told = Told { volume, network, ..Told::default() };
    let more = json!({ "HostConfig": {
        "Binds": ["vol1:/data"], "PortBindings": { "80/tcp": [{ "HostPort": "8080" }] } } });
    told.created = create(daemon, "life", "sleep 1000", &more) == Some(201);
    told.started = status(daemon, "POST", "/containers/life/start", none) == 204;
    status(daemon, "POST", "/containers/life/rename?name=renamed", none);
    status(daemon, "POST", "/containers/renamed/kill", none);
    status(daemon, "POST", "/containers/renamed/wait", none);
    // The end is recorded a moment after it is told, and a removal right behind it would do both in one.
    wait::until(Duration::from_secs(2), || {
        status(daemon, "GET", "/_ping", none) != 200 || !point.starts_with("exit.")
    });
    told.removed = status(daemon, "DELETE", "/containers/renamed?v=1", none) == 204;
    status(daemon, "DELETE", "/networks/net1", none);
    told
}

/// What was told must still be so.
fn assert_kept(daemon: &Daemon, told: &Told, point: &str) {
    let exists = |path: &str| daemon.get(path).status == 200;
    let container = exists("/containers/life/json") || exists("/containers/renamed/json");
    if told.removed {
        assert!(!container, "{point}: the removed container is back");
    } else if told.created && !point.starts_with("remove.") {
        assert!(container, "{point}: the created container is gone");
    }
    if told.volume {
        assert!(exists("/volumes/vol1"), "{point}: the created volume is gone");
    }
    if told.network && !point.starts_with("network.") {
        assert!(told.removed || exists("/networks/net1"), "{point}: the created network is gone");
    }
}

fn survive(bench: &Bench<'_>, point: &str, action: &str) {
    let fault = format!("{point}={action}");
    let when = fault.as_str();
    let mut told = Told::default();
    if point.starts_with("reconcile.") {
        let daemon = bench.start().start();
        create(&daemon, "life", "sleep 1000", &json!({}));
        told.created = status(&daemon, "POST", "/containers/life/start", &Value::Null) == 204;
        daemon.kill_9();
        let mut dying = bench.start().env("GANTRY_FAULT", &fault).start_unready();
        assert!(dying.wait_end(Duration::from_secs(20)).is_some(), "{when}: never passed\n{}", dying.log());
    } else {
        let mut dying = bench.start().env("GANTRY_FAULT", &fault).start();
        told = live(&dying, point);
        if action == "kill" {
            assert!(
                dying.wait_end(Duration::from_secs(5)).is_some(),
                "{when}: never passed\n{}",
                dying.log()
            );
        } else {
            assert_truthful(&dying, when);
            dying.kill_9();
        }
    }
    let daemon = bench.start().start();
    assert_truthful(&daemon, when);
    if action == "kill" {
        assert_kept(&daemon, &told, point);
    }
    bench.leaves_nothing(&daemon, when);
    daemon.stop();
}

#[test]
fn a_kill_at_any_point_is_survived() {
    testing::on_host(&[], |host| {
        let bench = Bench::prepare(host);
        for point in POINTS {
            survive(&bench, point, "kill");
        }
    });
}

#[test]
fn an_error_at_any_point_is_undone() {
    testing::on_host(&[], |host| {
        let bench = Bench::prepare(host);
        for point in POINTS.iter().filter(|point| !point.starts_with("reconcile.")) {
            survive(&bench, point, "error");
        }
    });
}
