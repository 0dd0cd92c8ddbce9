//! Which devices a container has, and which it may touch. Pure over [`DeviceFacts`].

use engine_api::container::{DeviceMapping, HostConfig};
use oci_spec::runtime::{Device, DeviceRule, FileKind};

/// A device of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostDevice {
    /// Where it is on the host.
    pub(crate) path: String,
    pub(crate) kind: FileKind,
    pub(crate) major: i64,
    pub(crate) minor: i64,
    /// Permission bits.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Why a device cannot be given. The text is Docker's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DeviceError {
    #[error("error gathering device information while adding custom device {0:?}: {1}")]
    Custom(String, String),
    #[error("stat {0}: {1}")]
    Stat(String, String),
    #[error("invalid device cgroup rule format: '{0}'")]
    Rule(String),
}

/// What the host knows of its devices.
pub(crate) trait DeviceFacts {
    /// The device at `path`; all devices below it, if it is a folder.
    fn devices_at(&self, path: &str) -> Result<Vec<HostDevice>, DeviceError>;
    /// All devices of `/dev`, for privileged containers.
    fn all(&self) -> Vec<HostDevice>;
    /// Major and minor number of a block device.
    fn block_numbers(&self, path: &str) -> Result<(i64, i64), DeviceError>;
}

/// Device files to make, and rules to write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) nodes: Vec<Device>,
    pub(super) rules: Vec<DeviceRule>,
}

pub(super) fn plan(wish: &HostConfig, facts: &dyn DeviceFacts) -> Result<Plan, DeviceError> {
    let mut plan = Plan::default();
    let mappings = wish.devices.as_deref().unwrap_or_default();
    if wish.privileged {
        plan.nodes = facts.all().into_iter().map(|device| node(&device, device.path.clone())).collect();
        plan.rules = vec![rule(true, "", None, None, "rwm")];
        for mapping in mappings.iter().filter(|mapping| mapping.path_on_host != mapping.path_in_container) {
            plan.nodes.extend(map_devices(mapping, facts)?.into_iter().map(|(node, _)| node));
        }
        return Ok(plan);
    }
    plan.rules = default_rules();
    for mapping in mappings {
        for (node, rule) in map_devices(mapping, facts)? {
            plan.nodes.push(node);
            plan.rules.push(rule);
        }
    }
    for text in wish.device_cgroup_rules.iter().flatten() {
        plan.rules.push(parse_rule(text).ok_or_else(|| DeviceError::Rule(text.clone()))?);
    }
    Ok(plan)
}

fn map_devices(
    mapping: &DeviceMapping,
    facts: &dyn DeviceFacts,
) -> Result<Vec<(Device, DeviceRule)>, DeviceError> {
    let access = if mapping.cgroup_permissions.is_empty() { "rwm" } else { &mapping.cgroup_permissions };
    let inside =
        if mapping.path_in_container.is_empty() { &mapping.path_on_host } else { &mapping.path_in_container };
    let devices = facts.devices_at(&mapping.path_on_host)?.into_iter().map(|device| {
        let below = device.path.strip_prefix(&mapping.path_on_host).unwrap_or_default();
        let rule = rule(true, letter(device.kind), Some(device.major), Some(device.minor), access);
        (node(&device, format!("{inside}{below}")), rule)
    });
    Ok(devices.collect())
}

fn node(device: &HostDevice, path: String) -> Device {
    Device {
        path,
        kind: device.kind,
        major: device.major,
        minor: device.minor,
        file_mode: Some(device.mode),
        uid: Some(device.uid),
        gid: Some(device.gid),
    }
}

fn letter(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Block => "b",
        FileKind::Char | FileKind::Unbuffered => "c",
        FileKind::Pipe => "p",
    }
}

fn rule(allow: bool, kind: &str, major: Option<i64>, minor: Option<i64>, access: &str) -> DeviceRule {
    DeviceRule { allow, kind: kind.to_owned(), major, minor, access: access.to_owned() }
}

/// Docker's: nothing but null, zero, full, random, urandom, tty, console. What the runtime itself needs, it adds.
fn default_rules() -> Vec<DeviceRule> {
    let allowed = [(1, 5), (1, 3), (1, 9), (1, 8), (5, 0), (5, 1)];
    let mut rules = vec![rule(false, "", None, None, "rwm")];
    rules.extend(allowed.map(|(major, minor)| rule(true, "c", Some(major), Some(minor), "rwm")));
    rules.push(rule(false, "c", Some(10), Some(229), "rwm"));
    rules
}

/// Reads `c 42:* rmw`.
fn parse_rule(text: &str) -> Option<DeviceRule> {
    let mut words = text.split(' ');
    let (kind, numbers, access) = (words.next()?, words.next()?, words.next()?);
    let (major, minor) = numbers.split_once(':')?;
    let number = |text: &str| match text {
        "*" => Some(-1),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse::<i64>().ok(),
        _ => None,
    };
    let fits = ["a", "b", "c"].contains(&kind)
        && (1..=3).contains(&access.len())
        && access.bytes().all(|byte| b"rwm".contains(&byte))
        && words.next().is_none();
    fits.then_some(rule(true, kind, Some(number(major)?), Some(number(minor)?), access))
}

#[cfg(test)]
mod tests {
    use super::parse_rule;

    #[test]
    fn rules_are_read_as_docker_writes_them() {
        let rule = parse_rule("c 42:* rmw").unwrap();
        assert_eq!((rule.kind.as_str(), rule.major, rule.minor), ("c", Some(42), Some(-1)));
        for wrong in ["", "c 1:2", "x 1:2 r", "c 1 r", "c 1:2 rx", "c 1:2 r x", "c -1:2 r"] {
            assert_eq!(parse_rule(wrong), None, "{wrong}");
        }
    }
}
