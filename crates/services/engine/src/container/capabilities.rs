//! Which capabilities a container gets: Docker's fourteen, changed by `--cap-add`, `--cap-drop` and `--privileged`. Pure.

/// All that Linux has, by number.
pub(crate) const ALL: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// What a container has when nothing is said, in Docker's order.
pub(crate) const DEFAULT: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// A name that is none, or none here. The text is Docker's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CapabilityError {
    /// No kernel knows it.
    #[error("unknown capability: {0:?}")]
    Unknown(String),
    /// This kernel, or what the daemon may give, lacks it.
    #[error("capability not supported by your kernel or not available in the current environment: {0:?}")]
    Unavailable(String),
}

/// The normal form of what a user typed: upper case, with its prefix; `ALL` stays.
///
/// # Errors
/// [`CapabilityError`], naming the normal form.
pub(crate) fn normalize(names: &[String], available: &[&str]) -> Result<Vec<String>, CapabilityError> {
    names.iter().map(|name| normalize_one(name, available)).collect()
}

fn normalize_one(name: &str, available: &[&str]) -> Result<String, CapabilityError> {
    let upper = name.to_uppercase();
    if upper == "ALL" {
        return Ok(upper);
    }
    let full = if upper.starts_with("CAP_") { upper } else { format!("CAP_{upper}") };
    if !ALL.contains(&full.as_str()) {
        return Err(CapabilityError::Unknown(full));
    }
    if !available.contains(&full.as_str()) {
        return Err(CapabilityError::Unavailable(full));
    }
    Ok(full)
}

/// The set of a container. `add` and `drop` are normal forms.
#[must_use]
pub(crate) fn resolve(add: &[String], drop: &[String], privileged: bool, available: &[&str]) -> Vec<String> {
    let has = |list: &[String], name: &str| list.iter().any(|have| have == name);
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    if privileged {
        return owned(available);
    }
    if has(add, "ALL") {
        return available.iter().filter(|name| !has(drop, name)).map(|&name| name.to_owned()).collect();
    }
    if has(drop, "ALL") {
        return add.to_vec();
    }
    let kept = DEFAULT.iter().filter(|name| !has(drop, name)).map(|&name| name.to_owned());
    let mut all: Vec<String> = kept.collect();
    for name in add {
        if !has(&all, name) {
            all.push(name.clone());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn what_users_type_becomes_the_kernels_name() {
        assert_eq!(
            normalize(&names(&["net_admin", "CAP_CHOWN", "all"]), &ALL),
            Ok(names(&["CAP_NET_ADMIN", "CAP_CHOWN", "ALL"]))
        );
        let error = normalize(&names(&["fly"]), &ALL).unwrap_err();
        assert_eq!(error.to_string(), "unknown capability: \"CAP_FLY\"");
        assert!(matches!(normalize(&names(&["bpf"]), &["CAP_CHOWN"]), Err(CapabilityError::Unavailable(_))));
    }

    #[test]
    fn drop_all_leaves_only_what_is_added() {
        let all = resolve(&names(&["CAP_NET_BIND_SERVICE"]), &names(&["ALL"]), false, &ALL);
        assert_eq!(all, ["CAP_NET_BIND_SERVICE"]);
    }

    #[test]
    fn add_all_leaves_out_what_is_dropped() {
        let all = resolve(&names(&["ALL"]), &names(&["CAP_SYS_ADMIN"]), false, &ALL);
        assert_eq!(all.len(), 40);
        assert!(!all.contains(&"CAP_SYS_ADMIN".to_owned()));
    }

    #[test]
    fn the_default_is_dockers_fourteen_and_changes_apply_to_it() {
        assert_eq!(resolve(&[], &[], false, &ALL), DEFAULT);
        let changed = resolve(&names(&["CAP_NET_ADMIN", "CAP_CHOWN"]), &names(&["CAP_MKNOD"]), false, &ALL);
        assert_eq!(changed.len(), 14);
        assert!(changed.contains(&"CAP_NET_ADMIN".to_owned()) && !changed.contains(&"CAP_MKNOD".to_owned()));
        assert_eq!(resolve(&[], &[], true, &["CAP_CHOWN"]), ["CAP_CHOWN"]);
    }
}
