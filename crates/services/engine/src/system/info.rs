//! `GET /info`.

use std::fs;
use std::time::SystemTime;

use engine_api::system::{
    AddressPool, Commit, FirewallInfo, IndexInfo, PluginsInfo, RegistryServiceConfig, RuntimeInfo, SystemInfo,
};
use engine_api::version::DOCKER_VERSION;
use units::time;

use super::host::Host;
use super::version::kernel_release;
use crate::config::RegistryConfig;
use crate::engine::Shared;
use crate::{Engine, Error};

/// Drivers of this version, for `Plugins`.
const NETWORK_DRIVERS: [&str; 3] = ["bridge", "host", "null"];
const LOG_DRIVERS: [&str; 2] = ["json-file", "none"];

impl Engine {
    /// The daemon, its objects and its host.
    ///
    /// # Errors
    /// None today; the host may grow reasons.
    pub async fn info(&self) -> Result<SystemInfo, Error> {
        let shared = &self.shared;
        let mut info = SystemInfo {
            id: shared.id.clone(),
            images: count(shared.images.list().len()),
            driver: "overlay2".to_owned(),
            driver_status: driver_status(shared),
            plugins: plugins(),
            system_time: time::rfc3339_nano(SystemTime::now()),
            debug: shared.config.debug,
            n_fd: count(fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)),
            n_goroutines: count(tokio::runtime::Handle::current().metrics().num_alive_tasks()),
            n_events_listener: count(shared.events.reader_count()),
            logging_driver: shared.config.containers.log_driver.clone(),
            index_server_address: "https://index.docker.io/v1/".to_owned(),
            registry_config: registries(&shared.config.registry),
            docker_root_dir: shared.config.data_root.to_string_lossy().into_owned(),
            http_proxy: proxy("HTTP_PROXY"),
            https_proxy: proxy("HTTPS_PROXY"),
            no_proxy: proxy("NO_PROXY"),
            labels: shared.config.labels.clone(),
            experimental_build: shared.config.experimental,
            server_version: DOCKER_VERSION.to_owned(),
            default_runtime: "runc".to_owned(),
            live_restore_enabled: shared.config.live_restore,
            init_binary: "docker-init".to_owned(),
            default_address_pools: address_pools(shared),
            firewall_backend: Some(FirewallInfo { driver: "nftables".to_owned(), info: vec![] }),
            ..SystemInfo::default()
        };
        fill_counts(&mut info, shared);
        fill_host(&mut info, &shared.host);
        fill_parts(&mut info, shared);
        info.warnings = warnings(&info, shared);
        Ok(info)
    }
}

fn fill_counts(info: &mut SystemInfo, shared: &Shared) {
    for view in shared.containers.views() {
        info.containers += 1;
        if view.life.is_paused() {
            info.containers_paused += 1;
        } else if view.life.is_running() && !view.life.is_restarting() {
            info.containers_running += 1;
        } else {
            info.containers_stopped += 1;
        }
    }
}

fn fill_host(info: &mut SystemInfo, host: &Host) {
    let can = &host.cgroup;
    info.memory_limit = can.memory;
    info.swap_limit = can.swap;
    info.kernel_memory_tcp = can.kernel_memory_tcp;
    info.cpu_cfs_period = can.cpu_cfs;
    info.cpu_cfs_quota = can.cpu_cfs;
    info.cpu_shares = can.cpu_shares;
    info.cpu_set = can.cpuset;
    info.pids_limit = can.pids;
    info.oom_kill_disable = can.oom_kill_disable;
    info.ipv4_forwarding = Host::forwards_ipv4();
    "cgroupfs".clone_into(&mut info.cgroup_driver);
    info.cgroup_version = if can.unified { "2" } else { "1" }.to_owned();
    info.kernel_version = kernel_release();
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    info.operating_system = os_field(&release, "PRETTY_NAME").unwrap_or_else(|| "Linux".to_owned());
    info.os_version = os_field(&release, "VERSION_ID").unwrap_or_default();
    "linux".clone_into(&mut info.os_type);
    std::env::consts::ARCH.clone_into(&mut info.architecture);
    info.n_cpu = count(host.cpus);
    info.mem_total = memory_total();
    info.name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    info.security_options = security_options(host);
}

fn fill_parts(info: &mut SystemInfo, shared: &Shared) {
    let commit = || Commit { id: shared.config.build.commit.clone() };
    info.containerd_commit = commit();
    info.runc_commit = commit();
    info.init_commit = commit();
    for name in ["runc", "io.containerd.runc.v2"] {
        let runtime = RuntimeInfo { path: "runc".to_owned(), ..RuntimeInfo::default() };
        info.runtimes.insert(name.to_owned(), runtime);
    }
}

fn driver_status(shared: &Shared) -> Vec<[String; 2]> {
    let file_system = file_system_of(&shared.config.data_root.to_string_lossy());
    [
        ("Backing Filesystem", file_system.as_str()),
        ("Supports d_type", "true"),
        ("Using metacopy", "false"),
        ("Native Overlay Diff", "true"),
        ("userxattr", "false"),
    ]
    .map(|(name, value)| [name.to_owned(), value.to_owned()])
    .to_vec()
}

/// The kind of file system that a path is on, by the mount table.
fn file_system_of(path: &str) -> String {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounts = table.lines().filter_map(|line| {
        let (front, back) = line.split_once(" - ")?;
        let point = front.split(' ').nth(4)?;
        let kind = back.split(' ').next()?;
        let holds = path == point || point == "/" || path.starts_with(&format!("{point}/"));
        holds.then(|| (point.len(), kind.to_owned()))
    });
    let deepest =
        mounts.max_by_key(|(length, _)| *length).map_or_else(|| "unknown".to_owned(), |(_, kind)| kind);
    // Docker's name for the family.
    if ["ext2", "ext3", "ext4"].contains(&deepest.as_str()) { "extfs".to_owned() } else { deepest }
}

fn plugins() -> PluginsInfo {
    let list = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect());
    PluginsInfo {
        volume: list(&["local"]),
        network: list(&NETWORK_DRIVERS),
        authorization: None,
        log: list(&LOG_DRIVERS),
    }
}

fn registries(config: &RegistryConfig) -> RegistryServiceConfig {
    let is_range = |text: &str| text.contains('/');
    let (mut ranges, mut hosts) = (vec!["::1/128".to_owned(), "127.0.0.0/8".to_owned()], vec![]);
    for text in &config.insecure {
        if is_range(text) { ranges.push(text.clone()) } else { hosts.push(text.clone()) }
    }
    let index = |name: &str, secure: bool, official: bool, mirrors: Vec<String>| IndexInfo {
        name: name.to_owned(),
        mirrors,
        secure,
        official,
    };
    let mut all = RegistryServiceConfig {
        insecure_registry_cidrs: ranges,
        mirrors: Some(config.mirrors.clone()),
        ..RegistryServiceConfig::default()
    };
    let main = index("docker.io", true, true, config.mirrors.clone());
    all.index_configs.insert("docker.io".to_owned(), main);
    for host in hosts {
        all.index_configs.insert(host.clone(), index(&host, false, false, vec![]));
    }
    all
}

fn address_pools(shared: &Shared) -> Vec<AddressPool> {
    let given = shared.config.network.address_pools.iter();
    given.map(|(base, size)| AddressPool { base: base.clone(), size: i64::from(*size) }).collect()
}

fn security_options(host: &Host) -> Vec<String> {
    let namespaces = host.cgroup_namespaces && host.cgroup.unified;
    let options = [
        (host.apparmor, "name=apparmor"),
        (host.seccomp, "name=seccomp,profile=builtin"),
        (namespaces, "name=cgroupns"),
    ];
    options.iter().filter(|(is_on, _)| *is_on).map(|(_, name)| (*name).to_owned()).collect()
}

/// What an administrator should know, in Docker's words.
fn warnings(info: &SystemInfo, shared: &Shared) -> Option<Vec<String>> {
    let can = &shared.host.cgroup;
    let missing = [
        (!info.memory_limit, "WARNING: No memory limit support"),
        (!info.swap_limit, "WARNING: No swap limit support"),
        (!info.kernel_memory_tcp && !can.unified, "WARNING: No kernel memory TCP limit support"),
        (!info.oom_kill_disable && !can.unified, "WARNING: No oom kill disable support"),
        (!info.cpu_cfs_quota, "WARNING: No cpu cfs quota support"),
        (!info.cpu_cfs_period, "WARNING: No cpu cfs period support"),
        (!info.cpu_shares, "WARNING: No cpu shares support"),
        (!info.cpu_set, "WARNING: No cpuset support"),
        (!can.blkio_throttle && !can.unified, "WARNING: No blkio throttle.read_bps_device support"),
        (!can.blkio_throttle && !can.unified, "WARNING: No blkio throttle.write_bps_device support"),
        (!can.blkio_throttle && !can.unified, "WARNING: No blkio throttle.read_iops_device support"),
        (!can.blkio_throttle && !can.unified, "WARNING: No blkio throttle.write_iops_device support"),
        (!info.ipv4_forwarding, "WARNING: IPv4 forwarding is disabled"),
    ];
    let mut all: Vec<String> =
        missing.iter().filter(|(is_missing, _)| *is_missing).map(|(_, text)| (*text).to_owned()).collect();
    for host in &shared.config.hosts {
        if let Some(address) = host.strip_prefix("tcp://") {
            all.push(format!(
                "[DEPRECATION NOTICE]: API is accessible on http://{address} without encryption.\n         Access to the remote API is equivalent to root access on the host. Refer\n         to the 'Docker daemon attack surface' section in the documentation for\n         more information: https://docs.docker.com/go/attack-surface/\nIn future versions this will be a hard failure preventing the daemon from starting! Learn more at: https://docs.docker.com/go/api-security/"
            ));
        }
    }
    (!all.is_empty()).then_some(all)
}

fn os_field(release: &str, name: &str) -> Option<String> {
    let line = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    Some(line.trim_matches('"').to_owned())
}

fn memory_total() -> i64 {
    let table = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = table.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap_or_default();
    let kilobytes: i64 = line.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0);
    kilobytes * 1024
}

/// A proxy setting of the daemon's environment, without its credentials.
fn proxy(name: &str) -> String {
    let value = std::env::var(name).or_else(|_| std::env::var(name.to_lowercase())).unwrap_or_default();
    match (value.find("://"), value.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}xxxxx:xxxxx{}", &value[..scheme + 3], &value[at..])
        }
        _ => value,
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
