//! What the daemon was told: roots, defaults for containers, networks and registries. Plain data.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

/// Everything the engine needs to know of the daemon's flags and its configuration file.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Where intent, images, layers, volumes and logs live.
    pub data_root: PathBuf,
    /// A tmpfs folder for what lasts as long as the kernel: sockets, exit records.
    pub exec_root: PathBuf,
    /// The program that supervises containers when called as `gantry-shim`; this program itself.
    pub shim_program: PathBuf,
    /// `--label` of the daemon, shown by `info`.
    pub labels: Vec<String>,
    /// `--debug`, shown by `info`.
    pub debug: bool,
    /// `--experimental`, shown by `version` and `info`.
    pub experimental: bool,
    /// `--live-restore`, shown by `info`; containers always outlive this daemon.
    pub live_restore: bool,
    /// Listening addresses, for the warnings of `info`.
    pub hosts: Vec<String>,
    /// Defaults for containers.
    pub containers: ContainerDefaults,
    /// The default bridge, address pools, DNS.
    pub network: NetworkConfig,
    /// Registries without TLS, and mirrors.
    pub registry: RegistryConfig,
    /// What `version` says about this build.
    pub build: Build,
}

/// Defaults that a container's own settings override.
#[derive(Debug, Clone)]
pub struct ContainerDefaults {
    /// `--log-driver`.
    pub log_driver: String,
    /// `--log-opt`.
    pub log_options: BTreeMap<String, String>,
    /// `--default-shm-size`, bytes.
    pub shm_size: i64,
    /// `--default-ulimit`: name, soft, hard.
    pub ulimits: Vec<(String, i64, i64)>,
    /// `--cgroup-parent`; `/docker` when empty.
    pub cgroup_parent: String,
    /// `--default-ipc-mode`.
    pub ipc_mode: String,
    /// `--default-cgroupns-mode`; Docker's default for the host's cgroup version when empty.
    pub cgroupns_mode: String,
}

/// The default bridge and what new networks start from.
#[derive(Debug, Clone)]
pub struct NetworkConfig {
    /// `--bridge`: the default bridge's interface, `docker0`; `none` for no default network.
    pub bridge: String,
    /// `--bip`: its address and subnet, `172.17.0.1/16`.
    pub bip: Option<String>,
    /// `--fixed-cidr`: addresses of containers come from here.
    pub fixed_cidr: Option<String>,
    /// `--default-gateway`.
    pub default_gateway: Option<Ipv4Addr>,
    /// `--mtu`.
    pub mtu: Option<u32>,
    /// `--ip`: where published ports listen when nothing is said.
    pub default_host_ip: Option<IpAddr>,
    /// `--iptables`: whether we write firewall rules.
    pub firewall: bool,
    /// `--ip-forward`.
    pub ip_forward: bool,
    /// `--ip-masq`.
    pub masquerade: bool,
    /// `--default-address-pool`: base and size.
    pub address_pools: Vec<(String, u8)>,
    /// `--dns`.
    pub dns: Vec<String>,
    /// `--dns-search`.
    pub dns_search: Vec<String>,
    /// `--dns-opt`.
    pub dns_options: Vec<String>,
    /// `--host-gateway-ip`.
    pub host_gateway_ips: Vec<String>,
}

/// How registries are reached.
#[derive(Debug, Clone, Default)]
pub struct RegistryConfig {
    /// `--insecure-registry`.
    pub insecure: Vec<String>,
    /// `--registry-mirror`.
    pub mirrors: Vec<String>,
    /// `--max-concurrent-downloads`; 3 when 0.
    pub max_concurrent_downloads: usize,
}

/// What this binary is.
#[derive(Debug, Clone)]
pub struct Build {
    /// Gantry's version.
    pub version: String,
    /// Short commit, or `unknown`.
    pub commit: String,
    /// RFC 3339, or empty.
    pub time: String,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            data_root: PathBuf::from("/var/lib/gantry"),
            exec_root: PathBuf::from("/run/gantry"),
            shim_program: shim::own_program(),
            labels: Vec::new(),
            debug: false,
            experimental: false,
            live_restore: false,
            hosts: Vec::new(),
            containers: ContainerDefaults::default(),
            network: NetworkConfig::default(),
            registry: RegistryConfig::default(),
            build: Build::default(),
        }
    }
}

impl Default for ContainerDefaults {
    fn default() -> Self {
        Self {
            log_driver: "json-file".to_owned(),
            log_options: BTreeMap::new(),
            shm_size: 64 << 20,
            ulimits: Vec::new(),
            cgroup_parent: String::new(),
            ipc_mode: "private".to_owned(),
            cgroupns_mode: String::new(),
        }
    }
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            bridge: "docker0".to_owned(),
            bip: None,
            fixed_cidr: None,
            default_gateway: None,
            mtu: None,
            default_host_ip: None,
            firewall: true,
            ip_forward: true,
            masquerade: true,
            address_pools: Vec::new(),
            dns: Vec::new(),
            dns_search: Vec::new(),
            dns_options: Vec::new(),
            host_gateway_ips: Vec::new(),
        }
    }
}

impl Default for Build {
    fn default() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: "unknown".to_owned(),
            time: String::new(),
        }
    }
}
