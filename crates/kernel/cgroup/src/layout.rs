//! The hierarchies of the host, from the mount table.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::CgroupError;

/// Which kind of hierarchy the host's controllers are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Version {
    /// One tree per controller, perhaps with a unified one beside (hybrid).
    V1,
    /// One tree for all.
    V2,
}

/// One mounted tree of groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hierarchy {
    /// Controllers on it; a named hierarchy without controllers has `name=…`. Empty on v2.
    pub controllers: Vec<String>,
    /// Where it is mounted.
    pub mountpoint: PathBuf,
    /// Which of its groups is mounted there; empty or `/` is the topmost.
    pub root: PathBuf,
}

impl Hierarchy {
    /// Whether `controller` is on it.
    #[must_use]
    pub fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|own| own == controller)
    }
}

/// The host's hierarchies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Which kind carries the usual controllers.
    pub version: Version,
    /// The trees in use: all of v1, or the one of v2.
    pub hierarchies: Vec<Hierarchy>,
    /// The unified tree of a hybrid host.
    pub unified: Option<PathBuf>,
}

impl Layout {
    /// Reads `/proc/self/mountinfo`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn detect() -> Result<Self, CgroupError> {
        let path = Path::new("/proc/self/mountinfo");
        let text = fs::read_to_string(path).map_err(CgroupError::file("read", path))?;
        Ok(Self::from_mountinfo(&text))
    }

    /// Reads the text of a mount table (`proc_pid_mountinfo(5)`). Where a tree is mounted twice, the first counts.
    #[must_use]
    pub fn from_mountinfo(text: &str) -> Self {
        let mut first = Vec::<Hierarchy>::new();
        let mut second = None;
        for (kind, mountpoint, root, options) in text.lines().filter_map(parse_line) {
            match kind {
                "cgroup2" if second.is_none() => second = Some((mountpoint, root)),
                "cgroup" => {
                    let controllers: Vec<_> = options
                        .split(',')
                        .filter(|option| is_controller(option))
                        .map(str::to_owned)
                        .collect();
                    let is_new = !first.iter().any(|known| known.controllers == controllers);
                    if is_new && !controllers.is_empty() {
                        first.push(Hierarchy { controllers, mountpoint, root });
                    }
                }
                _ => {}
            }
        }
        let has_controllers =
            first.iter().any(|tree| tree.controllers.iter().any(|name| !name.starts_with("name=")));
        match second {
            Some((mountpoint, root)) if !has_controllers => Self {
                version: Version::V2,
                hierarchies: vec![Hierarchy { controllers: Vec::new(), mountpoint, root }],
                unified: None,
            },
            second => Self {
                version: Version::V1,
                hierarchies: first,
                unified: second.map(|(mountpoint, _)| mountpoint),
            },
        }
    }

    /// Whether limits of `controller` have an effect here.
    #[must_use]
    pub fn has_controller(&self, controller: &str) -> bool {
        match self.version {
            Version::V1 => self.hierarchies.iter().any(|tree| tree.has(controller)),
            Version::V2 => self.hierarchies.first().is_some_and(|tree| {
                let listed =
                    fs::read_to_string(tree.mountpoint.join("cgroup.controllers")).unwrap_or_default();
                listed.split_ascii_whitespace().any(|name| name == controller)
            }),
        }
    }
}

/// Type, mount point, root and super block options of a line.
fn parse_line(line: &str) -> Option<(&str, PathBuf, PathBuf, &str)> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut places = mount.split(' ').skip(3).map(|place| PathBuf::from(unescape(place)));
    let (root, mountpoint) = (places.next()?, places.next()?);
    let mut fields = filesystem.split(' ');
    let kind = fields.next()?;
    Some((kind, mountpoint, root, fields.nth(1).unwrap_or_default()))
}

/// Options of a v1 super block that are not controllers.
fn is_controller(option: &str) -> bool {
    let known = [
        "rw",
        "ro",
        "xattr",
        "noprefix",
        "clone_children",
        "cpuset_v2_mode",
        "favordynmods",
        "nofavordynmods",
    ];
    !option.is_empty() && !known.contains(&option) && !option.starts_with("release_agent=")
}

/// Undoes the octal escapes of blanks in mount tables.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:3 - cgroup cgroup rw,cpu,cpuacct
36 31 0:33 / /sys/fs/cgroup/devices rw,relatime - cgroup cgroup rw,devices
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
42 31 0:33 / /other\\040place rw,relatime - cgroup cgroup rw,devices
";

    #[test]
    fn a_hybrid_host_uses_v1_and_knows_the_unified_tree() {
        let layout = Layout::from_mountinfo(HYBRID);
        assert_eq!(layout.version, Version::V1);
        let names: Vec<_> = layout.hierarchies.iter().map(|tree| tree.controllers.join("+")).collect();
        assert_eq!(names, ["cpu+cpuacct", "devices", "name=systemd"]);
        assert_eq!(layout.unified.as_deref(), Some(Path::new("/sys/fs/cgroup/unified")));
        assert!(layout.has_controller("cpuacct") && !layout.has_controller("memory"));
    }

    #[test]
    fn a_unified_host_is_v2_even_beside_a_named_v1_tree() {
        let text = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n\
                    40 31 0:37 / /mnt/systemd rw - cgroup cgroup rw,name=systemd\n";
        let layout = Layout::from_mountinfo(text);
        assert_eq!(layout.version, Version::V2);
        assert_eq!(layout.hierarchies[0].mountpoint, Path::new("/sys/fs/cgroup"));
    }

    #[test]
    fn a_host_without_groups_has_no_trees() {
        let layout = Layout::from_mountinfo("garbage\n22 27 0:21 / /proc rw - proc proc rw\n");
        assert_eq!((layout.version, layout.hierarchies.len()), (Version::V1, 0));
    }
}
