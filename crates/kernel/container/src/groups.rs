//! What is allowed in every container's control group.

use oci_spec::runtime::{DeviceRule, Mount, NamespaceKind, Resources, Spec};

/// The limits of the document, with the devices that every container may use (OCI runtime-spec, Default Devices).
pub(crate) fn resources(spec: &Spec) -> Resources {
    let mut resources = spec.linux.as_ref().and_then(|linux| linux.resources.clone()).unwrap_or_default();
    resources.devices.extend(ALWAYS.iter().map(|(kind, major, minor, access)| DeviceRule {
        allow: true,
        kind: (*kind).to_owned(),
        major: *major,
        minor: *minor,
        access: (*access).to_owned(),
    }));
    resources
}

/// Who the group shall belong to on v2: the first process's user, when he is another one outside, and the group is his
/// to change (OCI runtime-spec, Cgroup ownership).
pub(crate) fn owner(spec: &Spec) -> Option<u32> {
    let linux = spec.linux.as_ref()?;
    let is_new = |kind| linux.find_namespace(kind).is_some_and(|namespace| namespace.path.is_empty());
    let is_writable = |mount: &Mount| {
        ["cgroup", "cgroup2"].contains(&mount.kind.as_str())
            && mount.destination == "/sys/fs/cgroup"
            && !mount.options.iter().any(|option| option == "ro")
    };
    if !is_new(NamespaceKind::User) || !is_new(NamespaceKind::Cgroup) || !spec.mounts.iter().any(is_writable)
    {
        return None;
    }
    let user = spec.process.as_ref().map_or(0, |process| process.user.uid);
    linux.uid_mappings.iter().find_map(|mapping| {
        let distance = user.checked_sub(mapping.container_id).filter(|distance| *distance < mapping.size)?;
        mapping.host_id.checked_add(distance)
    })
}

/// Making any node is harmless, since using it is not allowed by it.
const ALWAYS: [(&str, Option<i64>, Option<i64>, &str); 11] = [
    ("c", None, None, "m"),
    ("b", None, None, "m"),
    ("c", Some(1), Some(3), "rwm"),
    ("c", Some(1), Some(8), "rwm"),
    ("c", Some(1), Some(7), "rwm"),
    ("c", Some(5), Some(0), "rwm"),
    ("c", Some(1), Some(5), "rwm"),
    ("c", Some(1), Some(9), "rwm"),
    ("c", Some(5), Some(1), "rwm"),
    ("c", Some(136), None, "rwm"),
    ("c", Some(5), Some(2), "rwm"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_given_away_when_it_is_the_containers_to_change() {
        let document = |namespaces: &str, options: &str| -> Spec {
            let text = format!(
                r#"{{"ociVersion": "1.2.0", "process": {{"cwd": "/", "args": ["sh"], "user": {{"uid": 5, "gid": 0}}}},
                "mounts": [{{"destination": "/sys/fs/cgroup", "type": "cgroup", "options": [{options}]}}],
                "linux": {{"namespaces": [{namespaces}],
                "uidMappings": [{{"containerID": 0, "hostID": 1000, "size": 4}}, {{"containerID": 4, "hostID": 7000, "size": 2}}]}}}}"#
            );
            serde_json::from_str(&text).unwrap()
        };
        let both = r#"{"type": "user"}, {"type": "cgroup"}"#;
        assert_eq!(owner(&document(both, r#""nosuid""#)), Some(7001));
        assert_eq!(owner(&document(both, r#""ro""#)), None);
        assert_eq!(owner(&document(r#"{"type": "user"}"#, "")), None);
        assert_eq!(owner(&document(r#"{"type": "cgroup"}"#, "")), None);
    }
}
