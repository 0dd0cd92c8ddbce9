//! `GET /containers/{id}/json`: the published view in the words of the API. Pure, but for measuring.

use std::collections::BTreeMap;

use engine_api::StringMap;
use engine_api::container::{
    ContainerInspectResponse, ContainerState, DriverData, HostConfig, NetworkSettings, Ulimit,
};
use engine_api::mount::MountPoint;
use units::time;

use super::intent::{Intent, MountIntent, MountSource};
use super::life::{Life, Phase};
use super::view::View;
use crate::engine::{Shared, blocking};
use crate::network::Reservation;
use crate::{Engine, Error};

/// Whether to measure the container's layer, which reads its whole tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Measure.
    Measured,
    /// Leave out.
    Omitted,
}

impl Engine {
    /// Everything about one container.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn container_inspect(&self, id: &str, size: Size) -> Result<ContainerInspectResponse, Error> {
        let view = self.shared.containers.find(id)?.view();
        let mut answer = encode(&self.shared, &view);
        if size == Size::Measured {
            let (written, all) = measure(self, view.id(), &view.intent.image_id).await?;
            answer.size_rw = Some(written);
            answer.size_root_fs = Some(all);
        }
        Ok(answer)
    }
}

/// The bytes of a container's own layer, and with its image's.
pub(super) async fn measure(engine: &Engine, id: &str, image: &str) -> Result<(i64, i64), Error> {
    let (shared, id, image) = (engine.shared.clone(), id.to_owned(), image.to_owned());
    blocking(move || {
        let written = shared.images.size_rw(&id).unwrap_or(0);
        let image = reference::Digest::parse(&image).ok().and_then(|id| shared.images.get(&id));
        let all = written + image.map_or(0, |image| image.size());
        let signed = |size: u64| i64::try_from(size).unwrap_or(i64::MAX);
        Ok((signed(written), signed(all)))
    })
    .await
}

fn encode(shared: &Shared, view: &View) -> ContainerInspectResponse {
    let intent = &*view.intent;
    let folder = shared.container_folder(&intent.id);
    let file = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let was_started = view.life.past.started_at.is_some() || view.life.process().is_some();
    let name_file = |name: &str| if was_started { file(name) } else { String::new() };
    let keeps_log = intent.host_config.log_config.kind == "json-file" && was_started;
    let execs = shared.execs.of_container(&intent.id);
    let mut command = intent.command.iter().cloned();
    ContainerInspectResponse {
        id: intent.id.clone(),
        created: time::rfc3339_nano(intent.created),
        path: command.next().unwrap_or_default(),
        args: command.collect(),
        state: encode_state(&view.life),
        image: intent.image_id.clone(),
        resolv_conf_path: name_file("resolv.conf"),
        hostname_path: name_file("hostname"),
        hosts_path: name_file("hosts"),
        log_path: if keeps_log { file(&format!("{}-json.log", intent.id)) } else { String::new() },
        name: format!("/{}", intent.name),
        restart_count: i64::from(view.life.past.restart_count),
        driver: "overlay2".to_owned(),
        platform: "linux".to_owned(),
        exec_ids: (!execs.is_empty()).then_some(execs),
        host_config: encode_host_config(shared, intent),
        graph_driver: encode_layers(shared, intent),
        mounts: intent.mounts.iter().map(encode_mount).collect(),
        config: intent.config.clone(),
        network_settings: encode_network(&view.network, intent),
        ..ContainerInspectResponse::default()
    }
}

fn encode_state(life: &Life) -> ContainerState {
    let moment = |at: Option<std::time::SystemTime>| at.map_or(time::ZERO.to_owned(), time::rfc3339_nano);
    let error = match &life.phase {
        Phase::Unknown { reason, .. } => format!("unknown: {reason}"),
        _ => life.past.error.clone(),
    };
    ContainerState {
        status: life.status().to_owned(),
        running: life.is_running(),
        paused: life.is_paused(),
        restarting: life.is_restarting(),
        oom_killed: life.past.oom_killed,
        dead: matches!(life.phase, Phase::Dead),
        pid: life.process().map_or(0, |process| i64::from(process.pid)),
        exit_code: i64::from(life.past.exit_code),
        error,
        started_at: moment(life.past.started_at),
        finished_at: moment(life.past.finished_at),
        health: None,
    }
}

/// The settings, with the daemon's limits that apply to the container, too.
fn encode_host_config(shared: &Shared, intent: &Intent) -> HostConfig {
    let mut shown = intent.host_config.clone();
    let limits = &shared.config.containers.ulimits;
    if !limits.is_empty() {
        let own = shown.ulimits.get_or_insert_default();
        for (name, soft, hard) in limits {
            if !own.iter().any(|limit| limit.name == *name) {
                own.push(Ulimit { name: name.clone(), soft: *soft, hard: *hard });
            }
        }
    }
    shown
}

fn encode_layers(shared: &Shared, intent: &Intent) -> DriverData {
    let Some(snapshot) = shared.images.snapshot(&intent.id) else {
        return DriverData { name: "overlay2".to_owned(), data: None };
    };
    let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let lower: Vec<String> = snapshot.lower.iter().map(|path| text(path)).collect();
    let data = StringMap::from([
        ("ID".to_owned(), intent.id.clone()),
        ("LowerDir".to_owned(), lower.join(":")),
        ("MergedDir".to_owned(), text(&snapshot.merged)),
        ("UpperDir".to_owned(), text(&snapshot.upper)),
        ("WorkDir".to_owned(), text(&snapshot.work)),
    ]);
    DriverData { name: "overlay2".to_owned(), data: Some(data) }
}

/// A mount as `inspect` and `ps` show it.
pub(super) fn encode_mount(mount: &MountIntent) -> MountPoint {
    let base = MountPoint {
        destination: mount.destination.clone(),
        mode: mount.mode.clone(),
        rw: mount.writable,
        ..MountPoint::default()
    };
    match &mount.what {
        MountSource::Bind(bind) => MountPoint {
            kind: "bind".to_owned(),
            source: bind.source.clone(),
            propagation: bind.propagation.clone(),
            ..base
        },
        MountSource::Volume(volume) => MountPoint {
            kind: "volume".to_owned(),
            name: volume.name.clone(),
            source: volume.source.clone(),
            driver: volume.driver.clone(),
            propagation: volume.propagation.clone(),
            ..base
        },
        MountSource::Tmpfs(_) => MountPoint { kind: "tmpfs".to_owned(), ..base },
    }
}

fn encode_network(network: &Reservation, intent: &Intent) -> NetworkSettings {
    let is_up = !network.sandbox_id.is_empty();
    let key = network.sandbox_id.get(..12).unwrap_or_default();
    let mut networks = network.networks.clone();
    if networks.is_empty() && !intent.host_config.network_mode.starts_with("container:") {
        // What a container will have shows before its first start as well.
        networks = if intent.endpoints.is_empty() {
            BTreeMap::from([(intent.host_config.network_mode.clone(), Default::default())])
        } else {
            intent.endpoints.clone()
        };
    }
    let default = networks.get("bridge").filter(|_| is_up).cloned().unwrap_or_default();
    NetworkSettings {
        sandbox_id: network.sandbox_id.clone(),
        sandbox_key: if is_up { format!("/var/run/docker/netns/{key}") } else { String::new() },
        ports: network.ports.clone(),
        endpoint_id: default.endpoint_id,
        gateway: default.gateway,
        global_ipv6_address: default.global_ipv6_address,
        global_ipv6_prefix_len: default.global_ipv6_prefix_len,
        ip_address: default.ip_address,
        ip_prefix_len: default.ip_prefix_len,
        ipv6_gateway: default.ipv6_gateway,
        mac_address: default.mac_address,
        networks,
        ..NetworkSettings::default()
    }
}
