//! What a child shall do, computed from the documents before there is a child: everything in the form the kernel takes,
//! so that the child itself decides little and allocates nothing.

mod binds;
mod devices;
mod mounts;
mod namespaces;
mod process;
mod scheduling;

use std::ffi::{CString, NulError};
use std::path::Path;

use oci_spec::runtime::{Linux, NamespaceKind, NetDevice, Spec};
use sys::credentials::CapabilitySet;
use sys::mount::{Propagation, Reach};

use crate::error::CreateError;
use crate::hooks::{HookKind, HookList};
use crate::user::User;

pub(crate) use binds::attributes_of;
pub(crate) use devices::DevicePlan;
pub(crate) use mounts::{BindPlan, IdSource, MountKind, MountPlan};
pub(crate) use namespaces::{IdMaps, NamespacePlan};
pub(crate) use process::{Label, Module, ProcessPlan, Program, personality};
pub(crate) use scheduling::SchedulingPlan;

/// Everything about a container but its process.
#[derive(Debug)]
pub(crate) struct ContainerPlan {
    pub(crate) namespaces: NamespacePlan,
    pub(crate) hostname: Option<String>,
    pub(crate) domainname: Option<String>,
    pub(crate) mounts: Vec<MountPlan>,
    /// Devices to make; absent when `/dev` is given by a bind mount.
    pub(crate) devices: Option<Vec<DevicePlan>>,
    pub(crate) masked_paths: Vec<CString>,
    pub(crate) readonly_paths: Vec<CString>,
    /// Paths below `/proc/sys` and what to write.
    pub(crate) sysctls: Vec<(CString, Vec<u8>)>,
    /// Whether some of them are of links (`net.*.conf.*`, `net.*.neigh.*`).
    pub(crate) has_link_sysctls: bool,
    pub(crate) is_root_readonly: bool,
    pub(crate) root_propagation: Propagation,
    /// Whether that is for all mounts below the root, too.
    pub(crate) root_reach: Reach,
    pub(crate) has_mount_label: bool,
    /// Whether its group is bound to CPUs.
    pub(crate) has_cpus: bool,
    /// Whether the document itself asks for a private root.
    pub(crate) asks_private_root: bool,
    /// Interfaces of the host and their names inside.
    pub(crate) net_devices: Vec<(String, String)>,
}

/// Computes all plans of a document and forgets them: what a create would refuse before it makes anything. Pure.
///
/// # Errors
/// Those of [`create`](crate::create()) that the document alone decides.
pub fn check(spec: &Spec) -> Result<(), CreateError> {
    ContainerPlan::new(spec, None)?;
    if let Some(process) = &spec.process {
        let user = User {
            uid: process.user.uid,
            gid: process.user.gid,
            additional_gids: process.user.additional_gids.clone(),
            home: "/".to_owned(),
        };
        ProcessPlan::new(process, &user, CapabilitySet(u64::MAX))?;
    }
    personality(spec.linux.as_ref())?;
    let hooks = spec.hooks.clone().unwrap_or_default();
    HookKind::ALL.into_iter().try_for_each(|kind| HookList::new(&hooks, kind, &[]).map(drop))
}

impl ContainerPlan {
    /// Computes the plan. Pure.
    pub(crate) fn new(spec: &Spec, root: Option<&Path>) -> Result<Self, CreateError> {
        let linux = spec.linux.clone().unwrap_or_default();
        refuse_unsupported(&linux)?;
        check_names(spec, &linux)?;
        let mut plan = Self {
            namespaces: NamespacePlan::new(&linux)?,
            hostname: Some(spec.hostname.clone()).filter(|name| !name.is_empty()),
            domainname: Some(spec.domainname.clone()).filter(|name| !name.is_empty()),
            mounts: Vec::new(),
            devices: None,
            masked_paths: texts(&linux.masked_paths)?,
            readonly_paths: texts(&linux.readonly_paths)?,
            sysctls: sysctls(&linux)?,
            has_link_sysctls: linux.sysctl.keys().any(|key| is_of_links(&dotted(key))),
            is_root_readonly: spec.root.as_ref().is_some_and(|root| root.readonly),
            root_propagation: propagation(&linux.rootfs_propagation)?,
            root_reach: if linux.rootfs_propagation.starts_with('r') { Reach::Tree } else { Reach::One },
            net_devices: net_devices(&linux)?,
            asks_private_root: matches!(linux.rootfs_propagation.as_str(), "private" | "rprivate"),
            has_cpus: linux
                .resources
                .as_ref()
                .and_then(|resources| resources.cpu.as_ref())
                .is_some_and(|cpu| !cpu.cpus.is_empty()),
            has_mount_label: !linux.mount_label.is_empty(),
        };
        plan.mounts = spec
            .mounts
            .iter()
            .map(|mount| {
                let has_user_namespace = plan.namespaces.has_user();
                MountPlan::new(mount, plan.root_propagation, has_user_namespace, &linux.mount_label, root)
            })
            .collect::<Result<_, _>>()?;
        let is_dev_bound = plan
            .mounts
            .iter()
            .any(|mount| mount.destination_is("/dev") && matches!(mount.kind, MountKind::Bind { .. }));
        if !is_dev_bound {
            plan.devices = Some(devices::plan(&linux.devices)?);
        }
        Ok(plan)
    }
}

fn unsupported(what: &str) -> CreateError {
    CreateError::Invalid(format!("{what} is not supported"))
}

/// What protects or changes a container and is not built yet must not be dropped in silence.
fn refuse_unsupported(linux: &Linux) -> Result<(), CreateError> {
    let asked = [(linux.intel_rdt.is_some(), "cache and memory bandwidth control")];
    match asked.into_iter().find(|(is_asked, _)| *is_asked) {
        Some((_, what)) => Err(unsupported(what)),
        None => Ok(()),
    }
}

/// Interfaces to move, by names that interfaces can have.
fn net_devices(linux: &Linux) -> Result<Vec<(String, String)>, CreateError> {
    if !linux.net_devices.is_empty() && linux.find_namespace(NamespaceKind::Network).is_none() {
        let text = "unable to move network devices without a private NET namespace";
        return Err(CreateError::Invalid(text.to_owned()));
    }
    let check = |name: &str| {
        let is_odd = |byte: u8| matches!(byte, b'/' | b':' | 0) || byte.is_ascii_whitespace();
        if matches!(name, "" | "." | "..") || name.len() > 15 || name.bytes().any(is_odd) {
            return Err(CreateError::Invalid(format!("invalid network device name {name:?}")));
        }
        Ok(name.to_owned())
    };
    let name = |(name, device): (&String, &NetDevice)| {
        let inside = if device.name.is_empty() { name } else { &device.name };
        Ok((check(name)?, check(inside)?))
    };
    linux.net_devices.iter().map(name).collect()
}

/// Names of the host are not a container's to set.
fn check_names(spec: &Spec, linux: &Linux) -> Result<(), CreateError> {
    let names = [("hostname", &spec.hostname), ("domainname", &spec.domainname)];
    let given = names.into_iter().find(|(_, name)| !name.is_empty());
    match given.filter(|_| linux.find_namespace(NamespaceKind::Uts).is_none()) {
        Some((what, _)) => {
            Err(CreateError::Invalid(format!("unable to set {what} without a private UTS namespace")))
        }
        None => Ok(()),
    }
}

fn propagation(text: &str) -> Result<Propagation, CreateError> {
    Ok(match text {
        "" | "private" | "rprivate" => Propagation::Private,
        "slave" | "rslave" => Propagation::Slave,
        "shared" | "rshared" => Propagation::Shared,
        "unbindable" | "runbindable" => Propagation::Unbindable,
        other => return Err(CreateError::Invalid(format!("rootfsPropagation={other} is not supported"))),
    })
}

pub(crate) fn text(text: &str) -> Result<CString, CreateError> {
    CString::new(text).map_err(|_| nul(text))
}

fn nul(text: &str) -> CreateError {
    CreateError::Invalid(format!("{text:?} contains a NUL byte"))
}

fn texts(list: &[String]) -> Result<Vec<CString>, CreateError> {
    list.iter().map(|one| text(one)).collect()
}

impl From<NulError> for CreateError {
    fn from(error: NulError) -> Self {
        nul(&String::from_utf8_lossy(&error.into_vec()))
    }
}

/// Kernel parameters as files; those that would change the host are refused, in runc's words.
fn sysctls(linux: &Linux) -> Result<Vec<(CString, Vec<u8>)>, CreateError> {
    let is_separate = |kind| linux.find_namespace(kind).is_some();
    let refuse = |text: String| Err(CreateError::Invalid(text));
    let mut list = Vec::new();
    for (key, value) in &linux.sysctl {
        let name = dotted(key);
        let is_ipc = IPC_SYSCTLS.contains(&name.as_str()) || name.starts_with("fs.mqueue.");
        if is_ipc && !is_separate(NamespaceKind::Ipc) {
            return refuse(format!("sysctl {key:?} is not allowed in the hosts ipc namespace"));
        } else if name.starts_with("net.") && !is_separate(NamespaceKind::Network) {
            return refuse(format!("sysctl {key:?} not allowed in host network namespace"));
        } else if name == "kernel.hostname" && is_separate(NamespaceKind::Uts) {
            return refuse(format!(
                "sysctl {key:?} is not allowed as it conflicts with the OCI \"hostname\" field"
            ));
        }
        let is_known = is_ipc
            || name.starts_with("net.")
            || (name == "kernel.domainname" && is_separate(NamespaceKind::Uts));
        if !is_known {
            return refuse(format!("sysctl {key:?} is not in a separate kernel namespace"));
        }
        if name.split('.').any(|part| part.is_empty() || part == "..") {
            return refuse(format!("invalid sysctl {key:?}"));
        }
        list.push((text(&path_of(&name))?, value.clone().into_bytes()));
    }
    Ok(list)
}

fn is_of_links(name: &str) -> bool {
    name.starts_with("net.") && matches!(name.split('.').nth(2), Some("conf" | "neigh"))
}

const IPC_SYSCTLS: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

/// `net/ipv4/conf/eth0.1/x` is another way to write `net.ipv4.conf.eth0/1.x` (sysctl.d(5)).
fn dotted(key: &str) -> String {
    match key.find(['.', '/']) {
        Some(at) if key.as_bytes().get(at) == Some(&b'/') => swap(key),
        _ => key.to_owned(),
    }
}

fn path_of(name: &str) -> String {
    format!("sys/{}", swap(name))
}

fn swap(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            '.' => '/',
            '/' => '.',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(json: &str) -> Result<ContainerPlan, String> {
        let mut spec = Spec { linux: Some(serde_json::from_str(json).unwrap()), ..Spec::default() };
        let linux = spec.linux.get_or_insert_default();
        linux.namespaces.push(serde_json::from_str(r#"{"type": "mount"}"#).unwrap());
        ContainerPlan::new(&spec, None).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_built_is_refused() {
        for json in [r#"{"intelRdt": {"closID": "x"}}"#, r#"{"rootfsPropagation": "sideways"}"#] {
            assert!(planned(json).unwrap_err().ends_with("is not supported"), "{json}");
        }
    }

    #[test]
    fn network_devices_have_names_and_a_namespace() {
        let net = r#""namespaces": [{"type": "network"}]"#;
        let devices = |rest: &str, devices: &str| {
            planned(&format!(r#"{{{rest} "netDevices": {devices}}}"#)).map(|plan| plan.net_devices)
        };
        let with = |text: &str| devices(&format!("{net},"), text);
        let pair = |one: &str, two: &str| (one.to_owned(), two.to_owned());
        assert_eq!(
            with(r#"{"a": {}, "b": {"name": "eth%d"}}"#).unwrap(),
            [pair("a", "a"), pair("b", "eth%d")]
        );
        assert!(devices("", r#"{"a": {}}"#).unwrap_err().contains("without a private NET namespace"));
        for name in ["..", "a/b", "a b", "", "sixteen-letters!"] {
            assert_eq!(
                with(&format!(r#"{{"{name}": {{}}}}"#)).unwrap_err(),
                format!("invalid network device name {name:?}")
            );
        }
    }

    #[test]
    fn kernel_parameters_of_the_host_are_refused_in_runcs_words() {
        let sysctl = |namespaces: &str, key: &str| {
            planned(&format!(r#"{{"namespaces": [{namespaces}], "sysctl": {{"{key}": "1"}}}}"#))
                .map(|plan| plan.sysctls)
        };
        let net = r#"{"type": "network"}"#;
        assert_eq!(
            sysctl(net, "net.ipv4.ip_forward").unwrap(),
            [(c"sys/net/ipv4/ip_forward".to_owned(), b"1".to_vec())]
        );
        assert_eq!(
            sysctl(net, "net/ipv4/conf/eth0.1/x").unwrap()[0].0,
            c"sys/net/ipv4/conf/eth0.1/x".to_owned()
        );
        let refused = |namespaces: &str, key: &str| sysctl(namespaces, key).unwrap_err();
        assert_eq!(refused("", "net.core.x"), r#"sysctl "net.core.x" not allowed in host network namespace"#);
        assert_eq!(
            refused("", "kernel.sem"),
            r#"sysctl "kernel.sem" is not allowed in the hosts ipc namespace"#
        );
        assert_eq!(
            refused(net, "vm.swappiness"),
            r#"sysctl "vm.swappiness" is not in a separate kernel namespace"#
        );
        assert!(refused(net, "net.ipv4/../x").contains("sysctl"));
    }
}
