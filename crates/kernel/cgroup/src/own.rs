//! The groups the caller itself is in: relative paths begin there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::CgroupError;
use crate::layout::{Hierarchy, Version};

/// The group of a process in every hierarchy, by controller; the unified hierarchy's name is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnGroups(BTreeMap<String, PathBuf>);

impl OwnGroups {
    /// Those of the caller.
    ///
    /// # Errors
    /// When `/proc/self/cgroup` cannot be read.
    pub fn read() -> Result<Self, CgroupError> {
        let path = Path::new("/proc/self/cgroup");
        fs::read_to_string(path).map(|text| Self::from_text(&text)).map_err(CgroupError::file("read", path))
    }

    /// Reads the text of `/proc/PID/cgroup`: lines of `id:controllers:path`.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        let mut groups = BTreeMap::new();
        for line in text.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
            for controller in controllers.split(',') {
                groups.insert(controller.to_owned(), PathBuf::from(path));
            }
        }
        Self(groups)
    }

    /// The group a relative path begins at, as a folder of `tree`.
    ///
    /// On v2 it is the one above the caller's: a group with processes in it hands no controllers down.
    pub(crate) fn folder(&self, tree: &Hierarchy, version: Version) -> PathBuf {
        let controller = tree.controllers.first().map_or("", String::as_str);
        let top = Path::new("/");
        let own = self.0.get(controller).map_or(top, PathBuf::as_path);
        // Inside a container the file speaks of the host's tree, of which only a part is mounted.
        let root = if tree.root.as_os_str().is_empty() { top } else { &tree.root };
        let inside = own.strip_prefix(root).unwrap_or(Path::new(""));
        let start = match version {
            Version::V1 => inside,
            Version::V2 => inside.parent().unwrap_or(Path::new("")),
        };
        let start = start.components().filter(|part| matches!(part, std::path::Component::Normal(_)));
        tree.mountpoint.join(start.collect::<PathBuf>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "9:name=systemd:/init.scope\n4:cpu,cpuacct:/a/b\n3:memory:/docker/abc\n0::/user/one.scope\n";

    fn tree(controllers: &[&str], root: &str) -> Hierarchy {
        Hierarchy {
            controllers: controllers.iter().map(|&name| name.to_owned()).collect(),
            mountpoint: PathBuf::from("/cg"),
            root: PathBuf::from(root),
        }
    }

    #[test]
    fn every_hierarchy_has_its_own_start() {
        let own = OwnGroups::from_text(TEXT);
        let folder = |tree| own.folder(&tree, Version::V1);
        assert_eq!(folder(tree(&["cpuacct"], "/")), Path::new("/cg/a/b"));
        assert_eq!(folder(tree(&["name=systemd"], "")), Path::new("/cg/init.scope"));
        assert_eq!(folder(tree(&["pids"], "/")), Path::new("/cg"));
    }

    #[test]
    fn a_part_of_the_hosts_tree_is_the_whole_here() {
        let own = OwnGroups::from_text(TEXT);
        assert_eq!(own.folder(&tree(&["memory"], "/docker/abc"), Version::V1), Path::new("/cg"));
        assert_eq!(own.folder(&tree(&["memory"], "/docker"), Version::V1), Path::new("/cg/abc"));
    }

    #[test]
    fn on_v2_it_is_the_group_above() {
        let own = OwnGroups::from_text(TEXT);
        assert_eq!(own.folder(&tree(&[], "/"), Version::V2), Path::new("/cg/user"));
        let top = OwnGroups::from_text("0::/\n");
        assert_eq!(top.folder(&tree(&[], "/"), Version::V2), Path::new("/cg"));
        let above = OwnGroups::from_text("0::/../../x/y\n");
        assert_eq!(above.folder(&tree(&[], "/"), Version::V2), Path::new("/cg/x"));
    }
}
