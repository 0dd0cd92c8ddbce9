//! Namespaces: new, joined or shared; ids and clocks in them.

use std::path::PathBuf;

use oci_spec::runtime::{IdMapping, Linux, NamespaceKind};
use sys::process::Namespaces;

use crate::error::CreateError;

/// The namespaces of a container.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct NamespacePlan {
    /// Those the child is born with.
    pub(crate) new: Namespaces,
    /// Whether the child leaves for a cgroup namespace of its own after it entered its cgroup.
    pub(crate) has_own_cgroup: bool,
    /// Those to join, but for PID and user namespaces; that of mounts comes last, since it hides the host's files.
    pub(crate) joins: Vec<(Namespaces, PathBuf)>,
    /// A PID namespace to be born in.
    pub(crate) pid: Option<PathBuf>,
    /// A user namespace to join.
    pub(crate) user: Option<PathBuf>,
    /// Ids of a new user namespace.
    pub(crate) ids: Option<IdMaps>,
    /// Whether mounts are not the host's.
    pub(crate) has_mounts: bool,
    /// Lines for `timens_offsets` of a new time namespace.
    pub(crate) clocks: Option<Vec<u8>>,
}

/// What is written to `uid_map` and `gid_map`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdMaps {
    pub(crate) users: Vec<u8>,
    pub(crate) groups: Vec<u8>,
}

impl NamespacePlan {
    /// Computes the plan. Pure.
    pub(super) fn new(linux: &Linux) -> Result<Self, CreateError> {
        check(linux)?;
        let has_mounts = linux.find_namespace(NamespaceKind::Mount).is_some();
        let mut plan = Self { has_mounts, ..Self::default() };
        for namespace in &linux.namespaces {
            let flag = flag(namespace.kind);
            match (namespace.kind, namespace.path.as_str()) {
                (NamespaceKind::Cgroup, "") => plan.has_own_cgroup = true,
                // Born with one, a process could not set its clocks any more.
                (NamespaceKind::Time, "") => plan.clocks = Some(clocks(linux)?),
                (NamespaceKind::User, "") => {
                    plan.new = plan.new.and(flag);
                    plan.ids = Some(IdMaps::new(&linux.uid_mappings, &linux.gid_mappings));
                }
                (_, "") => plan.new = plan.new.and(flag),
                (NamespaceKind::Pid, path) => plan.pid = Some(path.into()),
                (NamespaceKind::User, path) => plan.user = Some(path.into()),
                (_, path) => plan.joins.push((flag, path.into())),
            }
        }
        plan.joins.sort_by_key(|(kind, _)| *kind == Namespaces::MOUNT);
        Ok(plan)
    }

    /// Has a network namespace that is there already joined where a new one is wanted, if that makes no difference: one
    /// belongs to the user namespace that it was made in.
    pub(crate) fn takes_ready_network(&mut self) -> bool {
        let takes = self.new.contains(Namespaces::NETWORK) && !self.has_user();
        if takes {
            self.new = self.new.without(Namespaces::NETWORK);
        }
        takes
    }

    /// Whether ids inside are not those outside.
    pub(crate) fn has_user(&self) -> bool {
        self.user.is_some() || self.ids.is_some()
    }

    /// Whether another process has to go ahead: what is joined outside a user namespace or before its child is born.
    pub(crate) fn needs_vanguard(&self) -> bool {
        self.clocks.is_some()
            || self.user.is_some()
            || self.ids.is_some() && (self.pid.is_some() || !self.joins.is_empty())
    }
}

impl IdMaps {
    /// One line a range, as `user_namespaces(7)` has it.
    pub(crate) fn new(users: &[IdMapping], groups: &[IdMapping]) -> Self {
        let lines = |list: &[IdMapping]| {
            let line = |map: &IdMapping| format!("{} {} {}\n", map.container_id, map.host_id, map.size);
            list.iter().map(line).collect::<String>().into_bytes()
        };
        Self { users: lines(users), groups: lines(groups) }
    }
}

/// The bits of a kind.
pub(crate) fn flag(kind: NamespaceKind) -> Namespaces {
    match kind {
        NamespaceKind::Pid => Namespaces::PID,
        NamespaceKind::Network => Namespaces::NETWORK,
        NamespaceKind::Mount => Namespaces::MOUNT,
        NamespaceKind::Ipc => Namespaces::IPC,
        NamespaceKind::Uts => Namespaces::UTS,
        NamespaceKind::User => Namespaces::USER,
        NamespaceKind::Cgroup => Namespaces::CGROUP,
        NamespaceKind::Time => Namespaces::TIME,
    }
}

/// Contradictions, in runc's words.
fn check(linux: &Linux) -> Result<(), CreateError> {
    for (index, namespace) in linux.namespaces.iter().enumerate() {
        let earlier = linux.namespaces.iter().take(index);
        if earlier.clone().any(|other| other.kind == namespace.kind) {
            let kind = serde_json::to_string(&namespace.kind).unwrap_or_default();
            return Err(CreateError::Invalid(format!("malformed spec file: duplicated ns {kind}")));
        }
    }
    let restricts = !linux.masked_paths.is_empty() || !linux.readonly_paths.is_empty();
    if restricts && linux.find_namespace(NamespaceKind::Mount).is_none() {
        let text = "unable to restrict sys entries without a private MNT namespace";
        return Err(CreateError::Invalid(text.to_owned()));
    }
    let find = |kind| linux.find_namespace(kind).map(|namespace| !namespace.path.is_empty());
    let (user, time) = (find(NamespaceKind::User), find(NamespaceKind::Time));
    let has_mappings = !linux.uid_mappings.is_empty() || !linux.gid_mappings.is_empty();
    let has_both = !linux.uid_mappings.is_empty() && !linux.gid_mappings.is_empty();
    let text = match (user, has_mappings) {
        (Some(false), _) if !has_both => {
            "user namespaces enabled, but no namespace path to join nor mappings to apply specified"
        }
        (None, true) => "user namespace mappings specified, but user namespace isn't enabled in the config",
        _ => match (time, linux.time_offsets.is_empty()) {
            (Some(true), false) => {
                "time namespace enabled, but both namespace path and time offsets specified -- you may only provide one"
            }
            (None, false) => {
                "time namespace offsets specified, but time namespace isn't enabled in the config"
            }
            _ => return Ok(()),
        },
    };
    Err(CreateError::Invalid(text.to_owned()))
}

fn clocks(linux: &Linux) -> Result<Vec<u8>, CreateError> {
    let mut lines = String::new();
    for (clock, offset) in &linux.time_offsets {
        if !matches!(clock.as_str(), "monotonic" | "boottime") {
            return Err(CreateError::Invalid(format!(
                "invalid linux.timeOffsets: {clock:?} is not a clock of a time namespace"
            )));
        }
        lines.push_str(&format!("{clock} {} {}\n", offset.secs, offset.nanosecs));
    }
    Ok(lines.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(json: &str) -> Result<NamespacePlan, String> {
        NamespacePlan::new(&serde_json::from_str(json).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn namespaces_are_new_joined_or_shared() {
        let json = r#"{"namespaces": [{"type": "mount", "path": "/m"}, {"type": "pid", "path": "/p"},
            {"type": "network", "path": "/n"}, {"type": "uts"}, {"type": "cgroup"}]}"#;
        let plan = planned(json).unwrap();
        assert_eq!(plan.new, Namespaces::UTS);
        assert_eq!(plan.joins, [(Namespaces::NETWORK, "/n".into()), (Namespaces::MOUNT, "/m".into())]);
        assert_eq!(plan.pid, Some("/p".into()));
        assert!(plan.has_own_cgroup && !plan.needs_vanguard());
    }

    #[test]
    fn ids_and_clocks_become_lines() {
        let map = r#"[{"containerID": 0, "hostID": 100000, "size": 10}, {"containerID": 10, "hostID": 5, "size": 1}]"#;
        let json = format!(
            r#"{{"namespaces": [{{"type": "mount"}}, {{"type": "user"}}, {{"type": "time"}}], "uidMappings": {map},
                "gidMappings": {map}, "timeOffsets": {{"monotonic": {{"secs": -5, "nanosecs": 7}}, "boottime": {{}}}}}}"#
        );
        let plan = planned(&json).unwrap();
        let ids = plan.ids.as_ref().unwrap();
        assert_eq!(ids.users, b"0 100000 10\n10 5 1\n");
        assert_eq!(ids.groups, ids.users);
        assert_eq!(plan.clocks.as_deref(), Some(b"boottime 0 0\nmonotonic -5 7\n".as_slice()));
        assert!(plan.has_user() && plan.needs_vanguard());
    }

    #[test]
    fn contradictions_are_refused_in_runcs_words() {
        let refused = |namespaces: &str, rest: &str| {
            planned(&format!(r#"{{"namespaces": [{{"type": "mount"}}{namespaces}]{rest}}}"#)).unwrap_err()
        };
        let map = r#", "uidMappings": [{"containerID": 0, "hostID": 1, "size": 1}]"#;
        assert_eq!(refused(r#", {"type": "mount"}"#, ""), r#"malformed spec file: duplicated ns "mount""#);
        assert!(refused(r#", {"type": "user"}"#, map).contains("no namespace path to join nor mappings"));
        assert!(refused("", map).contains("user namespace isn't enabled"));
        let clock = r#", "timeOffsets": {"monotonic": {"secs": 1}}"#;
        assert!(refused("", clock).contains("time namespace isn't enabled"));
        assert!(refused(r#", {"type": "time", "path": "/t"}"#, clock).contains("both namespace path"));
        let clock = r#", "timeOffsets": {"moon": {"secs": 1}}"#;
        assert!(refused(r#", {"type": "time"}"#, clock).contains("\"moon\" is not a clock"));
        assert!(!planned("{}").unwrap().has_mounts);
        let text = planned(r#"{"maskedPaths": ["/x"]}"#).unwrap_err();
        assert_eq!(text, "unable to restrict sys entries without a private MNT namespace");
    }
}
