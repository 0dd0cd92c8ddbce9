//! Is this request possible at all? Checked in Docker's order, refused in Docker's words. Pure, but for the
//! question whether a path of the host is there, which the caller answers.

use engine_api::container::{ContainerConfig, HealthConfig, HostConfig, PortMap};
use units::port;
use units::restart::{RestartError, RestartPolicy};

use crate::container::capabilities::{self, CapabilityError};
use crate::container::limits::{self, LimitError};
use crate::container::mounts::{self, MountError};
use crate::container::signal;
use crate::error::{Explain, Kind};
use crate::system::host::Host;

/// Why a container cannot be made like this. The text is Docker's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ValidateError {
    #[error("{0}")]
    Conflict(&'static str),
    #[error("invalid isolation ({0}): linux only supports 'default'")]
    Isolation(String),
    #[error("the working directory '{0}' is invalid, it needs to be an absolute path")]
    WorkingDir(String),
    #[error("invalid signal: {0}")]
    Signal(String),
    #[error("invalid environment variable: {0}")]
    Variable(String),
    #[error("{0} in Healthcheck cannot be {1}")]
    Health(&'static str, &'static str),
    #[error(transparent)]
    Mount(#[from] MountError),
    #[error("bad format for add-host: {0:?}")]
    HostFormat(String),
    #[error("invalid IP address in add-host: {0:?}")]
    HostAddress(String),
    #[error("invalid port specification: {0:?}")]
    Port(String),
    #[error(transparent)]
    Restart(#[from] RestartError),
    #[error("invalid {0}: {1}")]
    Capability(&'static str, CapabilityError),
    #[error(transparent)]
    Limit(#[from] LimitError),
    #[error("invalid {0} mode: {1}")]
    Mode(&'static str, String),
    #[error("Invalid value {0}, range for oom score adj is [-1000, 1000]")]
    OomScore(i64),
    #[error("unknown or invalid runtime name: {0}")]
    Runtime(String),
    #[error("no command specified")]
    NoCommand,
}

impl Explain for ValidateError {
    fn kind(&self) -> Kind {
        Kind::InvalidParameter
    }
}

/// Runtimes that mean ours: the one there is.
const RUNTIMES: [&str; 3] = ["runc", "io.containerd.runc.v2", "gantry"];

/// Checks the two halves of a request against each other: what Docker refuses while it reads the body.
pub(super) fn check_combinations(config: &ContainerConfig, host: &HostConfig) -> Result<(), ValidateError> {
    let conflict = |text| Err(ValidateError::Conflict(text));
    if host.network_mode == "container" || host.network_mode.starts_with("container:") {
        check_shared_network(config, host)?;
    }
    if host.uts_mode == "host" && !config.hostname.is_empty() {
        return conflict("conflicting options: hostname and the UTS mode");
    }
    if host.network_mode == "host" && host.links.as_ref().is_some_and(|links| !links.is_empty()) {
        return conflict(
            "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
        );
    }
    if !["", "default"].contains(&host.isolation.to_lowercase().as_str()) {
        return Err(ValidateError::Isolation(host.isolation.clone()));
    }
    if host.io_maximum_bandwidth != 0 {
        return conflict("invalid option: QoS maximum bandwidth configuration is not supported on linux");
    }
    if host.io_maximum_iops != 0 {
        return conflict("invalid option: QoS maximum IOPs configuration is not supported on linux");
    }
    Ok(())
}

fn check_shared_network(config: &ContainerConfig, host: &HostConfig) -> Result<(), ValidateError> {
    let conflict = |text| Err(ValidateError::Conflict(text));
    let filled = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
    if host.network_mode.strip_prefix("container:").is_none_or(str::is_empty) {
        return conflict("invalid network mode: invalid container format container:<name|id>");
    }
    if !config.hostname.is_empty() {
        return conflict("conflicting options: hostname and the network mode");
    }
    if filled(&host.links) {
        return conflict(
            "conflicting options: container type network can't be used with links. This would result in undefined behavior",
        );
    }
    if filled(&host.dns) {
        return conflict("conflicting options: dns and the network mode");
    }
    if filled(&host.extra_hosts) {
        return conflict("conflicting options: custom host-to-IP mapping and the network mode");
    }
    if host.publish_all_ports || host.port_bindings.as_ref().is_some_and(|map| !map.is_empty()) {
        return conflict("conflicting options: port publishing and the container type network mode");
    }
    if config.exposed_ports.as_ref().is_some_and(|set| !set.is_empty()) {
        return conflict("conflicting options: port exposing and the container type network mode");
    }
    Ok(())
}

/// Checks what to run, and cleans the working directory.
pub(super) fn check_config(config: &mut ContainerConfig) -> Result<(), ValidateError> {
    if !config.working_dir.is_empty() {
        if !config.working_dir.starts_with('/') {
            return Err(ValidateError::WorkingDir(config.working_dir.clone()));
        }
        config.working_dir = mounts::clean(&config.working_dir);
    }
    if !config.stop_signal.is_empty() && signal::parse(&config.stop_signal).is_none() {
        return Err(ValidateError::Signal(config.stop_signal.clone()));
    }
    for entry in config.env.iter().flatten() {
        if entry.is_empty() || entry.starts_with('=') {
            return Err(ValidateError::Variable(entry.clone()));
        }
    }
    config.healthcheck.as_ref().map_or(Ok(()), check_health)
}

fn check_health(health: &HealthConfig) -> Result<(), ValidateError> {
    const LEAST: i64 = 1_000_000;
    let times = [
        ("Interval", health.interval),
        ("Timeout", health.timeout),
        ("StartPeriod", health.start_period),
        ("StartInterval", health.start_interval),
    ];
    if let Some((name, _)) = times.iter().find(|(_, time)| *time != 0 && *time < LEAST) {
        return Err(ValidateError::Health(name, "less than 1ms"));
    }
    if health.retries < 0 {
        return Err(ValidateError::Health("Retries", "negative"));
    }
    Ok(())
}

/// Checks how to run it, corrects what Docker corrects, and gives the warnings.
pub(super) fn check_host_config(
    wish: &mut HostConfig,
    host: &Host,
    exists: &dyn Fn(&str) -> bool,
) -> Result<Vec<String>, ValidateError> {
    if wish.restart_policy.name.is_empty() {
        "no".clone_into(&mut wish.restart_policy.name);
    }
    if wish.auto_remove && wish.restart_policy.name != "no" {
        return Err(ValidateError::Conflict("can't create 'AutoRemove' container with restart policy"));
    }
    for mount in wish.mounts.iter().flatten() {
        mounts::parse_mount(mount, exists)?;
    }
    for entry in wish.extra_hosts.iter().flatten() {
        check_extra_host(entry)?;
    }
    check_ports(wish.port_bindings.as_ref())?;
    RestartPolicy::from_wire(&wish.restart_policy.name, wish.restart_policy.maximum_retry_count)?;
    let named = [("CapAdd", &mut wish.cap_add), ("CapDrop", &mut wish.cap_drop)];
    for (field, list) in named {
        if let Some(list) = list {
            let normal = capabilities::normalize(&list.0, host.capability_names());
            list.0 = normal.map_err(|error| ValidateError::Capability(field, error))?;
        }
    }
    if wish.annotations.as_ref().is_some_and(|map| map.contains_key("")) {
        return Err(ValidateError::Conflict(
            "invalid Annotations: the empty string is not permitted as an annotation key",
        ));
    }
    let mut warnings = limits::check(wish, host)?;
    check_modes(wish)?;
    warnings.extend(network_warnings(wish));
    if wish.runtime.is_empty() {
        "runc".clone_into(&mut wish.runtime);
    }
    if !RUNTIMES.contains(&wish.runtime.as_str()) {
        return Err(ValidateError::Runtime(wish.runtime.clone()));
    }
    for (target, options) in wish.tmpfs.iter().flatten() {
        mounts::parse_tmpfs(target, options)?;
    }
    if !["", "private", "host"].contains(&wish.cgroupns_mode.as_str()) {
        return Err(ValidateError::Mode("cgroup namespace", wish.cgroupns_mode.clone()));
    }
    if wish.cgroupns_mode == "private" && !host.cgroup_namespaces {
        warnings.push(
            "Your kernel does not support cgroup namespaces.  Cgroup namespace setting discarded.".to_owned(),
        );
    }
    Ok(warnings)
}

fn check_extra_host(entry: &str) -> Result<(), ValidateError> {
    let (name, address) = entry.split_once(':').unwrap_or(("", ""));
    if name.is_empty() {
        return Err(ValidateError::HostFormat(entry.to_owned()));
    }
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    if address == "host-gateway" || bare.parse::<std::net::IpAddr>().is_ok() {
        return Ok(());
    }
    Err(ValidateError::HostAddress(address.to_owned()))
}

fn check_ports(bindings: Option<&PortMap>) -> Result<(), ValidateError> {
    for (port, wishes) in bindings.into_iter().flatten() {
        let number = port.split('/').next().unwrap_or_default();
        if number.parse::<u16>().is_err() {
            return Err(ValidateError::Port(number.to_owned()));
        }
        for wish in wishes.iter().flatten() {
            let number = wish.host_port.split('/').next().unwrap_or_default();
            if !number.is_empty() && port::range(number).is_none() {
                return Err(ValidateError::Port(wish.host_port.clone()));
            }
        }
    }
    Ok(())
}

fn check_modes(wish: &HostConfig) -> Result<(), ValidateError> {
    let of_container = |mode: &str| mode.strip_prefix("container:").is_some_and(|name| !name.is_empty());
    if !["", "none", "host", "private", "shareable"].contains(&wish.ipc_mode.as_str())
        && !of_container(&wish.ipc_mode)
    {
        return Err(ValidateError::Mode("IPC", wish.ipc_mode.clone()));
    }
    if !["", "host"].contains(&wish.pid_mode.as_str()) && !of_container(&wish.pid_mode) {
        return Err(ValidateError::Mode("PID", wish.pid_mode.clone()));
    }
    if wish.shm_size < 0 {
        return Err(ValidateError::Conflict("SHM size can not be less than 0"));
    }
    if !["", "host"].contains(&wish.uts_mode.as_str()) {
        return Err(ValidateError::Mode("UTS", wish.uts_mode.clone()));
    }
    if !(-1000..=1000).contains(&wish.oom_score_adj) {
        return Err(ValidateError::OomScore(wish.oom_score_adj));
    }
    Ok(())
}

fn network_warnings(wish: &HostConfig) -> Option<String> {
    let published = wish.port_bindings.as_ref().is_some_and(|map| !map.is_empty());
    (wish.network_mode == "host" && published)
        .then(|| "Published ports are discarded when using host network mode".to_owned())
}

#[cfg(test)]
mod tests {
    use engine_api::container::{PortBinding, RestartPolicy as WireRestart};

    use super::*;
    use crate::system::host::tests::capable;

    fn refused(change: impl Fn(&mut HostConfig)) -> String {
        let mut wish = HostConfig::default();
        change(&mut wish);
        check_host_config(&mut wish, &capable(), &|_| true).unwrap_err().to_string()
    }

    #[test]
    fn impossible_settings_are_refused_in_dockers_words() {
        let always = WireRestart { name: "always".into(), maximum_retry_count: 0 };
        assert_eq!(
            refused(|wish| {
                wish.auto_remove = true;
                wish.restart_policy = always.clone();
            }),
            "can't create 'AutoRemove' container with restart policy"
        );
        assert_eq!(refused(|wish| wish.ipc_mode = "x".into()), "invalid IPC mode: x");
        assert_eq!(refused(|wish| wish.pid_mode = "container:".into()), "invalid PID mode: container:");
        assert_eq!(
            refused(|wish| wish.cap_add = Some(vec!["fly".to_owned()].into())),
            "invalid CapAdd: unknown capability: \"CAP_FLY\""
        );
        assert_eq!(refused(|wish| wish.runtime = "x".into()), "unknown or invalid runtime name: x");
        assert_eq!(
            refused(|wish| wish.extra_hosts = Some(vec!["a:1.2.3".into()])),
            "invalid IP address in add-host: \"1.2.3\""
        );
        let binding = PortBinding { host_ip: String::new(), host_port: "x".into() };
        assert_eq!(
            refused(|wish| wish.port_bindings =
                Some(PortMap::from([("80/tcp".into(), Some(vec![binding.clone()]))]))),
            "invalid port specification: \"x\""
        );
        assert_eq!(
            refused(|wish| wish.oom_score_adj = 1001),
            "Invalid value 1001, range for oom score adj is [-1000, 1000]"
        );
    }

    #[test]
    fn what_to_run_is_checked() {
        let refused = |change: &dyn Fn(&mut ContainerConfig)| {
            let mut config = ContainerConfig::default();
            change(&mut config);
            check_config(&mut config).unwrap_err().to_string()
        };
        assert_eq!(
            refused(&|config| config.working_dir = "tmp".into()),
            "the working directory 'tmp' is invalid, it needs to be an absolute path"
        );
        assert_eq!(refused(&|config| config.stop_signal = "FOO".into()), "invalid signal: FOO");
        assert_eq!(
            refused(&|config| config.env = Some(vec!["=1".into()])),
            "invalid environment variable: =1"
        );
        let health = HealthConfig { interval: 5, ..HealthConfig::default() };
        assert_eq!(
            refused(&|config| config.healthcheck = Some(health.clone())),
            "Interval in Healthcheck cannot be less than 1ms"
        );
    }

    #[test]
    fn a_shared_network_excludes_what_belongs_to_its_owner() {
        let host = HostConfig { network_mode: "container:web".into(), ..HostConfig::default() };
        let config = ContainerConfig { hostname: "h".into(), ..ContainerConfig::default() };
        assert_eq!(
            check_combinations(&config, &host).unwrap_err().to_string(),
            "conflicting options: hostname and the network mode"
        );
        assert!(check_combinations(&ContainerConfig::default(), &host).is_ok());
    }
}
