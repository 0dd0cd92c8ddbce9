//! What was said, turned into what it means: checked, with all defaults filled in.

use crate::Name;
use crate::address::{self, Address, AddressError};
use crate::check;
use crate::options::{Standing, names, standing_of};
use crate::values::Values;
use engine::EngineConfig;
use engine::config::{Build, ContainerDefaults, NetworkConfig, RegistryConfig};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// `time="…" level=info msg="…"`.
    Text,
    /// One object a line.
    Json,
}

/// What the daemon is to do.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) name: Name,
    pub(crate) engine: EngineConfig,
    /// Where to listen; `None` for the default places.
    pub(crate) addresses: Option<Vec<Address>>,
    /// Who may use the unix sockets, and whether the group was asked for.
    pub(crate) group: (String, bool),
    pub(crate) pidfile: PathBuf,
    /// Whether `--tls=false` was said: other hosts may then connect without any proof of who they are.
    pub(crate) open_tcp: bool,
    pub(crate) log_level: tracing::Level,
    pub(crate) log_format: LogFormat,
    pub(crate) farewell: Duration,
    /// Options that were given and do nothing yet.
    pub(crate) later: Vec<&'static str>,
    pub(crate) values: Values,
}

/// The default places of state under a name.
struct Places {
    data_root: &'static str,
    exec_root: &'static str,
    pidfile: &'static str,
}

fn places(name: Name) -> Places {
    match name {
        Name::Gantry => Places {
            data_root: "/var/lib/gantry",
            exec_root: "/run/gantry",
            pidfile: "/run/gantry/gantry.pid",
        },
        Name::Dockerd => Places {
            data_root: "/var/lib/docker",
            exec_root: "/var/run/docker",
            pidfile: "/var/run/docker.pid",
        },
    }
}

/// The defaults that help shows and that depend on the name or the host.
pub(crate) fn shown_defaults(name: Name, home: &str, unified: bool) -> Vec<(&'static str, String)> {
    let Places { data_root, exec_root, pidfile } = places(name);
    let mut defaults = vec![
        ("data-root", data_root.to_owned()),
        ("exec-root", exec_root.to_owned()),
        ("pidfile", pidfile.to_owned()),
        ("default-cgroupns-mode", if unified { "private" } else { "host" }.to_owned()),
    ];
    for (flag, file) in [("tlscacert", "ca.pem"), ("tlscert", "cert.pem"), ("tlskey", "key.pem")] {
        defaults.push((flag, format!("{home}/.docker/{file}")));
    }
    if name == Name::Dockerd {
        defaults.push(("userland-proxy-path", "/usr/sbin/docker-proxy".to_owned()));
    }
    defaults
}

/// Refuses values that no meaning can be given to, in Docker's words.
pub(crate) fn validate(values: &Values) -> Result<(), String> {
    let level = values.text("log-level");
    parse_level(level).ok_or_else(|| format!("invalid logging level: {level}"))?;
    let format = values.text("log-format");
    if !matches!(format, "" | "text" | "json") {
        return Err(format!("invalid log format: {format}"));
    }
    for domain in values.list("dns-search") {
        check::dns_search(&domain)?;
    }
    check::gateways(&values.list("host-gateway-ip"))?;
    for label in values.list("label") {
        check::label(&label)?;
    }
    for (flag, what) in [
        ("mtu", "default MTU"),
        ("max-concurrent-downloads", "max concurrent downloads"),
        ("max-concurrent-uploads", "max concurrent uploads"),
        ("max-download-attempts", "max download attempts"),
    ] {
        let number = values.number(flag);
        if number < 0 {
            return Err(format!("invalid {what}: {number}"));
        }
    }
    for resource in values.list("node-generic-resource") {
        check::generic_resource(&resource)?;
    }
    for host in values.list("host") {
        check::host(&host)?;
    }
    for mirror in values.list("registry-mirror") {
        check::mirror(&mirror)?;
    }
    if values.given("api-cors-header").is_some() {
        return Err(
            "DEPRECATED: The \"api-cors-header\" config parameter and the dockerd \"--api-cors-header\" option have \
             been removed; use a reverse proxy if you need CORS headers"
                .to_owned(),
        );
    }
    for option in values.list("exec-opt") {
        check_exec_option(&option)?;
    }
    check_modes(values)
}

fn check_exec_option(option: &str) -> Result<(), String> {
    let (key, value) = option.split_once('=').unwrap_or((option, ""));
    let key = key.trim().to_ascii_lowercase();
    if key.is_empty() || value.trim().is_empty() {
        return Err(format!("invalid exec-opt ({option}): must be formatted 'opt=value'"));
    }
    match key.as_str() {
        "native.cgroupdriver" => Ok(()),
        "isolation" => {
            Err(format!("invalid exec-opt ({option}): option '{key}' is only supported on windows"))
        }
        _ => Err(format!("invalid exec-opt ({option}): unknown option: '{key}'")),
    }
}

fn check_modes(values: &Values) -> Result<(), String> {
    let hint = "use \"shareable\" or \"private\"";
    match values.text("default-ipc-mode") {
        "" | "private" | "shareable" => {}
        mode @ ("host" | "none") => {
            return Err(format!("IPC mode \"{mode}\" is not supported as default value; {hint}"));
        }
        mode if mode.starts_with("container:") => {
            return Err(format!("IPC mode \"{mode}\" is not supported as default value; {hint}"));
        }
        mode => return Err(format!("default IPC mode setting ({mode}) is invalid; {hint}")),
    }
    match values.text("default-cgroupns-mode") {
        "" | "host" | "private" => Ok(()),
        mode => Err(format!("invalid default cgroup namespace ({mode}): use \"host\" or \"private\"")),
    }
}

/// Docker's level names; those beyond ours are the nearest.
fn parse_level(text: &str) -> Option<tracing::Level> {
    Some(match text.to_ascii_lowercase().as_str() {
        "" | "info" => tracing::Level::INFO,
        "debug" => tracing::Level::DEBUG,
        "trace" => tracing::Level::TRACE,
        "warn" => tracing::Level::WARN,
        "error" | "fatal" | "panic" => tracing::Level::ERROR,
        _ => return None,
    })
}

/// The level in effect; `--debug` wins.
pub(crate) fn log_level(values: &Values) -> tracing::Level {
    if values.is_on("debug") {
        return tracing::Level::DEBUG;
    }
    parse_level(values.text("log-level")).unwrap_or(tracing::Level::INFO)
}

impl Settings {
    /// Gives meaning to validated values.
    pub(crate) fn new(name: Name, values: &Values) -> Result<Settings, String> {
        refuse_missing_protection(values)?;
        check_runtime(values)?;
        check_bridge(values)?;
        let places = places(name);
        let place = |flag: &str, default: &str| PathBuf::from(values.given(flag).unwrap_or(default));
        let exec_root = place("exec-root", places.exec_root);
        let pidfile = match (values.given("pidfile"), name) {
            (Some(path), _) => PathBuf::from(path),
            (None, Name::Dockerd) => PathBuf::from(places.pidfile),
            (None, Name::Gantry) => exec_root.join("gantry.pid"),
        };
        let addresses = addresses(values).map_err(|cause| cause.to_string())?;
        let engine = EngineConfig {
            data_root: place("data-root", places.data_root),
            exec_root,
            shim_program: EngineConfig::default().shim_program,
            labels: labels(values)?,
            debug: values.is_on("debug"),
            experimental: values.is_on("experimental"),
            live_restore: values.is_on("live-restore"),
            hosts: values.list("host"),
            containers: container_defaults(values)?,
            network: network(values)?,
            registry: RegistryConfig {
                insecure: values.list("insecure-registry"),
                mirrors: values.list("registry-mirror"),
                max_concurrent_downloads: usize::try_from(values.number("max-concurrent-downloads"))
                    .unwrap_or(0),
            },
            build: Build {
                commit: build_info::COMMIT.to_owned(),
                time: build_info::TIME.to_owned(),
                ..Build::default()
            },
        };
        let seconds = u64::try_from(values.number("shutdown-timeout")).unwrap_or(15);
        Ok(Settings {
            name,
            engine,
            addresses,
            group: (values.text("group").to_owned(), values.has("group")),
            pidfile,
            open_tcp: (values.has("tls") && !values.is_on("tls"))
                || (values.has("tlsverify") && !values.is_on("tlsverify")),
            log_level: log_level(values),
            log_format: if values.text("log-format") == "json" { LogFormat::Json } else { LogFormat::Text },
            farewell: Duration::from_secs(seconds.min(5)),
            later: names().filter(|flag| standing_of(flag) == Standing::Later && values.has(flag)).collect(),
            values: values.clone(),
        })
    }
}

/// Starting without a protection that was asked for would be worse than not starting.
fn refuse_missing_protection(values: &Values) -> Result<(), String> {
    let asks = |flag: &str| match flag {
        "icc" => !values.is_on("icc"),
        "seccomp-profile" => !matches!(values.text("seccomp-profile"), "" | "builtin"),
        "authorization-plugin" => values.list("authorization-plugin").iter().any(|plugin| !plugin.is_empty()),
        "tls" | "tlsverify" | "no-new-privileges" | "rootless" | "selinux-enabled" => values.is_on(flag),
        _ => values.given(flag).is_some(),
    };
    let asked: Vec<String> = names()
        .filter(|flag| standing_of(flag) == Standing::Refused && values.has(flag) && asks(flag))
        .map(|flag| if flag == "icc" { "--icc=false".to_owned() } else { format!("--{flag}") })
        .collect();
    if asked.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{} is not available in this version of Gantry, and the daemon does not start without a protection that was \
         asked for. Remove it from the command line or daemon.json to run without it.",
        asked.join(", ")
    ))
}

fn check_runtime(values: &Values) -> Result<(), String> {
    match values.text("default-runtime") {
        "" | "runc" | "io.containerd.runc.v2" => Ok(()),
        other => Err(format!("specified default runtime '{other}' does not exist")),
    }
}

fn check_bridge(values: &Values) -> Result<(), String> {
    for (flag, other) in [("bridge", "bip"), ("bridge", "bip6")] {
        if values.given(flag).is_some() && values.given(other).is_some() && values.text("bridge") == "none" {
            return Err(format!(
                "You specified -b & --{other}, mutually exclusive options. Please specify only one"
            ));
        }
    }
    Ok(())
}

fn addresses(values: &Values) -> Result<Option<Vec<Address>>, AddressError> {
    let hosts = values.list("host");
    if hosts.is_empty() {
        return Ok(None);
    }
    let addresses: Result<BTreeSet<Address>, AddressError> =
        hosts.iter().map(|host| address::parse(host)).collect();
    Ok(Some(addresses?.into_iter().collect()))
}

/// Labels without repetitions; the same key with two values is refused.
fn labels(values: &Values) -> Result<Vec<String>, String> {
    let mut labels: Vec<String> = Vec::new();
    for label in values.list("label") {
        let key = label.split('=').next().unwrap_or_default();
        match labels.iter().find(|have| have.split('=').next() == Some(key)) {
            Some(have) if *have != label => return Err(format!("conflict labels for {label} and {have}")),
            Some(_) => {}
            None => labels.push(label),
        }
    }
    Ok(labels)
}

fn container_defaults(values: &Values) -> Result<ContainerDefaults, String> {
    let shm = values.text("default-shm-size");
    let ulimits = match values.document("default-ulimit") {
        Some(Value::Object(members)) => members.iter().map(|(name, limit)| ulimit(name, limit)).collect(),
        Some(_) => return Err("default-ulimits must be an object".to_owned()),
        None => values.list("default-ulimit").iter().map(|text| check::parse_ulimit(text)).collect(),
    };
    let ulimits: Result<Vec<(String, i64, i64)>, String> = ulimits;
    Ok(ContainerDefaults {
        log_driver: values.text("log-driver").to_owned(),
        log_options: values.map("log-opt"),
        shm_size: units::bytes::parse(shm).map_err(|cause| cause.to_string())?,
        ulimits: ulimits?,
        cgroup_parent: values.text("cgroup-parent").to_owned(),
        ipc_mode: values.given("default-ipc-mode").unwrap_or("private").to_owned(),
        cgroupns_mode: values.text("default-cgroupns-mode").to_owned(),
    })
}

fn ulimit(name: &str, limit: &Value) -> Result<(String, i64, i64), String> {
    let number = |key: &str| limit.get(key).and_then(Value::as_i64);
    match (number("Soft"), number("Hard")) {
        (Some(soft), Some(hard)) => Ok((name.to_owned(), soft, hard)),
        _ => Err(format!("default-ulimits: {name} needs the numbers Soft and Hard")),
    }
}

fn network(values: &Values) -> Result<NetworkConfig, String> {
    let given = |flag: &str| values.given(flag).map(str::to_owned);
    let defaults = NetworkConfig::default();
    let pools = match values.document("default-address-pool") {
        Some(Value::Array(items)) => items.iter().map(address_pool).collect(),
        Some(_) => return Err("default-address-pools must be a list".to_owned()),
        None => {
            values.list("default-address-pool").iter().map(|text| check::parse_address_pool(text)).collect()
        }
    };
    let pools: Result<Vec<(String, u8)>, String> = pools;
    let gateway = given("default-gateway").map(|text| text.parse()).transpose();
    let host_ip = given("ip").map(|text| text.parse()).transpose();
    let dns =
        values.list("dns").iter().flat_map(|text| text.split(',')).map(|one| one.trim().to_owned()).collect();
    let mtu = values.has("mtu").then(|| u32::try_from(values.number("mtu")).unwrap_or_default());
    Ok(NetworkConfig {
        bridge: given("bridge").unwrap_or(defaults.bridge),
        bip: given("bip"),
        fixed_cidr: given("fixed-cidr"),
        default_gateway: gateway.map_err(|_| "--default-gateway is no IPv4 address".to_owned())?,
        mtu: mtu.filter(|mtu| *mtu > 0),
        default_host_ip: host_ip.map_err(|_| "--ip is no IP address".to_owned())?,
        firewall: values.is_on("iptables"),
        ip_forward: values.is_on("ip-forward"),
        masquerade: values.is_on("ip-masq"),
        address_pools: pools?,
        dns,
        dns_search: values.list("dns-search"),
        dns_options: values.list("dns-opt"),
        host_gateway_ips: values.list("host-gateway-ip"),
    })
}

fn address_pool(item: &Value) -> Result<(String, u8), String> {
    let base = item.get("base").and_then(Value::as_str).unwrap_or_default();
    let size = item.get("size").and_then(Value::as_u64).unwrap_or_default();
    check::parse_address_pool(&format!("base={base},size={size}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::TABLES;
    use flags::{Grammar, Positionals};
    use serde_json::json;
    use std::collections::BTreeMap;
    use std::path::Path;

    fn values(words: &[&str]) -> Values {
        let typed = Grammar::new(TABLES, Positionals::Interspersed).parse(words.iter().copied()).unwrap();
        Values { typed, file: BTreeMap::new() }
    }

    fn settings(words: &[&str]) -> Result<Settings, String> {
        let values = values(words);
        validate(&values)?;
        Settings::new(Name::Gantry, &values)
    }

    #[test]
    fn every_flag_of_dockerd_is_taken() {
        for name in names() {
            let word = match name {
                "add-runtime" => "x=/x",
                "bip" | "fixed-cidr" => "10.9.0.1/24",
                "default-address-pool" => "base=10.0.0.0/8,size=24",
                "default-cgroupns-mode" => "host",
                "default-gateway" | "dns" | "ip" | "host-gateway-ip" => "10.1.2.3",
                "default-gateway-v6" => "fd00::1",
                "default-ipc-mode" => "shareable",
                "default-network-opt" => "bridge=a=b",
                "default-runtime" => "runc",
                "default-shm-size" => "1m",
                "default-ulimit" => "nofile=1:2",
                "exec-opt" => "native.cgroupdriver=cgroupfs",
                "host" => "unix:///x",
                "label" | "log-opt" | "node-generic-resource" | "storage-opt" => "a=b",
                "log-format" => "json",
                "log-level" => "debug",
                "registry-mirror" => "https://mirror",
                "seccomp-profile" => "builtin",
                "dns-search" => "example.com",
                "mtu" | "cpu-rt-period" | "max-concurrent-downloads" => "7",
                _ => "1",
            };
            let result = settings(&[&format!("--{name}={word}")]);
            match standing_of(name) {
                _ if name == "api-cors-header" => assert!(result.is_err()),
                Standing::Refused if matches!(name, "icc" | "seccomp-profile") => {
                    assert!(result.is_ok(), "{name}")
                }
                Standing::Refused => assert!(result.unwrap_err().contains(name), "{name}"),
                Standing::Later => assert_eq!(result.unwrap().later, [name]),
                Standing::InEffect => assert!(result.is_ok(), "{name}: {result:?}"),
            }
        }
    }

    #[test]
    fn protection_that_is_not_there_stops_the_start() {
        for words in [
            &["--tlsverify"][..],
            &["--tls"],
            &["--tlscacert", "/x"],
            &["--icc=false"],
            &["--no-new-privileges"],
            &["--userns-remap", "default"],
            &["--seccomp-profile", "/x.json"],
            &["--seccomp-profile", "unconfined"],
            &["--selinux-enabled"],
            &["--authorization-plugin", "x"],
        ] {
            assert!(settings(words).unwrap_err().contains("is not available"), "{words:?}");
        }
        for words in [&["--tls=false"][..], &["--icc"], &["--selinux-enabled=false"], &["--userns-remap", ""]]
        {
            assert!(settings(words).is_ok(), "{words:?}");
        }
    }

    #[test]
    fn effective_options_reach_the_engine() {
        let engine = settings(&[
            "--data-root=/d",
            "--exec-root=/e",
            "-D",
            "--bip=10.9.0.1/24",
            "-b=br9",
            "--mtu=1400",
            "--dns=1.1.1.1,8.8.8.8",
            "--label=a=b",
            "--log-opt=max-size=1m",
            "--default-ulimit=nofile=5:6",
            "--default-shm-size=1m",
            "--iptables=false",
            "--default-address-pool=base=10.0.0.0/8,size=24",
            "--insecure-registry=x:5000",
            "-H=tcp://127.0.0.1:1",
            "--ip=127.0.0.1",
        ])
        .unwrap()
        .engine;
        assert_eq!(
            (engine.data_root.as_path(), engine.exec_root.as_path()),
            (Path::new("/d"), Path::new("/e"))
        );
        assert_eq!((engine.network.bridge.as_str(), engine.network.mtu), ("br9", Some(1400)));
        assert_eq!(engine.network.dns, ["1.1.1.1", "8.8.8.8"]);
        assert_eq!(engine.network.address_pools, [("10.0.0.0/8".to_owned(), 24)]);
        assert!(!engine.network.firewall && engine.network.masquerade && engine.debug);
        assert_eq!(engine.containers.ulimits, [("nofile".to_owned(), 5, 6)]);
        assert_eq!(
            (engine.containers.shm_size, engine.containers.log_options["max-size"].as_str()),
            (1 << 20, "1m")
        );
        assert_eq!((engine.labels[0].as_str(), engine.registry.insecure[0].as_str()), ("a=b", "x:5000"));
        assert_eq!(engine.network.default_host_ip, Some("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn documents_of_their_own_shape_are_read() {
        let mut values = values(&[]);
        values
            .file
            .insert("default-ulimits".into(), json!({"nofile": {"Name": "nofile", "Soft": 5, "Hard": 6}}));
        values.file.insert("default-address-pools".into(), json!([{"base": "10.0.0.0/8", "size": 24}]));
        let engine = Settings::new(Name::Dockerd, &values).unwrap().engine;
        assert_eq!(engine.containers.ulimits, [("nofile".to_owned(), 5, 6)]);
        assert_eq!(engine.network.address_pools, [("10.0.0.0/8".to_owned(), 24)]);
        assert_eq!(engine.data_root, Path::new("/var/lib/docker"));
    }

    #[test]
    fn conflicting_labels_are_refused() {
        assert_eq!(settings(&["--label=a=b", "--label=a=c"]).unwrap_err(), "conflict labels for a=c and a=b");
        assert_eq!(settings(&["--label=a=b", "--label=a=b"]).unwrap().engine.labels, ["a=b"]);
    }
}
