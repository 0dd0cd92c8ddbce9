//! Groups that exist, or may: where their folders are, who is in them.

mod apply;
mod devices;
mod freeze;
mod kill;
mod limits;
mod remove;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::error::CgroupError;
use crate::layout::{Layout, Version};
use crate::plan::{GroupPlan, Plan, relative};
use crate::systemd::Keeper;

pub use freeze::FreezeState;

/// A group, one folder in every hierarchy; which may exist or not.
///
/// It can be written down and read again by another process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Group {
    version: Version,
    views: Vec<View>,
    /// Its unit, where systemd manages it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    /// The process that keeps the unit alive until another one is in it.
    #[serde(skip)]
    keeper: Option<Arc<Keeper>>,
}

impl PartialEq for Group {
    fn eq(&self, other: &Self) -> bool {
        (self.version, &self.views, &self.unit) == (other.version, &other.views, &other.unit)
    }
}

impl Eq for Group {}

/// One folder of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Controllers of the hierarchy (v1); empty for the unified one.
    pub controllers: Vec<String>,
    /// Where the hierarchy is mounted.
    pub mountpoint: PathBuf,
    /// The folder.
    pub folder: PathBuf,
}

/// Which processes of a group are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Those in the group itself.
    Own,
    /// Those in groups below as well.
    Below,
}

impl Plan {
    /// The group that the plan makes.
    #[must_use]
    pub fn group(&self) -> Group {
        let view = |plan: &GroupPlan| View {
            controllers: plan.controllers.clone(),
            mountpoint: plan.mountpoint.clone(),
            folder: plan.folder.clone(),
        };
        Group {
            version: self.version,
            views: self.groups.iter().map(view).collect(),
            unit: self.unit.as_ref().map(|unit| unit.name.clone()),
            keeper: None,
        }
    }
}

impl Group {
    /// The group at `path`, which may exist or not.
    ///
    /// # Errors
    /// [`CgroupError::Unsupported`] for a path that leads upwards.
    pub fn at(layout: &Layout, path: &Path) -> Result<Self, CgroupError> {
        let relative = relative(path)?;
        let views = layout.hierarchies.iter().map(|tree| View {
            controllers: tree.controllers.clone(),
            mountpoint: tree.mountpoint.clone(),
            folder: tree.mountpoint.join(&relative),
        });
        Ok(Self { version: layout.version, views: views.collect(), unit: None, keeper: None })
    }

    /// The group whose folders are known by controller, as [`Group::paths`] gives them.
    ///
    /// # Errors
    /// [`CgroupError::Unsupported`] for a folder that lies in no hierarchy of the host.
    pub fn from_paths(layout: &Layout, paths: &BTreeMap<String, PathBuf>) -> Result<Self, CgroupError> {
        let mut views = Vec::<View>::new();
        for (controller, folder) in paths {
            if let Some(view) = views.iter_mut().find(|view| view.folder == *folder) {
                view.controllers.push(controller.clone());
                continue;
            }
            let trees = layout.hierarchies.iter().map(|tree| &tree.mountpoint).chain(&layout.unified);
            let is_inside = |mountpoint: &&PathBuf| {
                folder.strip_prefix(mountpoint).is_ok_and(|inside| relative(inside).is_ok())
            };
            let mountpoint = trees.into_iter().find(is_inside).ok_or_else(|| {
                CgroupError::Unsupported(format!("invalid cgroup path {}", folder.display()))
            })?;
            let controllers = Some(controller.clone()).filter(|name| !name.is_empty());
            views.push(View {
                controllers: controllers.into_iter().collect(),
                mountpoint: mountpoint.clone(),
                folder: folder.clone(),
            });
        }
        Ok(Self { version: layout.version, views, unit: None, keeper: None })
    }

    /// Its folders by controller; the unified hierarchy's name is empty. What runc calls `cgroup_paths`.
    #[must_use]
    pub fn paths(&self) -> BTreeMap<String, PathBuf> {
        let mut paths = BTreeMap::new();
        for view in &self.views {
            for controller in &view.controllers {
                paths.insert(controller.clone(), view.folder.clone());
            }
            if view.controllers.is_empty() {
                paths.insert(String::new(), view.folder.clone());
            }
        }
        paths
    }

    /// Which kind of hierarchy it is in.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Its folders.
    #[must_use]
    pub fn views(&self) -> &[View] {
        &self.views
    }

    /// The same group, managed by systemd as `unit`.
    #[must_use]
    pub fn with_unit(self, unit: impl Into<String>) -> Self {
        Self { unit: Some(unit.into()), ..self }
    }

    /// A group below this one, which has to exist: `paths` by controller, or under the empty name for all hierarchies.
    /// Hierarchies that are not named stay with this group.
    ///
    /// # Errors
    /// [`CgroupError::Unsupported`] for a path that leads out, an unknown controller, or a folder that is not there.
    pub fn below(&self, paths: &BTreeMap<String, PathBuf>) -> Result<Self, CgroupError> {
        let refuse = |text: String| Err(CgroupError::Unsupported(text));
        let mut below = self.clone();
        for (controller, path) in paths {
            let leads_out = path.components().any(|part| matches!(part, Component::ParentDir));
            if leads_out {
                return refuse(format!("bad sub cgroup path: {} is not a sub cgroup path", path.display()));
            }
            let path = path.strip_prefix("/").unwrap_or(path);
            let is_meant = |view: &&mut View| controller.is_empty() || view.controllers.contains(controller);
            let mut meant = below.views.iter_mut().filter(is_meant).peekable();
            if meant.peek().is_none() {
                return refuse(format!("unknown controller {controller} in sub cgroup paths"));
            }
            for view in meant {
                // Controllers that share a hierarchy name the same folder again.
                let start = self.views.iter().find(|own| own.controllers == view.controllers);
                view.folder = start.map_or(&view.folder, |own| &own.folder).join(path);
                if !view.folder.is_dir() {
                    return refuse(format!(
                        "error adding pid {} to cgroups: open {}/cgroup.procs: no such file or directory",
                        std::process::id(),
                        view.folder.display()
                    ));
                }
            }
        }
        Ok(below)
    }

    /// The group that another process may enter beside `init`. A group of v2 that hands controllers down takes no
    /// processes itself any more; then it is the one that `init` has moved to.
    #[must_use]
    pub fn beside(self, init: u32) -> Self {
        if self.version == Version::V1 {
            return self;
        }
        // These leave the processes where they are.
        let is_threaded = |name: &str| ["cpu", "cpuset", "pids", "perf_event"].contains(&name);
        let handed_down = self.read("", "cgroup.subtree_control").unwrap_or_default();
        if handed_down.split_ascii_whitespace().all(is_threaded) {
            return self;
        }
        let text = fs::read_to_string(format!("/proc/{init}/cgroup")).unwrap_or_default();
        let path = text
            .lines()
            .find_map(|line| line.strip_prefix("0::"))
            .and_then(|path| relative(Path::new(path)).ok());
        let mut beside = self;
        if let (Some(path), Some(view)) = (path, beside.views.first_mut()) {
            view.folder = view.mountpoint.join(path);
        }
        beside
    }

    /// Its unit, where systemd manages it.
    #[must_use]
    pub fn unit(&self) -> Option<&str> {
        self.unit.as_deref()
    }

    /// Says that the container's process has entered. A unit that was started for it no longer needs to be kept.
    pub fn settle(&mut self) {
        self.keeper = None;
    }

    /// Whether it is there, be it in one hierarchy only.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.views.iter().any(|view| view.folder.exists())
    }

    /// Where a process is born that shall be in it (`CLONE_INTO_CGROUP`): the folder on v2, that of the unified hierarchy
    /// on a hybrid host; absent on plain v1.
    ///
    /// # Errors
    /// When the folder cannot be opened.
    pub fn birthplace(&self) -> Result<Option<OwnedFd>, CgroupError> {
        let folder = self.unified_folder();
        folder
            .map(|folder| {
                open_folder(folder).map_err(|errno| CgroupError::file("open", folder)(errno.into()))
            })
            .transpose()
    }

    /// The `tasks` files of v1: the single-threaded child itself writes `0` to each.
    #[must_use]
    pub fn tasks(&self) -> Vec<CString> {
        let views =
            self.views.iter().filter(|view| self.version == Version::V1 && !view.controllers.is_empty());
        views.filter_map(|view| CString::new(view.folder.join("tasks").as_os_str().as_bytes()).ok()).collect()
    }

    /// Moves a process into the folder of its unified hierarchy, where it could not be born there. Waits for a grace
    /// period of the kernel.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub fn enter_unified(&self, pid: u32) -> Result<(), CgroupError> {
        let Some(procs) = self.unified_folder().map(|folder| folder.join("cgroup.procs")) else {
            return Ok(());
        };
        fs::write(&procs, pid.to_string()).map_err(CgroupError::file("write", &procs))
    }

    /// The processes in the group and below, in ascending order.
    ///
    /// # Errors
    /// When the list cannot be read; a group that does not exist has none.
    pub fn pids(&self) -> Result<Vec<u32>, CgroupError> {
        self.pids_in(Reach::Below)
    }

    /// The processes within `reach`, in ascending order.
    ///
    /// # Errors
    /// When the list cannot be read; a group that does not exist has none.
    pub fn pids_in(&self, reach: Reach) -> Result<Vec<u32>, CgroupError> {
        let folder = ["pids", "devices", "memory", "freezer"].iter().find_map(|name| self.folder(name));
        let Some(folder) = folder.or(self.views.first().map(|view| view.folder.as_path())) else {
            return Ok(Vec::new());
        };
        let mut pids = Vec::new();
        collect_pids(folder, reach, &mut pids)?;
        pids.sort_unstable();
        pids.dedup();
        Ok(pids)
    }

    /// The folder with a controller (v1), or the one folder (v2).
    pub(crate) fn folder(&self, controller: &str) -> Option<&Path> {
        let own = |view: &&View| {
            self.version == Version::V2 || view.controllers.iter().any(|name| name == controller)
        };
        self.views.iter().find(own).map(|view| view.folder.as_path())
    }

    /// The folder in the unified hierarchy: the one on v2, and the one that a hybrid host has beside the others.
    pub(crate) fn unified_folder(&self) -> Option<&Path> {
        self.views.iter().find(|view| view.controllers.is_empty()).map(|view| view.folder.as_path())
    }

    pub(crate) fn read(&self, controller: &str, file: &str) -> Option<String> {
        fs::read_to_string(self.folder(controller)?.join(file)).ok()
    }

    /// Bytes in use; absent without a memory controller.
    #[must_use]
    pub fn memory_usage(&self) -> Option<u64> {
        let file = match self.version {
            Version::V1 => "memory.usage_in_bytes",
            Version::V2 => "memory.current",
        };
        self.read("memory", file)?.trim().parse().ok()
    }

    /// How often the kernel killed a task for lack of memory; absent without a memory controller.
    #[must_use]
    pub fn oom_kills(&self) -> Option<u64> {
        let file = match self.version {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        };
        find_number(&self.read("memory", file)?, "oom_kill")
    }
}

fn open_folder(folder: &Path) -> Result<OwnedFd, Errno> {
    use rustix::fs::{Mode, OFlags, open};
    open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

fn collect_pids(folder: &Path, reach: Reach, pids: &mut Vec<u32>) -> Result<(), CgroupError> {
    pids.extend(read_pids(&folder.join("cgroup.procs"))?);
    if reach == Reach::Below {
        children(folder).iter().try_for_each(|child| collect_pids(child, reach, pids))?;
    }
    Ok(())
}

fn read_pids(path: &Path) -> Result<Vec<u32>, CgroupError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().filter_map(|line| line.parse().ok()).collect()),
        // It may go away at any moment.
        Err(cause) if is_gone(&cause) => Ok(Vec::new()),
        // A threaded group lists threads only; its processes are those of the group above.
        Err(cause) if Errno::from_io_error(&cause) == Some(Errno::OPNOTSUPP) => Ok(Vec::new()),
        Err(cause) => Err(CgroupError::file("read", path)(cause)),
    }
}

/// Whether a folder or file was removed, before it was opened or afterwards.
fn is_gone(cause: &io::Error) -> bool {
    cause.kind() == io::ErrorKind::NotFound || Errno::from_io_error(cause) == Some(Errno::NODEV)
}

/// The number behind a word at the beginning of a line.
pub(crate) fn find_number(text: &str, word: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(word)?.strip_prefix(' ')?.trim().parse().ok())
}
