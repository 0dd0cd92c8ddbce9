//! What is allowed in every container's control group.

use oci_spec::runtime::{DeviceRule, Resources, Spec};

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
