//! `volume create`: a volume.

use crate::command::{Command, Words};
use crate::failure::Failure;
use crate::keyvalue;
use crate::output;
use crate::session::Session;
use engine_api::volume::{Volume, VolumeCreateRequest};
use flags::{Flag, Typed};
use serde_json::{Map, Value, json};

/// `volume create`.
pub(crate) static VOLUME_CREATE: Command =
    Command::new("[OPTIONS] [VOLUME]", "Create a volume", Words::AtMost(1), run)
        .flags(&[FLAGS, CLUSTER_FLAGS]);

const FLAGS: &[Flag] = &[
    Flag::text("driver", "Specify volume driver name").short('d').default("local"),
    Flag::list("label", "Set metadata for a volume").check(keyvalue::check_label),
    Flag::text("name", "Specify volume name").hidden(),
    Flag::named("opt", "map", "Set driver specific options").short('o').default("map[]"),
];

/// The flags of cluster volumes.
const CLUSTER_FLAGS: &[Flag] = &[
    Flag::text("availability", r#"Cluster Volume availability ("active", "pause", "drain")"#)
        .default("active")
        .since("1.42")
        .swarm(),
    Flag::text("group", "Cluster Volume group (cluster volumes)").since("1.42").swarm(),
    bytes("limit-bytes", "Minimum size of the Cluster Volume in bytes"),
    bytes("required-bytes", "Maximum size of the Cluster Volume in bytes"),
    Flag::text("scope", r#"Cluster Volume access scope ("single", "multi")"#)
        .default("single")
        .since("1.42")
        .swarm(),
    Flag::named("secret", "map", "Cluster Volume secrets").default("map[]").since("1.42").swarm(),
    Flag::text("sharing", r#"Cluster Volume access sharing ("none", "readonly", "onewriter", "all")"#)
        .default("none")
        .since("1.42")
        .swarm(),
    Flag::list("topology-preferred", "A topology that the Cluster Volume would be preferred in")
        .since("1.42")
        .swarm(),
    Flag::list("topology-required", "A topology that the Cluster Volume must be accessible from")
        .since("1.42")
        .swarm(),
    Flag::text("type", r#"Cluster Volume access type ("mount", "block")"#)
        .default("block")
        .since("1.42")
        .swarm(),
];

const fn bytes(name: &'static str, help: &'static str) -> Flag {
    Flag::other(name, "bytes", check_size, help).default("0").since("1.42").swarm()
}

fn check_size(text: &str) -> Result<(), String> {
    units::bytes::parse(text).map(drop).map_err(|error| error.to_string())
}

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let named = typed.text("name");
    let name = match typed.positionals.first() {
        Some(_) if !named.is_empty() => {
            return Err(Failure::new(
                "conflicting options: cannot specify a volume-name through both --name and as a positional arg",
            ));
        }
        Some(name) => name.as_str(),
        None => named,
    };
    let request = VolumeCreateRequest {
        name: name.to_owned(),
        driver: typed.text("driver").to_owned(),
        driver_opts: typed.has("opt").then(|| keyvalue::to_map(typed.all("opt"))),
        labels: typed.has("label").then(|| keyvalue::to_map(typed.all("label"))),
        cluster_volume_spec: CLUSTER_FLAGS.iter().any(|flag| typed.has(flag.name)).then(|| cluster(typed)),
    };
    let volume: Volume = session.client()?.post("/volumes/create").json(&request).send()?.json()?;
    output::line(&volume.name);
    Ok(())
}

/// Engine API `ClusterVolumeSpec`.
fn cluster(typed: &Typed) -> Value {
    let access = match typed.text("type") {
        "mount" => json!({"MountVolume": {}}),
        "block" => json!({"BlockVolume": {}}),
        _ => json!({}),
    };
    let mut mode = json!({"Scope": typed.text("scope"), "Sharing": typed.text("sharing")});
    if let (Value::Object(mode), Value::Object(access)) = (&mut mode, access) {
        mode.extend(access);
    }
    let size = |flag: &str| units::bytes::parse(typed.text(flag)).unwrap_or(0);
    let secrets: Vec<Value> = keyvalue::to_map(typed.all("secret"))
        .into_iter()
        .map(|(key, secret)| json!({"Key": key, "Secret": secret}))
        .collect();
    let topologies = |flag: &str| -> Vec<Value> {
        let segments = |text: &str| keyvalue::to_map(text.split(',')).into_iter().map(|(k, v)| (k, v.into()));
        typed
            .all(flag)
            .iter()
            .map(|text| json!({"Segments": segments(text).collect::<Map<_, _>>()}))
            .collect()
    };
    json!({
        "Group": typed.text("group"),
        "AccessMode": mode,
        "AccessibilityRequirements":
            {"Requisite": topologies("topology-required"), "Preferred": topologies("topology-preferred")},
        "CapacityRange": {"RequiredBytes": size("required-bytes"), "LimitBytes": size("limit-bytes")},
        "Secrets": secrets,
        "Availability": typed.text("availability"),
    })
}
