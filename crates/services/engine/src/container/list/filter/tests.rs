//! Each filter against a handful of containers.

use std::time::{Duration, UNIX_EPOCH};

use engine_api::container::{ContainerConfig, PortBinding, PortMap};

use super::*;
use crate::container::inspect::Size;
use crate::container::intent::{Intent, MountIntent, VolumeMount};
use crate::container::life::{Life, Phase, Process, Then};
use crate::network::Reservation;

/// `c` is the newest: running, port 8080, volume `data`. `b` exited with 3. `a` was never started.
fn views() -> Vec<Arc<View>> {
    let running = Phase::Running(Process { pid: 9, then: Then::Policy });
    [("c", running, 3), ("b", Phase::Exited, 2), ("a", Phase::Created, 1)]
        .into_iter()
        .map(|(letter, phase, second)| Arc::new(view(letter, phase, second)))
        .collect()
}

fn view(letter: &str, phase: Phase, second: u64) -> View {
    let at = UNIX_EPOCH + Duration::from_secs(second);
    let labels = [("letter".to_owned(), letter.to_owned())].into();
    let volume = VolumeMount { name: "data".into(), ..VolumeMount::default() };
    let mount = MountIntent {
        destination: "/data".into(),
        writable: true,
        mode: String::new(),
        what: MountSource::Volume(volume),
    };
    let binding = PortBinding { host_ip: String::new(), host_port: "8080".into() };
    let ports = PortMap::from([("80/tcp".to_owned(), Some(vec![binding]))]);
    let mut life = Life { phase, ..Life::created() };
    if letter != "a" {
        life.past.started_at = Some(at);
        life.past.exit_code = 3;
    }
    let is_web = letter == "c";
    View {
        intent: Arc::new(Intent {
            id: letter.repeat(64),
            name: format!("web-{letter}"),
            created: at,
            image_id: format!("sha256:{letter}"),
            command: vec![],
            config: ContainerConfig { labels: Some(labels), ..ContainerConfig::default() },
            host_config: Default::default(),
            endpoints: Default::default(),
            mounts: if is_web { vec![mount] } else { vec![] },
        }),
        life,
        network: Arc::new(Reservation {
            ports: if is_web { ports } else { PortMap::new() },
            ..Reservation::default()
        }),
        last_exit: None,
        supervisor: None,
    }
}

fn chosen(filters: &str, all: bool, limit: i64) -> Result<String, String> {
    let views = views();
    let options = ListOptions { all, limit, size: Size::Omitted, filters: Filters::parse(filters).unwrap() };
    let around = Surroundings {
        views: &views,
        image_id: &|name| Some(format!("sha256:{name}")),
        find: &|name| match name {
            "a" | "b" | "c" => Ok(name.repeat(64)),
            _ => Err(Error::not_found(format!("No such container: {name}"))),
        },
    };
    let filter = Filter::parse(&options, &around).map_err(|error| error.message)?;
    Ok(filter.choose(&views).iter().map(|view| view.id()[..1].to_owned()).collect())
}

fn list(filters: &str) -> String {
    chosen(filters, true, 0).unwrap()
}

#[test]
fn without_filters_only_those_that_run_unless_all_or_the_last_few() {
    assert_eq!(chosen("", false, 0), Ok("c".to_owned()));
    assert_eq!(chosen("", true, 0), Ok("cba".to_owned()));
    assert_eq!(chosen("", false, 2), Ok("cb".to_owned()));
}

#[test]
fn each_filter_chooses() {
    for (filters, expected) in [
        (r#"{"name":["web"]}"#, "cba"),
        (r#"{"name":["^/web-b$"]}"#, "b"),
        (r#"{"id":["b"]}"#, "b"),
        (r#"{"id":["x"]}"#, ""),
        (r#"{"label":["letter=a"]}"#, "a"),
        (r#"{"label":["letter"]}"#, "cba"),
        (r#"{"status":["exited"]}"#, "b"),
        (r#"{"status":["created","running"]}"#, "ca"),
        (r#"{"exited":["3"]}"#, "b"),
        (r#"{"exited":["0"]}"#, ""),
        (r#"{"before":["c"]}"#, "ba"),
        (r#"{"since":["a"]}"#, "cb"),
        (r#"{"ancestor":["b"]}"#, "b"),
        (r#"{"volume":["data"]}"#, "c"),
        (r#"{"volume":["/data"]}"#, "c"),
        (r#"{"publish":["8080"]}"#, "c"),
        (r#"{"publish":["8000-8100/tcp"]}"#, "c"),
        (r#"{"publish":["80"]}"#, ""),
        (r#"{"expose":["80"]}"#, "c"),
        (r#"{"expose":["80/udp"]}"#, ""),
        (r#"{"is-task":["true"]}"#, ""),
        (r#"{"health":["none"]}"#, "cba"),
    ] {
        assert_eq!(list(filters), expected, "{filters}");
    }
    assert_eq!(chosen(r#"{"status":["exited"]}"#, false, 0), Ok("b".to_owned()));
}

#[test]
fn wrong_values_are_refused_in_dockers_words() {
    for (filters, message) in [
        (r#"{"nope":["1"]}"#, "invalid filter 'nope'"),
        (
            r#"{"status":["flying"]}"#,
            "invalid filter 'status=flying': invalid value for state (flying): must be one of created, running, paused, restarting, removing, exited, dead",
        ),
        (r#"{"exited":["x"]}"#, "invalid filter 'exited=x': strconv.Atoi: parsing \"x\": invalid syntax"),
        (r#"{"before":["nope"]}"#, "No such container: nope"),
        (
            r#"{"publish":["x"]}"#,
            "error while looking up for publish x: strconv.ParseUint: parsing \"x\": invalid syntax",
        ),
    ] {
        assert_eq!(chosen(filters, true, 0), Err(message.to_owned()), "{filters}");
    }
}
