//! Capabilities by name.

use std::collections::BTreeSet;

use oci_spec::runtime::Capabilities;
use sys::credentials::CapabilitySet;

use crate::error::CreateError;

/// Names without `CAP_`, by number (linux/capability.h).
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// Number of the last capability this table knows.
pub const LAST: u32 = 40;

/// All capability names (`CAP_CHOWN` …), by number.
pub fn names() -> impl Iterator<Item = String> {
    NAMES.iter().map(|name| format!("CAP_{name}"))
}

/// The five sets of a process, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sets {
    /// Limit of what exec can ever gain.
    pub bounding: CapabilitySet,
    /// What the kernel checks.
    pub effective: CapabilitySet,
    /// What may become effective.
    pub permitted: CapabilitySet,
    /// Kept across exec of files that ask for them.
    pub inheritable: CapabilitySet,
    /// Kept across exec of any file.
    pub ambient: CapabilitySet,
}

impl Sets {
    /// Reads the names. Those the runtime itself lacks (`available`) and unknown ones are left out, as runc does
    /// with a warning. Ambient is cut down to what is both permitted and inheritable, as the kernel wants it.
    #[must_use]
    pub fn from_spec(spec: &Capabilities, available: CapabilitySet) -> Self {
        let set = |names: &[String]| {
            let known =
                names.iter().filter_map(|name| parse(name)).fold(0, |bits, number| bits | 1 << number);
            CapabilitySet(known & available.0)
        };
        let permitted = set(&spec.permitted);
        let inheritable = set(&spec.inheritable);
        Self {
            bounding: set(&spec.bounding),
            effective: CapabilitySet(set(&spec.effective).0 & permitted.0),
            permitted,
            inheritable,
            ambient: CapabilitySet(set(&spec.ambient).0 & permitted.0 & inheritable.0),
        }
    }
}

/// What of a document's capabilities will not be had, in runc's words: names that this kernel or this process lacks, and
/// ambient ones that are not both permitted and inheritable.
///
/// # Errors
/// None on kernels in use.
pub fn warnings(spec: &Capabilities) -> Result<Vec<String>, CreateError> {
    Ok(lacking(spec, crate::create::available()?))
}

fn lacking(spec: &Capabilities, available: CapabilitySet) -> Vec<String> {
    let is_there = |name: &String| parse(name).is_some_and(|number| available.0 >> number & 1 == 1);
    let lists = [&spec.bounding, &spec.effective, &spec.inheritable, &spec.permitted, &spec.ambient];
    let missing: BTreeSet<&str> =
        lists.into_iter().flatten().filter(|name| !is_there(name)).map(String::as_str).collect();
    let mut warnings = Vec::new();
    if !missing.is_empty() {
        let names: Vec<_> = missing.into_iter().collect();
        warnings.push(format!("ignoring unknown or unavailable capabilities: [{}]", names.join(" ")));
    }
    let sets = Sets::from_spec(spec, available);
    let refused = spec.ambient.iter().filter(|name| is_there(name));
    let refused = refused.filter(|name| parse(name).is_some_and(|number| sets.ambient.0 >> number & 1 == 0));
    warnings.extend(
        refused.map(|name| format!("can't raise ambient capability {name}: operation not permitted")),
    );
    warnings
}

/// The number of `CAP_CHOWN`, in any case.
#[must_use]
pub fn parse(name: &str) -> Option<u32> {
    let name = name.to_ascii_uppercase();
    let name = name.strip_prefix("CAP_")?;
    NAMES.iter().position(|known| *known == name).and_then(|number| u32::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_kernels_numbers() {
        assert_eq!(parse("CAP_CHOWN"), Some(0));
        assert_eq!(parse("cap_sys_admin"), Some(21));
        assert_eq!(parse("CAP_CHECKPOINT_RESTORE"), Some(LAST));
        assert_eq!(parse("CHOWN"), None);
        assert_eq!(names().nth(27).as_deref(), Some("CAP_MKNOD"));
    }

    #[test]
    fn sets_keep_to_what_the_kernel_can_take() {
        let list = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let spec = Capabilities {
            bounding: list(&["CAP_CHOWN", "CAP_KILL", "CAP_NONE"]),
            effective: list(&["CAP_CHOWN", "CAP_BPF"]),
            permitted: list(&["CAP_CHOWN", "CAP_KILL"]),
            inheritable: list(&["CAP_CHOWN"]),
            ambient: list(&["CAP_CHOWN", "CAP_KILL"]),
        };
        let sets = Sets::from_spec(&spec, CapabilitySet(u64::MAX));
        assert_eq!((sets.bounding.0, sets.effective.0, sets.permitted.0), (0b10_0001, 1, 0b10_0001));
        assert_eq!((sets.inheritable.0, sets.ambient.0), (1, 1));
        assert_eq!(Sets::from_spec(&spec, CapabilitySet(0)).bounding.0, 0);
        assert_eq!(
            lacking(&spec, CapabilitySet((1 << 39) - 1)),
            [
                "ignoring unknown or unavailable capabilities: [CAP_BPF CAP_NONE]",
                "can't raise ambient capability CAP_KILL: operation not permitted"
            ]
        );
    }
}
