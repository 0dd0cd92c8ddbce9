//! What to create and write for one group: computed from limits, touching nothing.

use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::Resources;
use sys::bpf::Instruction;

use crate::devices::DevicePolicy;
use crate::error::CgroupError;
use crate::layout::{Layout, Version};
use crate::{device_program, v1, v2};

/// One file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Names of the file, the first that exists is meant.
    pub files: Vec<String>,
    /// What to write.
    pub value: String,
}

impl Write {
    pub(crate) fn new(file: impl Into<String>, value: impl ToString) -> Self {
        Self { files: vec![file.into()], value: value.to_string() }
    }
}

/// One folder in one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPlan {
    /// Controllers of the hierarchy (v1).
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Which kind of hierarchy.
    pub version: Version,
    /// One folder per hierarchy.
    pub groups: Vec<GroupPlan>,
    /// The device filter (v2; on v1 it is made of writes).
    pub device_filter: Option<Vec<Instruction>>,
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
        let policy = DevicePolicy::from_rules(&resources.devices)?;
        check(resources)?;
        match layout.version {
            Version::V1 => {
                let groups = layout.hierarchies.iter().map(|tree| GroupPlan {
                    controllers: tree.controllers.clone(),
                    mountpoint: tree.mountpoint.clone(),
                    folder: tree.mountpoint.join(&relative),
                    enable: Vec::new(),
                    writes: tree
                        .controllers
                        .iter()
                        .flat_map(|name| v1::writes(name, resources, &policy))
                        .collect(),
                });
                Ok(Self { version: Version::V1, groups: groups.collect(), device_filter: None })
            }
            Version::V2 => {
                let groups = layout.hierarchies.iter().map(|tree| {
                    Ok(GroupPlan {
                        controllers: Vec::new(),
                        mountpoint: tree.mountpoint.clone(),
                        folder: tree.mountpoint.join(&relative),
                        enable: v2::CONTROLLERS.to_vec(),
                        writes: v2::writes(resources)?,
                    })
                });
                let is_open = matches!(&policy, DevicePolicy::AllowBut(but) if but.is_empty());
                Ok(Self {
                    version: Version::V2,
                    groups: groups.collect::<Result<_, CgroupError>>()?,
                    device_filter: (!is_open).then(|| device_program::generate(&policy)),
                })
            }
        }
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

/// Limits that no kernel takes, in runc's words.
fn check(resources: &Resources) -> Result<(), CgroupError> {
    let refuse = |text: String| Err(CgroupError::Unsupported(text));
    if let Some(shares) = resources.cpu.as_ref().and_then(|cpu| cpu.shares).filter(|shares| *shares != 0) {
        if shares < 2 {
            return refuse("the minimum allowed cpu-shares is 2".to_owned());
        }
        if shares > 262_144 {
            return refuse("the maximum allowed cpu-shares is 262144".to_owned());
        }
    }
    if let Some(swappiness) = resources.memory.as_ref().and_then(|memory| memory.swappiness)
        && swappiness > 100
        && swappiness != u64::MAX
    {
        return refuse(format!("invalid memory swappiness value: {swappiness} (valid range is 0-100)"));
    }
    if let Some(memory) = &resources.memory
        && let (Some(limit @ 1..), Some(swap @ 1..)) = (memory.limit, memory.swap)
        && swap < limit
    {
        return refuse("memory+swap limit should be >= memory limit".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside_the_hierarchy() {
        assert_eq!(relative(Path::new("/docker/./abc")).unwrap(), Path::new("docker/abc"));
        assert_eq!(relative(Path::new("a//b")).unwrap(), Path::new("a/b"));
        assert!(relative(Path::new("/docker/../../x")).is_err());
        assert!(relative(Path::new("/")).is_err());
    }

    #[test]
    fn impossible_limits_are_refused_in_runcs_words() {
        let refused = |json: &str| {
            let resources: Resources = serde_json::from_str(json).unwrap();
            let layout = Layout { version: Version::V1, hierarchies: Vec::new(), unified: None };
            Plan::new(&layout, Path::new("/a"), &resources).unwrap_err().to_string()
        };
        assert_eq!(refused(r#"{"cpu": {"shares": 1}}"#), "the minimum allowed cpu-shares is 2");
        assert_eq!(refused(r#"{"cpu": {"shares": 300000}}"#), "the maximum allowed cpu-shares is 262144");
        assert!(refused(r#"{"memory": {"swappiness": 101}}"#).contains("valid range is 0-100"));
        assert!(refused(r#"{"memory": {"limit": 10, "swap": 5}}"#).contains("should be >= memory limit"));
    }
}
