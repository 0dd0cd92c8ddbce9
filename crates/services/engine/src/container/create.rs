//! `POST /containers/create`: request and image → a container that is recorded and can be started.
//!
//! ```text
//!  request ─▶ compat ─▶ validate ─▶ merge with the image ─▶ Plan         pure
//!  Plan ─▶ name reserved ─▶ layer, folder, volumes ─▶ record ─▶ actor    undone, newest first, on failure
//! ```

mod compat;
mod interface_sysctls;
mod journal;
mod later;
mod merge;
pub(crate) mod validate;
mod volumes;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use db::Batch;
use engine_api::StringMap;
use engine_api::container::{ContainerConfig, ContainerCreateRequest, ContainerCreateResponse, HostConfig};
use engine_api::network::{EndpointSettings, NetworkingConfig};
use engine_api::version::ApiVersion;
use images::{Image, ResolveError};
use oci_spec::image::Platform;
use reference::Digest;

use self::journal::Journal;
pub(crate) use self::journal::check_name;
use super::actor::{self, Found};
use super::intent::{CONTAINERS, Intent, LIVES, LifeRecord, MountIntent};
use super::launch::io_error;
use super::life::Life;
use super::{logging, mounts, security};
use crate::config::ContainerDefaults;
use crate::engine::{Shared, blocking};
use crate::error::{Error, Kind, chain};
use crate::network::Reservation;
use crate::system::host::Host;
use crate::{Engine, fault, names};

/// What stands in the query of a create, and who asks.
#[derive(Debug, Clone)]
pub struct CreateOptions {
    /// `name`; a random one when empty.
    pub name: String,
    /// `platform`; the host's when empty.
    pub platform: String,
    /// The API version that the client speaks: it decides some defaults.
    pub version: ApiVersion,
}

impl Engine {
    /// Makes a container from an image that is there.
    ///
    /// # Errors
    /// `InvalidParameter` with Docker's texts; `NotFound` when the image is not there; `Conflict` when the name is taken.
    pub async fn container_create(
        &self,
        options: CreateOptions,
        request: ContainerCreateRequest,
    ) -> Result<ContainerCreateResponse, Error> {
        let shared = self.shared.clone();
        blocking(move || create(&shared, &options, request)).await
    }
}

/// A container that may be made: everything validated and filled in, nothing done yet.
#[derive(Debug)]
struct Plan {
    command: Vec<String>,
    config: ContainerConfig,
    host_config: HostConfig,
    endpoints: BTreeMap<String, EndpointSettings>,
    mounts: Vec<MountIntent>,
    warnings: Vec<String>,
}

/// What a plan depends on.
struct Surroundings<'a> {
    host: &'a Host,
    defaults: &'a ContainerDefaults,
    data_root: &'a Path,
    /// Whether a path of the host is there.
    exists: &'a dyn Fn(&str) -> bool,
    /// Finds the image.
    image: &'a dyn Fn(&str) -> Result<Arc<Image>, Error>,
    /// Gives the mounts of another container.
    mounts_of: &'a dyn Fn(&str) -> Result<Vec<MountIntent>, Error>,
    /// Whether a link names a container.
    check_link: &'a dyn Fn(&str) -> Result<(), Error>,
    /// The id of another container; unchanged when there is none.
    id_of: &'a dyn Fn(&str) -> String,
}

fn create(
    shared: &Arc<Shared>,
    options: &CreateOptions,
    request: ContainerCreateRequest,
) -> Result<ContainerCreateResponse, Error> {
    let platform = parse_platform(&options.platform)?;
    let surroundings = Surroundings {
        host: &shared.host,
        defaults: &shared.config.containers,
        data_root: &shared.config.data_root,
        exists: &|path| Path::new(path).exists(),
        image: &|name| find_image(shared, name, platform.as_ref()),
        mounts_of: &|name| {
            let handle = shared.containers.find(name).map_err(|error| Error::invalid(error.to_string()))?;
            Ok(handle.view().intent.mounts.clone())
        },
        check_link: &|link| {
            let name = link.split(':').next().unwrap_or_default();
            let found = shared.containers.find(name);
            found
                .map(|_| ())
                .map_err(|error| Error::invalid(format!("could not get container for {name}: {error}")))
        },
        id_of: &|name| {
            shared.containers.find(name).map_or(name.to_owned(), |handle| handle.view().id().to_owned())
        },
    };
    let (plan, image) = plan(options.version, request, &surroundings)?;
    let wish = &plan.host_config;
    shared.networks.check(&wish.network_mode, &plan.endpoints, wish.port_bindings.as_ref())?;
    let warnings = plan.warnings.clone();
    let id = names::random_id().map_err(|error| Error::from_cause("no randomness", &error))?;
    apply(shared, &id, &options.name, plan, &image)?;
    Ok(ContainerCreateResponse { id, warnings })
}

/// What it takes to make the container that `request` asks for. Pure over its surroundings; checks run in Docker's order.
fn plan(
    version: ApiVersion,
    request: ContainerCreateRequest,
    around: &Surroundings<'_>,
) -> Result<(Plan, Arc<Image>), Error> {
    let mut config = request.config;
    let mut host_config = request.host_config.unwrap_or_default();
    let mut networking = request.networking_config.unwrap_or_default();
    validate::check_combinations(&config, &host_config)?;
    let more_warnings = compat::adapt(version, &mut config, &mut host_config, &mut networking)?;
    validate::check_config(&mut config)?;
    let mut warnings = validate::check_host_config(&mut host_config, around.host, around.exists)?;
    if !Host::forwards_ipv4() && !["host", "none"].contains(&host_config.network_mode.as_str()) {
        warnings.push("IPv4 forwarding is disabled. Networking will not work.".to_owned());
    }
    if config.image.is_empty() && config.cmd.is_none() && config.entrypoint.is_none() {
        return Err(validate::ValidateError::NoCommand.into());
    }
    let image = (around.image)(&config.image)?;
    for link in host_config.links.iter().flatten() {
        (around.check_link)(link)?;
    }
    later::check(&config, &host_config)?;
    let command = merge::merge(&mut config, image.config().config.as_ref())?;
    let log = host_config.log_config;
    host_config.log_config = logging::plan(log, &around.defaults.log_driver, &around.defaults.log_options)
        .map_err(|error| Error::invalid(error.to_string()))?;
    fill_defaults(&mut host_config, around);
    security::parse(host_config.security_opt.as_deref().unwrap_or_default())
        .map_err(|error| Error::system(error.to_string()))?;
    let mounts = plan_mounts(&config, &host_config, around)?;
    warnings.extend(more_warnings);
    let endpoints = plan_endpoints(networking)?;
    Ok((Plan { command, config, host_config, endpoints, mounts, warnings }, image))
}

fn fill_defaults(wish: &mut HostConfig, around: &Surroundings<'_>) {
    if wish.memory > 0 && wish.memory_swap == 0 {
        wish.memory_swap = wish.memory.saturating_mul(2);
    }
    if wish.shm_size == 0 {
        wish.shm_size = around.defaults.shm_size;
    }
    if wish.ipc_mode.is_empty() {
        wish.ipc_mode.clone_from(&around.defaults.ipc_mode);
    }
    if wish.cgroupns_mode.is_empty() {
        let by_version = if around.host.cgroup.unified { "private" } else { "host" };
        let given = around.defaults.cgroupns_mode.as_str();
        wish.cgroupns_mode = match given {
            _ if wish.privileged && !around.host.cgroup.unified => "host",
            "" => by_version,
            given => given,
        }
        .to_owned();
    }
    // An id keeps its meaning when the other container is renamed.
    for mode in [&mut wish.pid_mode, &mut wish.ipc_mode, &mut wish.network_mode] {
        if let Some(name) = mode.strip_prefix("container:") {
            *mode = format!("container:{}", (around.id_of)(name));
        }
    }
    if wish.oom_kill_disable.is_none() && around.host.cgroup.oom_kill_disable {
        wish.oom_kill_disable = Some(false);
    }
    let shares_host = wish.privileged || wish.ipc_mode == "host" || wish.pid_mode == "host";
    let labelled = wish.security_opt.iter().flatten().any(|option| option.starts_with("label"));
    if shares_host && !labelled {
        wish.security_opt.get_or_insert_default().push("label=disable".to_owned());
    }
    if !wish.privileged {
        wish.masked_paths.get_or_insert_with(|| masked_paths(around.host));
        wish.readonly_paths.get_or_insert_with(|| {
            ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
                .map(str::to_owned)
                .to_vec()
        });
    }
    for list in [&mut wish.dns, &mut wish.dns_options, &mut wish.dns_search] {
        list.get_or_insert_default();
    }
    wish.port_bindings.get_or_insert_default();
}

/// What Docker hides of `/proc` and `/sys`.
fn masked_paths(host: &Host) -> Vec<String> {
    const PATHS: [&str; 12] = [
        "/proc/asound",
        "/proc/acpi",
        "/proc/interrupts",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/sys/firmware",
        "/sys/devices/virtual/powercap",
    ];
    PATHS.map(str::to_owned).into_iter().chain(host.thermal.iter().cloned()).collect()
}

/// Mounts of other containers, then `-v`, then `--mount`, then what the image declares; each destination once.
fn plan_mounts(
    config: &ContainerConfig,
    wish: &HostConfig,
    around: &Surroundings<'_>,
) -> Result<Vec<MountIntent>, Error> {
    let mut all = BTreeMap::new();
    for entry in wish.volumes_from.iter().flatten() {
        for mount in volumes::mounts_from(entry, around.mounts_of)? {
            all.insert(mount.destination.clone(), mount);
        }
    }
    let tmpfs: Vec<String> = wish.tmpfs.iter().flatten().map(|(target, _)| mounts::clean(target)).collect();
    let mut own = Vec::new();
    for text in wish.binds.iter().flatten() {
        let mut mount = mounts::parse_bind(text).map_err(|error| Error::system(error.to_string()))?;
        volumes::fill_driver(&mut mount, &wish.volume_driver);
        if tmpfs.contains(&mount.destination) {
            return Err(Error::invalid(mounts::MountError::Duplicate(mount.destination).to_string()));
        }
        own.push(mount);
    }
    for wanted in wish.mounts.iter().flatten() {
        own.push(
            mounts::parse_mount(wanted, around.exists).map_err(|error| Error::invalid(error.to_string()))?,
        );
    }
    mounts::check_duplicates(&own).map_err(|error| Error::invalid(error.to_string()))?;
    for mut mount in own {
        volumes::follow_daemon_root(&mut mount, around.data_root)?;
        all.insert(mount.destination.clone(), mount);
    }
    for path in config.volumes.iter().flat_map(|set| set.keys()) {
        let destination = mounts::clean(path);
        let covered = all.contains_key(&destination) || tmpfs.contains(&destination);
        if destination.starts_with('/') && destination != "/" && !covered {
            let mount = volumes::declared(destination, &wish.volume_driver);
            all.insert(mount.destination.clone(), mount);
        }
    }
    Ok(all.into_values().collect())
}

fn plan_endpoints(networking: NetworkingConfig) -> Result<BTreeMap<String, EndpointSettings>, Error> {
    let endpoints = networking.endpoints_config.unwrap_or_default();
    let named = endpoints.into_iter().map(|(name, settings)| match settings {
        Some(settings) => Ok((name, settings)),
        None => Err(Error::invalid(format!("invalid config for network {name}: EndpointsConfig is nil"))),
    });
    named.collect()
}

fn parse_platform(text: &str) -> Result<Option<Platform>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    Platform::parse(text).map(Some).map_err(|error| Error::invalid(chain(&error)))
}

fn find_image(shared: &Shared, name: &str, platform: Option<&Platform>) -> Result<Arc<Image>, Error> {
    if name.is_empty() {
        return Err(Error::not_implemented("a container without an image comes with a later version"));
    }
    shared.images.resolve_for(name, platform).map_err(|error| {
        let kind =
            if matches!(error, ResolveError::Name(_)) { Kind::InvalidParameter } else { Kind::NotFound };
        Error::new(kind, chain(&error))
    })
}

/// Makes the container; on failure undoes what was done, newest first.
fn apply(shared: &Arc<Shared>, id: &str, name: &str, plan: Plan, image: &Image) -> Result<(), Error> {
    let mut journal = Journal::new(shared, id);
    let name = journal.reserve_name(name)?;
    let mut intent = describe(id, name, plan, image.id());
    journal.prepare_layer(image.id())?;
    make_folder(&shared.container_folder(id))?;
    volumes::create_all(&mut intent, &mut journal)?;
    write_readable_copy(shared, &intent);
    fault::point("create.prepared")?;
    let life = Life::created();
    let record = LifeRecord::new(&life.phase, &life.past, &Reservation::default());
    let batch = Batch::new().put_json(CONTAINERS, id, &intent).put_json(LIVES, id, &record);
    shared.db.commit(batch).map_err(|error| Error::from_cause("cannot record the container", &error))?;
    journal.keep();
    fault::point("create.recorded")?;
    let announced = intent.clone();
    actor::spawn(shared, intent, Found::new_container());
    shared.announce_container(&announced, "create", StringMap::new());
    Ok(())
}

/// Shows people what is recorded, where Docker keeps its own record; nothing reads it back.
pub(super) fn write_readable_copy(shared: &Shared, intent: &Intent) {
    let path = shared.container_folder(&intent.id).join("config.v2.json");
    let text = serde_json::to_vec(intent).unwrap_or_default();
    if let Err(error) = std::fs::write(&path, text) {
        tracing::debug!(container = intent.id, %error, "the readable copy of the record was not written");
    }
}

fn describe(id: &str, name: String, plan: Plan, image: &Digest) -> Intent {
    let mut config = plan.config;
    if config.hostname.is_empty() {
        config.hostname = match plan.host_config.network_mode.as_str() {
            "host" => rustix::system::uname().nodename().to_string_lossy().into_owned(),
            _ => id[..12].to_owned(),
        };
    }
    Intent {
        id: id.to_owned(),
        name,
        created: SystemTime::now(),
        image_id: image.to_string(),
        command: plan.command,
        config,
        host_config: plan.host_config,
        endpoints: plan.endpoints,
        mounts: plan.mounts,
    }
}

fn make_folder(folder: &Path) -> Result<(), Error> {
    let made = fs::DirBuilder::new().mode(0o710).create(folder);
    made.map_err(|error| io_error("create", folder, &error))
}
