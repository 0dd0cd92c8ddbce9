//! Intent and host → the OCI document of a container. Pure: what must be looked up is looked up before.

mod devices;
mod mounts;

use std::collections::BTreeMap;
use std::path::Path;

use oci_spec::runtime::{
    Capabilities, ConsoleSize, Linux, Namespace, NamespaceKind, Process, Rlimit, Root, Spec,
};

use super::intent::Intent;
use super::security::{self, Filter, Security, SecurityError};
use super::{capabilities, environment, limits};
use crate::config::ContainerDefaults;
use crate::system::host::Host;

pub(crate) use devices::{DeviceError, DeviceFacts, HostDevice};
pub(crate) use mounts::TmpfsError;

/// What a plan depends on beside the intent.
pub(crate) struct Facts<'a> {
    pub(crate) host: &'a Host,
    pub(crate) defaults: &'a ContainerDefaults,
    /// `<root>/containers/<id>` of this container, or of the one whose network it shares.
    pub(crate) name_files: &'a Path,
    /// Folder that is `/dev/shm` for containers that share it.
    pub(crate) shared_memory: Option<&'a Path>,
    /// Processes of the containers whose namespaces it joins.
    pub(crate) peers: Peers,
    pub(crate) devices: &'a dyn DeviceFacts,
}

/// First processes of other containers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Peers {
    pub(crate) network: Option<u32>,
    pub(crate) ipc: Option<u32>,
    pub(crate) pid: Option<u32>,
}

/// Why a container cannot be described. The text is Docker's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpecError {
    #[error(transparent)]
    Security(#[from] SecurityError),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Tmpfs(#[from] TmpfsError),
}

/// Describes the container.
pub(crate) fn plan(intent: &Intent, facts: &Facts<'_>) -> Result<Spec, SpecError> {
    let host_config = &intent.host_config;
    let security = security::parse(host_config.security_opt.as_deref().unwrap_or_default())?;
    Ok(Spec {
        process: Some(plan_process(intent, facts, &security)),
        root: Some(Root { readonly: host_config.readonly_rootfs, ..Root::default() }),
        hostname: if host_config.uts_mode == "host" { String::new() } else { intent.config.hostname.clone() },
        domainname: if host_config.uts_mode == "host" {
            String::new()
        } else {
            intent.config.domainname.clone()
        },
        mounts: mounts::plan(intent, facts, &security)?,
        annotations: host_config.annotations.clone().unwrap_or_default(),
        linux: Some(plan_linux(intent, facts)?),
        ..Spec::default()
    })
}

/// Whether a container gets a system call filter, and which.
pub(crate) fn wanted_filter(intent: &Intent) -> Result<Filter, SpecError> {
    let security = security::parse(intent.host_config.security_opt.as_deref().unwrap_or_default())?;
    Ok(match security.seccomp {
        Filter::Default if intent.host_config.privileged => Filter::Unconfined,
        filter => filter,
    })
}

/// Whether no process of the container may gain privileges by executing a program.
pub(crate) fn forbids_new_privileges(intent: &Intent) -> bool {
    let options = intent.host_config.security_opt.as_deref().unwrap_or_default();
    security::parse(options).is_ok_and(|security| security.no_new_privileges)
}

/// The capabilities of a container.
pub(crate) fn plan_capabilities(intent: &Intent, host: &Host) -> Vec<String> {
    let host_config = &intent.host_config;
    let list = |names: &Option<engine_api::container::StrSlice>| names.clone().unwrap_or_default().0;
    let (add, drop) = (list(&host_config.cap_add), list(&host_config.cap_drop));
    capabilities::resolve(&add, &drop, host_config.privileged, host.capability_names())
}

/// Gives a process the same set three times, as Docker does.
pub(crate) fn equal_capabilities(names: Vec<String>) -> Capabilities {
    Capabilities {
        bounding: names.clone(),
        effective: names.clone(),
        permitted: names,
        ..Capabilities::default()
    }
}

fn plan_process(intent: &Intent, facts: &Facts<'_>, security: &Security) -> Process {
    let config = &intent.config;
    let [height, width] = intent.host_config.console_size;
    let size = ConsoleSize { height: u64::from(height), width: u64::from(width) };
    Process {
        terminal: config.tty,
        console_size: (config.tty && height > 0 && width > 0).then_some(size),
        args: intent.command.clone(),
        env: environment::plan(&config.hostname, config.tty, config.env.as_deref().unwrap_or_default()),
        cwd: working_dir(intent),
        capabilities: Some(equal_capabilities(plan_capabilities(intent, facts.host))),
        rlimits: plan_rlimits(intent, facts.defaults),
        no_new_privileges: security.no_new_privileges,
        apparmor_profile: apparmor_profile(intent, facts.host, security),
        oom_score_adj: i32::try_from(intent.host_config.oom_score_adj).ok(),
        ..Process::default()
    }
}

/// Where the process begins.
pub(crate) fn working_dir(intent: &Intent) -> String {
    let wanted = &intent.config.working_dir;
    if wanted.is_empty() { "/".to_owned() } else { wanted.clone() }
}

/// Limits of the container, then those of the daemon that it does not name.
pub(crate) fn plan_rlimits(intent: &Intent, defaults: &ContainerDefaults) -> Vec<Rlimit> {
    let own = intent
        .host_config
        .ulimits
        .iter()
        .flatten()
        .map(|limit| (limit.name.as_str(), limit.soft, limit.hard));
    let own: Vec<_> = own.collect();
    let named = |name: &str| own.iter().any(|(known, ..)| *known == name);
    let of_daemon = defaults.ulimits.iter().filter(|(name, ..)| !named(name));
    let of_daemon = of_daemon.map(|(name, soft, hard)| (name.as_str(), *soft, *hard));
    let all = own.iter().copied().chain(of_daemon);
    // -1 is how users write "unlimited", which the kernel writes as all ones.
    all.map(|(name, soft, hard)| Rlimit {
        kind: format!("RLIMIT_{}", name.to_uppercase()),
        soft: soft.cast_unsigned(),
        hard: hard.cast_unsigned(),
    })
    .collect()
}

fn apparmor_profile(intent: &Intent, host: &Host, security: &Security) -> String {
    match security.apparmor.as_str() {
        _ if !host.apparmor => String::new(),
        "" if intent.host_config.privileged => "unconfined".to_owned(),
        // The default profile comes with a later version; an unconfined container is what the host has now.
        "" => String::new(),
        named => named.to_owned(),
    }
}

fn plan_linux(intent: &Intent, facts: &Facts<'_>) -> Result<Linux, SpecError> {
    let host_config = &intent.host_config;
    let number = |path: &str| facts.devices.block_numbers(path);
    let mut resources = limits::plan(host_config, &number)?;
    let devices = devices::plan(host_config, facts.devices)?;
    resources.devices = devices.rules;
    let paths = |paths: &Option<Vec<String>>| {
        if host_config.privileged { vec![] } else { paths.clone().unwrap_or_default() }
    };
    Ok(Linux {
        sysctl: plan_sysctls(intent, facts.host),
        resources: Some(resources),
        cgroups_path: cgroup_path(intent, facts.defaults),
        namespaces: plan_namespaces(intent, facts),
        devices: devices.nodes,
        rootfs_propagation: mounts::root_propagation(intent),
        masked_paths: paths(&host_config.masked_paths),
        readonly_paths: paths(&host_config.readonly_paths),
        ..Linux::default()
    })
}

/// Where the container's control group is, from the root of each hierarchy.
pub(crate) fn cgroup_path(intent: &Intent, defaults: &ContainerDefaults) -> String {
    cgroup_path_in(&intent.host_config.cgroup_parent, defaults, &intent.id)
}

/// The same for a container of which only the parent that it asked for is known.
pub(crate) fn cgroup_path_in(parent: &str, defaults: &ContainerDefaults, id: &str) -> String {
    let parents = [parent, defaults.cgroup_parent.as_str(), "/docker"];
    let parent = parents.into_iter().find(|parent| !parent.is_empty()).unwrap_or("/docker");
    super::mounts::clean(&format!("/{parent}/{id}"))
}

fn plan_sysctls(intent: &Intent, host: &Host) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mode = intent.host_config.network_mode.as_str();
    if mode != "host" && !mode.starts_with("container:") {
        // Unprivileged users may ping and take low ports: the namespace is the container's own.
        if host.ping_group_range {
            all.insert("net.ipv4.ping_group_range".to_owned(), "0 2147483647".to_owned());
        }
        if host.unprivileged_port_start {
            all.insert("net.ipv4.ip_unprivileged_port_start".to_owned(), "0".to_owned());
        }
    }
    all.extend(intent.host_config.sysctls.clone().unwrap_or_default());
    all
}

fn plan_namespaces(intent: &Intent, facts: &Facts<'_>) -> Vec<Namespace> {
    let host_config = &intent.host_config;
    let own = |kind| Some(Namespace { kind, path: String::new() });
    let joined =
        |kind, pid: u32, file: &str| Some(Namespace { kind, path: format!("/proc/{pid}/ns/{file}") });
    let network = match facts.peers.network {
        Some(pid) => joined(NamespaceKind::Network, pid, "net"),
        None if host_config.network_mode == "host" => None,
        None => own(NamespaceKind::Network),
    };
    let ipc = match facts.peers.ipc {
        Some(pid) => joined(NamespaceKind::Ipc, pid, "ipc"),
        None if host_config.ipc_mode == "host" => None,
        None => own(NamespaceKind::Ipc),
    };
    let pid = match facts.peers.pid {
        Some(pid) => joined(NamespaceKind::Pid, pid, "pid"),
        None if host_config.pid_mode == "host" => None,
        None => own(NamespaceKind::Pid),
    };
    let uts = if host_config.uts_mode == "host" { None } else { own(NamespaceKind::Uts) };
    let private = host_config.cgroupns_mode == "private" && facts.host.cgroup_namespaces;
    let cgroup = if private { own(NamespaceKind::Cgroup) } else { None };
    [own(NamespaceKind::Mount), network, uts, pid, ipc, cgroup].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests;
