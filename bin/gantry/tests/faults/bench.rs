//! An engine that is expected to die, and what must be true once it is back.

use std::path::PathBuf;

use serde_json::{Value, json};
use testing::Host;
use testing::daemon::{Daemon, Start};
use testing::http::Request;
use testing::images;
use testing::leaks::Holdings;
use testing::wait;

/// A private host whose engine comes and goes.
pub(crate) struct Bench<'h> {
    host: &'h Host,
    before: Holdings,
}

impl<'h> Bench<'h> {
    /// Starts an engine with the image loaded, counts what an idle engine holds, and stops it again.
    pub(crate) fn prepare(host: &'h Host) -> Self {
        let daemon = Start::plain(host.folder()).start();
        daemon.load(&images::busybox());
        // The first container brings up what stays: the parent of all groups, rules, folders.
        create(&daemon, "first", "true", &json!({}));
        let _ = daemon.post("/containers/first/start", &Value::Null);
        let _ = daemon.post("/containers/first/wait", &Value::Null);
        daemon.clear();
        let before = settled(&daemon);
        daemon.stop();
        Self { host, before }
    }

    /// How this host's engine is started.
    pub(crate) fn start(&self) -> Start {
        Start::plain(self.host.folder())
    }

    /// A path in the test's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.host.path(name)
    }

    /// Removes everything through `daemon` and fails with whatever stays.
    #[track_caller]
    pub(crate) fn leaves_nothing(&self, daemon: &Daemon, when: &str) {
        daemon.clear();
        let mut leaked = Vec::new();
        let clean = wait::until(std::time::Duration::from_secs(10), || {
            leaked = Holdings::count(Some(daemon)).leaked_since(&self.before);
            leaked.retain(|thing| !is_passing(thing));
            leaked.is_empty()
        });
        assert!(clean, "{when}: left behind\n{}\n{}", leaked.join("\n"), daemon.log());
    }
}

/// The count once it has stopped moving.
fn settled(daemon: &Daemon) -> Holdings {
    let mut last = Holdings::count(Some(daemon));
    wait::eventually("the host is at rest", || {
        let now = Holdings::count(Some(daemon));
        let is_still = now == last;
        last = now;
        is_still
    });
    last
}

/// The counting programs themselves, and the store's own log and checkpoints.
fn is_passing(thing: &str) -> bool {
    thing.starts_with("process find")
        || thing.starts_with("process nft")
        || thing.starts_with("file /var/lib/gantry/intent")
}

/// Creates a container that runs a line of shell.
pub(crate) fn create(daemon: &Daemon, name: &str, script: &str, more: &Value) -> Option<u16> {
    let mut body = json!({ "Image": "busybox", "Cmd": ["sh", "-c", script] });
    if let (Some(all), Some(more)) = (body.as_object_mut(), more.as_object()) {
        all.extend(more.clone());
    }
    let request = Request::new("POST", &format!("/containers/create?name={name}")).json(&body);
    daemon.try_ask(request).ok().map(|answer| answer.status)
}

/// Everything that must hold between what the engine says and what the machine shows; containers that are on
/// their way (removed by `--rm`, restarted) get a moment to arrive.
#[track_caller]
pub(crate) fn assert_truthful(daemon: &Daemon, when: &str) {
    let mut lies = String::new();
    let is_true = wait::until(std::time::Duration::from_secs(5), || {
        lies = lies_of(daemon).join("\n");
        lies.is_empty()
    });
    assert!(is_true, "{when}:\n{lies}\n{}", daemon.log());
}

fn lies_of(daemon: &Daemon) -> Vec<String> {
    let mut lies = Vec::new();
    let mut running = 0;
    let all = daemon.get("/containers/json?all=1").expect(200).json();
    for entry in all.as_array().into_iter().flatten() {
        let id = entry["Id"].as_str().unwrap_or_default();
        let answer = daemon.get(&format!("/containers/{id}/json"));
        if answer.status == 404 {
            lies.push(format!("{id} is listed and gone"));
            continue;
        }
        let container = answer.expect(200).json();
        let (name, state) = (&container["Name"], &container["State"]);
        let pid = state["Pid"].as_u64().unwrap_or_default();
        let is_alive = pid != 0 && PathBuf::from(format!("/proc/{pid}")).exists();
        if state["Running"] != is_alive {
            lies.push(format!(
                "process {pid} of {name} is {}: {state}",
                if is_alive { "alive" } else { "gone" }
            ));
        }
        if entry["State"] != state["Status"] {
            lies.push(format!("{name} is listed as {} and inspected as {}", entry["State"], state["Status"]));
        }
        let folder = format!("/var/lib/gantry/containers/{id}");
        // What could not be removed to the end may have lost it.
        if !PathBuf::from(&folder).is_dir() && state["Dead"] != true {
            lies.push(format!("no {folder} of {name}: {state}"));
        }
        running += usize::from(pid != 0);
    }
    let supervisors = testing::program::shell("pgrep -x gantry-shim | wc -l");
    if supervisors.text().parse() != Ok(running) {
        let tree = testing::program::shell(
            "ps -eo pid,ppid,stat,wchan:20,args --forest; find /run/gantry; nft list ruleset",
        );
        lies.push(format!(
            "{} supervisors for {running} running containers\n{all}\n{}",
            supervisors.text(),
            tree.stdout
        ));
    }
    lies
}
