//! What to create and write for one group: computed from limits, touching nothing.

use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::Resources;
use sys::bpf::Instruction;

use crate::check::check;
use crate::devices::DevicePolicy;
use crate::error::CgroupError;
use crate::layout::{Hierarchy, Layout, Version};
use crate::own::OwnGroups;
use crate::systemd::UnitPlan;
use crate::{device_program, v1, v2};

/// One file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Names of the file, the first that exists is meant.
    pub files: Vec<String>,
    /// What to write.
    pub value: String,
    /// Whether the file was asked for by name, and not by a limit that becomes it.
    pub is_unified: bool,
}

impl Write {
    pub(crate) fn new(file: impl Into<String>, value: impl ToString) -> Self {
        Self { files: vec![file.into()], value: value.to_string(), is_unified: false }
    }
}

/// One folder in one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPlan {
    /// Controllers of the hierarchy (v1); empty for the unified one.
    pub controllers: Vec<String>,
    /// Where the hierarchy is mounted.
    pub mountpoint: PathBuf,
    /// The folder to make.
    pub folder: PathBuf,
    /// Controllers to switch on in every folder above (v2).
    pub enable: Vec<&'static str>,
    /// Files to write, in this order.
    pub writes: Vec<Write>,
}

/// What to create and to write for one group.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Which kind of hierarchy.
    pub version: Version,
    /// One folder per hierarchy.
    pub groups: Vec<GroupPlan>,
    /// The device filter (v2; on v1 it is made of writes).
    pub device_filter: Option<Vec<Instruction>>,
    /// The unit to be, where systemd manages the group.
    pub unit: Option<UnitPlan>,
    /// Who the group shall belong to (v2), so as to make groups of his own below.
    pub owner: Option<u32>,
}

impl Plan {
    /// Computes the plan for a group at `path` (from the root of every hierarchy). Pure.
    ///
    /// Limits of controllers that the host lacks are left out; ask [`Layout::has_controller`] to warn of it.
    ///
    /// # Errors
    /// [`CgroupError::Unsupported`] for limits that make no sense or cannot be expressed.
    pub fn new(layout: &Layout, path: &Path, resources: &Resources) -> Result<Self, CgroupError> {
        let relative = relative(path)?;
        let folders = layout.hierarchies.iter().map(|tree| (tree, tree.mountpoint.join(&relative)));
        Self::of_folders(layout.version, folders, resources)
    }

    /// Computes the plan for the `cgroupsPath` of a configuration, as the cgroupfs manager of runc reads it. Pure.
    ///
    /// An absolute path begins at the root of every hierarchy; a relative one at the caller's own group, and an empty
    /// one means the container's `id` there. Nothing leads out of the place where it begins. On a hybrid host the
    /// group gets a folder in the unified tree as well.
    ///
    /// # Errors
    /// [`CgroupError::Unsupported`] for limits that make no sense, cannot be expressed, or need a controller of v1 that
    /// the host lacks.
    pub fn for_container(
        layout: &Layout,
        own: &OwnGroups,
        cgroups_path: &str,
        id: &str,
        resources: &Resources,
    ) -> Result<Self, CgroupError> {
        let inner = clean(Path::new(if cgroups_path.is_empty() { id } else { cgroups_path }));
        let is_absolute = cgroups_path.starts_with('/');
        if inner.as_os_str().is_empty() {
            return Err(CgroupError::Unsupported(format!("invalid cgroup path {cgroups_path:?}")));
        }
        if let Some(lacking) = v1::CONTROLLERS.iter().find(|controller| {
            layout.version == Version::V1
                && !layout.has_controller(controller)
                && !v1::writes(controller, resources, None).is_empty()
        }) {
            let why = "container could not join or create cgroup";
            return Err(CgroupError::Unsupported(format!("cannot set {lacking} limit: {why}")));
        }
        let unified = layout
            .unified
            .iter()
            .map(|mountpoint| Hierarchy { mountpoint: mountpoint.clone(), ..Hierarchy::default() });
        let unified: Vec<_> = unified.collect();
        let folders = layout.hierarchies.iter().chain(&unified).map(|tree| {
            let is_beside = layout.version == Version::V1 && tree.controllers.is_empty();
            let start = if is_absolute || is_beside {
                tree.mountpoint.clone()
            } else {
                own.folder(tree, layout.version)
            };
            (tree, start.join(&inner))
        });
        Self::of_folders(layout.version, folders, resources)
    }

    pub(crate) fn of_folders<'a>(
        version: Version,
        folders: impl Iterator<Item = (&'a Hierarchy, PathBuf)>,
        resources: &Resources,
    ) -> Result<Self, CgroupError> {
        let policy = DevicePolicy::from_rules(&resources.devices)?;
        check(version, resources)?;
        let group = |(tree, folder): (&Hierarchy, PathBuf)| {
            Ok(GroupPlan {
                controllers: tree.controllers.clone(),
                mountpoint: tree.mountpoint.clone(),
                folder,
                enable: if version == Version::V2 { v2::CONTROLLERS.to_vec() } else { Vec::new() },
                writes: writes(version, &tree.controllers, resources, Some(&policy))?,
            })
        };
        let is_open = matches!(&policy, DevicePolicy::AllowBut(but) if but.is_empty());
        let device_filter = (version == Version::V2 && !is_open).then(|| device_program::generate(&policy));
        let groups = folders.map(group).collect::<Result<_, CgroupError>>()?;
        Ok(Self { version, groups, device_filter, unit: None, owner: None })
    }
}

/// The writes of one folder; without a policy, access to devices stays as it is.
pub(crate) fn writes(
    version: Version,
    controllers: &[String],
    resources: &Resources,
    policy: Option<&DevicePolicy>,
) -> Result<Vec<Write>, CgroupError> {
    match version {
        Version::V1 => Ok(controllers.iter().flat_map(|name| v1::writes(name, resources, policy)).collect()),
        Version::V2 => v2::writes(resources),
    }
}

/// A group's path without its root; parts that lead upwards are refused.
pub(crate) fn relative(path: &Path) -> Result<PathBuf, CgroupError> {
    let invalid = || CgroupError::Unsupported(format!("invalid cgroup path {}", path.display()));
    let mut relative = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => relative.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return Err(invalid()),
        }
    }
    if relative.as_os_str().is_empty() { Err(invalid()) } else { Ok(relative) }
}

/// A path without its root, in which parts that lead upwards stop at the top.
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_stay_inside_the_hierarchy() {
        assert_eq!(relative(Path::new("/docker/./abc")).unwrap(), Path::new("docker/abc"));
        assert_eq!(relative(Path::new("a//b")).unwrap(), Path::new("a/b"));
        assert!(relative(Path::new("/docker/../../x")).is_err());
        assert!(relative(Path::new("/")).is_err());
    }

    fn host() -> Layout {
        let tree = |controller: &str, place: &str| Hierarchy {
            controllers: vec![controller.to_owned()],
            mountpoint: PathBuf::from(place),
            root: PathBuf::from("/"),
        };
        Layout {
            version: Version::V1,
            hierarchies: vec![tree("memory", "/cg/memory"), tree("pids", "/cg/pids")],
            unified: Some(PathBuf::from("/cg/unified")),
        }
    }

    fn folders(path: &str) -> Vec<PathBuf> {
        let own = OwnGroups::from_text("4:memory:/mine\n3:pids:/\n0::/other/one\n");
        let plan = Plan::for_container(&host(), &own, path, "id", &Resources::default()).unwrap();
        plan.groups.into_iter().map(|group| group.folder).collect()
    }

    #[test]
    fn an_absolute_path_begins_at_the_top_and_a_relative_one_here() {
        let expected = ["/cg/memory/a/b", "/cg/pids/a/b", "/cg/unified/a/b"];
        assert_eq!(folders("/a/b"), expected.map(PathBuf::from));
        let expected = ["/cg/memory/mine/a/b", "/cg/pids/a/b", "/cg/unified/a/b"];
        assert_eq!(folders("a/b"), expected.map(PathBuf::from));
        let expected = ["/cg/memory/mine/id", "/cg/pids/id", "/cg/unified/id"];
        assert_eq!(folders(""), expected.map(PathBuf::from));
    }

    #[test]
    fn the_unified_tree_of_a_hybrid_host_gets_no_writes() {
        let own = OwnGroups::default();
        let resources: Resources = serde_json::from_str(r#"{"pids": {"limit": 5}}"#).unwrap();
        let plan = Plan::for_container(&host(), &own, "/a", "id", &resources).unwrap();
        let counts: Vec<_> = plan.groups.iter().map(|group| group.writes.len()).collect();
        assert_eq!(counts, [0, 1, 0]);
    }

    #[test]
    fn limits_without_a_hierarchy_of_their_own_are_refused() {
        let planned = |json: &str| {
            let resources: Resources = serde_json::from_str(json).unwrap();
            Plan::for_container(&host(), &OwnGroups::default(), "/a", "id", &resources)
                .map(|_| ())
                .map_err(|error| error.to_string())
        };
        let error = planned(r#"{"network": {"classID": 5}}"#).unwrap_err();
        assert!(error.contains("cannot set net_cls limit"), "{error}");
        let error = planned(r#"{"cpu": {"shares": 5}, "memory": {"limit": 1000000}}"#).unwrap_err();
        assert!(error.contains("cannot set cpu limit"), "{error}");
        assert_eq!(planned(r#"{"memory": {"limit": 1000000}, "cpu": {}, "network": {}}"#), Ok(()));
    }

    proptest! {
        #[test]
        fn no_path_leaves_its_hierarchy(path in "[/.a-c]{1,24}") {
            let own = OwnGroups::from_text("4:memory:/mine\n3:pids:/../x\n");
            if let Ok(plan) = Plan::for_container(&host(), &own, &path, "id", &Resources::default()) {
                for group in plan.groups {
                    prop_assert!(group.folder.starts_with(&group.mountpoint));
                    prop_assert!(group.folder != group.mountpoint);
                    prop_assert!(!group.folder.components().any(|part| part == Component::ParentDir));
                }
            }
        }
    }
}
