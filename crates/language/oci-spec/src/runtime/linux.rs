//! The `linux` part: namespaces, devices, protected paths.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Extra, IdMapping, Resources, Seccomp, or_default};

/// What is specific to Linux.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Linux {
    /// User ids of a user namespace.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub uid_mappings: Vec<IdMapping>,
    /// Group ids of a user namespace.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub gid_mappings: Vec<IdMapping>,
    /// Kernel parameters, by dotted name.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctl: BTreeMap<String, String>,
    /// Limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// The control group, from the root of each hierarchy when absolute.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub cgroups_path: String,
    /// Namespaces to create, or to join where a path is given; the others are the runtime's.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<Namespace>,
    /// Device nodes to make.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    /// Host interfaces to move into the container, by their name on the host.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub net_devices: BTreeMap<String, NetDevice>,
    /// System call filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seccomp: Option<Seccomp>,
    /// Propagation of the root mount: `private`, `rslave` …
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub rootfs_propagation: String,
    /// Paths made unreadable.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub masked_paths: Vec<String>,
    /// Paths made read-only.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub readonly_paths: Vec<String>,
    /// SELinux label of mounts.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub mount_label: String,
    /// Cache and memory bandwidth control.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intel_rdt: Option<IntelRdt>,
    /// NUMA memory policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_policy: Option<MemoryPolicy>,
    /// Execution domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub personality: Option<Personality>,
    /// Clock offsets of a time namespace, by clock name.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub time_offsets: BTreeMap<String, TimeOffset>,
    /// Unknown fields.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Linux {
    /// The entry for a kind of namespace, if the container does not share the runtime's.
    #[must_use]
    pub fn find_namespace(&self, kind: NamespaceKind) -> Option<&Namespace> {
        self.namespaces.iter().find(|namespace| namespace.kind == kind)
    }
}

/// A namespace to create (no path) or to join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// Which.
    #[serde(rename = "type")]
    pub kind: NamespaceKind,
    /// The namespace file to join; empty for a new one.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub path: String,
}

/// Kinds of namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NamespaceKind {
    /// Process ids.
    Pid,
    /// Links, addresses, rules.
    Network,
    /// Mounts.
    Mount,
    /// System V IPC and POSIX queues.
    Ipc,
    /// Host name.
    Uts,
    /// User ids.
    User,
    /// The view of the cgroup tree.
    Cgroup,
    /// Clock offsets.
    Time,
}

/// Kinds of special files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FileKind {
    /// Block device.
    #[serde(rename = "b")]
    Block,
    /// Character device.
    #[serde(rename = "c")]
    Char,
    /// Unbuffered character device: the same as `c` on Linux.
    #[serde(rename = "u")]
    Unbuffered,
    /// Named pipe.
    #[serde(rename = "p")]
    Pipe,
}

/// A device node to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Absolute path inside the container.
    pub path: String,
    /// Kind of file.
    #[serde(rename = "type")]
    pub kind: FileKind,
    /// Major number.
    #[serde(default)]
    pub major: i64,
    /// Minor number.
    #[serde(default)]
    pub minor: i64,
    /// Permission bits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_mode: Option<u32>,
    /// Owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
}

/// A host interface moved into the container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetDevice {
    /// Its name inside; empty keeps the host's.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// Cache and memory bandwidth control.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IntelRdt {
    /// Class of service.
    #[serde(
        rename = "closID",
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub clos_id: String,
    /// Lines for the `schemata` file of the class.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub schemata: Vec<String>,
    /// The line of the L3 cache, older than `schemata`.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub l3_cache_schema: String,
    /// The line of memory bandwidth, older than `schemata`.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub mem_bw_schema: String,
    /// Whether the container gets a monitoring group of its own.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub enable_monitoring: bool,
    /// Unknown fields.
    #[serde(flatten)]
    pub extra: Extra,
}

/// NUMA memory policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryPolicy {
    /// `MPOL_BIND` …
    pub mode: String,
    /// List of nodes.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub nodes: String,
    /// `MPOL_F_STATIC_NODES` …
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
}

/// Execution domain (`personality(2)`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Personality {
    /// `LINUX` or `LINUX32`.
    #[serde(default, deserialize_with = "or_default")]
    pub domain: String,
    /// Additional flags (`ADDR_NO_RANDOMIZE` …); the specification defines none.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
}

/// Offset of one clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeOffset {
    /// Seconds.
    #[serde(default)]
    pub secs: i64,
    /// Nanoseconds.
    #[serde(default)]
    pub nanosecs: u32,
}
