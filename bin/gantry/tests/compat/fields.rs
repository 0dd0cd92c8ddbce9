//! Fields of `POST /containers/create`: an accepted value has an effect that is seen in the kernel or in the
//! answer, or it is refused. One line a field (`fields/table.rs`); a field of the API document without a line
//! is a failure.

mod table;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use testing::contract;
use testing::daemon::{Daemon, Start};
use testing::images;
use testing::program;

/// One line of the table.
pub(super) struct Field {
    /// The definition and its field, as the API document names them.
    name: &'static str,
    /// What is asked for, merged into the request.
    body: Value,
    /// The effect.
    see: See,
}

/// Where the effect of a field is seen.
pub(super) enum See {
    /// A line of shell in the container prints exactly this.
    Prints(&'static str, &'static str),
    /// A file of the container's control group holds this: hierarchy, file, text.
    Group(&'static str, &'static str, &'static str),
    /// The answer of inspect holds this value at this place.
    Inspects(&'static str, Value),
    /// Create warns with these words and does without.
    Warns(&'static str),
    /// Create answers this status and these words, as Docker does on such a host.
    Refused(u16, &'static str),
    /// A later issue brings it; until then it is refused with these words.
    Later(&'static str),
    /// It has nothing to do on Linux, or stands only in answers: the reason.
    Nothing(&'static str),
    /// A little scenario of its own.
    Scene(fn(&Daemon, &str) -> Result<(), String>),
}

pub(super) const fn field(name: &'static str, body: Value, see: See) -> Field {
    Field { name, body, see }
}

/// Merges `more` into `base`, object by object.
fn merge(base: &mut Value, more: &Value) {
    match (base.as_object_mut(), more.as_object()) {
        (Some(all), Some(more)) => {
            for (key, value) in more {
                merge(all.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        _ => *base = more.clone(),
    }
}

/// The output of a finished container on both streams, without frames.
pub(super) fn output(daemon: &Daemon, id: &str, has_terminal: bool) -> String {
    let body = daemon.get(&format!("/containers/{id}/logs?stdout=1&stderr=1")).body;
    if has_terminal {
        return String::from_utf8_lossy(&body).replace('\r', "");
    }
    let (mut rest, mut text) = (body.as_slice(), String::new());
    while let Some((head, tail)) = rest.split_at_checked(8) {
        let size = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
        text.push_str(&String::from_utf8_lossy(&tail[..size]));
        rest = &tail[size..];
    }
    text
}

fn judge(daemon: &Daemon, field: &Field) -> Result<(), String> {
    if let See::Nothing(reason) = field.see {
        return if reason.is_empty() { Err("does nothing, for no reason".to_owned()) } else { Ok(()) };
    }
    let script = match field.see {
        See::Prints(script, _) => script,
        _ => "sleep 1000",
    };
    let mut body = json!({ "Image": "busybox", "Cmd": ["sh", "-c", script] });
    merge(&mut body, &field.body);
    let created = daemon.post("/containers/create", &body);
    match field.see {
        See::Refused(status, words) if created.status == status && created.message().contains(words) => {
            return Ok(());
        }
        See::Later(words) if created.status == 501 && created.message().contains(words) => return Ok(()),
        See::Refused(..) | See::Later(_) => return Err(created.to_string()),
        _ if created.status != 201 => return Err(created.to_string()),
        _ => {}
    }
    let created = created.json();
    let id = created["Id"].as_str().unwrap_or_default();
    let outcome = see(daemon, field, id, &created["Warnings"], body["Tty"] == true);
    daemon.delete(&format!("/containers/{id}?force=1&v=1"));
    outcome
}

fn see(daemon: &Daemon, field: &Field, id: &str, warnings: &Value, has_terminal: bool) -> Result<(), String> {
    if let See::Warns(words) = field.see {
        return if warnings.to_string().contains(words) {
            Ok(())
        } else {
            Err(format!("warnings {warnings}"))
        };
    }
    if let See::Scene(scene) = &field.see {
        return scene(daemon, id);
    }
    let started = daemon.post(&format!("/containers/{id}/start"), &Value::Null);
    if started.status != 204 {
        return Err(started.to_string());
    }
    let inspect = || daemon.get(&format!("/containers/{id}/json")).json();
    match &field.see {
        See::Prints(_, expected) => {
            daemon.post(&format!("/containers/{id}/wait"), &Value::Null);
            let text = output(daemon, id, has_terminal);
            if text == *expected { Ok(()) } else { Err(format!("prints {text:?} instead of {expected:?}")) }
        }
        See::Group(hierarchy, file, expected) => {
            let path = Path::new("/sys/fs/cgroup").join(hierarchy).join("docker").join(id).join(file);
            let text =
                std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            if text.contains(expected) { Ok(()) } else { Err(format!("{file} holds {text:?}")) }
        }
        See::Inspects(place, expected) => {
            let answer = inspect();
            let value = answer.pointer(place).cloned().unwrap_or(Value::Null);
            if value == *expected { Ok(()) } else { Err(format!("{place} is {value}")) }
        }
        _ => unreachable!("answered above"),
    }
}

/// What several lines take for granted: a container with a volume, a network with a subnet.
fn prepare(daemon: &Daemon) {
    daemon.load(&images::busybox());
    let source = json!({ "Image": "busybox", "Cmd": ["sh", "-c", "echo seen >/from/file"], "Volumes": { "/from": {} } });
    daemon.post("/containers/create?name=source", &source).expect(201);
    daemon.post("/containers/source/start", &Value::Null).expect(204);
    daemon.post("/containers/source/wait", &Value::Null).expect(200);
    let network = json!({ "Name": "net1", "IPAM": { "Config": [{ "Subnet": "10.77.0.0/24" }] } });
    daemon.post("/networks/create", &network).expect(201);
    program::shell("mkdir -p /run/test/shared && echo bound >/run/test/shared/file").ok();
}

#[test]
fn every_accepted_value_has_an_effect() {
    testing::on_host(&[], |host| {
        let daemon = Start::plain(host.folder()).start();
        prepare(&daemon);
        let failed: Vec<String> = table::fields()
            .iter()
            .filter_map(|field| {
                judge(&daemon, field).err().map(|why| format!("{} {}: {why}", field.name, field.body))
            })
            .collect();
        assert!(failed.is_empty(), "{} fields:\n{}\n{}", failed.len(), failed.join("\n"), daemon.log());
    });
}

/// Names of a definition's fields, with those it takes over.
fn names(document: &Value, definition: &str) -> Vec<String> {
    let schema = &document["definitions"][definition];
    let mut all = Vec::new();
    let own = schema
        .as_object()
        .into_iter()
        .chain(schema["allOf"].as_array().into_iter().flatten().filter_map(Value::as_object));
    for part in own {
        if let Some(name) = part.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next())
        {
            all.extend(names(document, name));
        }
        all.extend(
            part.get("properties")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .map(|(name, _)| name.clone()),
        );
    }
    all
}

#[test]
fn every_field_of_the_document_has_a_line() {
    let document: Value = serde_json::from_str(&contract::read("engine-api-1.51.json")).unwrap();
    let known: BTreeSet<&str> = table::fields().iter().map(|field| field.name).collect();
    let missing: Vec<String> = ["ContainerConfig", "HostConfig", "EndpointSettings", "Mount"]
        .iter()
        .flat_map(|definition| {
            names(&document, definition).into_iter().map(move |name| format!("{definition}.{name}"))
        })
        .filter(|name| !known.contains(name.as_str()))
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}
