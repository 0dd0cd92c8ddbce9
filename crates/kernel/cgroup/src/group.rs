//! Groups that exist: made from a plan, entered, frozen, read, emptied, removed.

use std::ffi::CString;
use std::fs;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::error::CgroupError;
use crate::layout::{Layout, Version};
use crate::plan::{GroupPlan, Plan, Write, relative};

/// How long a freeze or a removal may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(2);

/// A group, one folder in every hierarchy; which may exist or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    version: Version,
    views: Vec<View>,
}

/// One folder of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Controllers of the hierarchy (v1).
    pub controllers: Vec<String>,
    /// Where the hierarchy is mounted.
    pub mountpoint: PathBuf,
    /// The folder.
    pub folder: PathBuf,
}

/// How a process enters a group cheaply.
#[derive(Debug)]
pub enum Attach {
    /// v1: the single-threaded child itself writes `0` to each of these files.
    Tasks(Vec<CString>),
    /// v2: the child is born in this folder.
    Born(OwnedFd),
}

impl Plan {
    /// Creates the group and writes its limits; undoes itself on failure. A group left over from before is taken
    /// when it is empty.
    ///
    /// # Errors
    /// The first file that failed; [`CgroupError::Busy`] when processes are in it.
    pub fn apply(&self) -> Result<Group, CgroupError> {
        let group = self.group();
        match self.try_apply(&group) {
            Ok(()) => Ok(group),
            Err(busy @ CgroupError::Busy(_)) => Err(busy),
            Err(error) => {
                // The first failure tells more than one of the cleaning up.
                let _ = group.remove();
                Err(error)
            }
        }
    }

    /// The group that the plan makes.
    #[must_use]
    pub fn group(&self) -> Group {
        let view = |plan: &GroupPlan| View {
            controllers: plan.controllers.clone(),
            mountpoint: plan.mountpoint.clone(),
            folder: plan.folder.clone(),
        };
        Group { version: self.version, views: self.groups.iter().map(view).collect() }
    }

    fn try_apply(&self, group: &Group) -> Result<(), CgroupError> {
        for plan in &self.groups {
            if !make_folder(plan)? {
                let left_over = read_pids(&plan.folder.join("cgroup.procs"))?.len();
                if left_over > 0 {
                    return Err(CgroupError::Busy(left_over));
                }
            }
            if plan.controllers.iter().any(|controller| controller == "cpuset") {
                inherit_cpuset(&plan.mountpoint, &plan.folder)?;
            }
            self.write_limits(plan)?;
        }
        if let (Some(program), Some(view)) = (&self.device_filter, group.views.first()) {
            attach_filter(&view.folder, program)?;
        }
        Ok(())
    }

    fn write_limits(&self, plan: &GroupPlan) -> Result<(), CgroupError> {
        plan.writes.iter().try_for_each(|write| write_limit(self.version, &plan.folder, write))
    }
}

/// Makes the folder, and those above where they are missing. False when it was there.
fn make_folder(plan: &GroupPlan) -> Result<bool, CgroupError> {
    let make = |folder: &Path| match fs::create_dir(folder) {
        Ok(()) => Ok(true),
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(cause) => Err(cause),
    };
    let controllers_on = |folder: &Path| plan.enable.iter().for_each(|name| enable(folder, name));
    let parent = plan.folder.parent().unwrap_or(&plan.mountpoint);
    // Controllers above have to be on before the limits below have files.
    let parent_is_ready = plan.enable.is_empty() || has_controllers(parent);
    if parent_is_ready {
        match make(&plan.folder) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            other => return other.map_err(CgroupError::file("create", &plan.folder)),
        }
    }
    let mut above: Vec<&Path> = parent.ancestors().take_while(|folder| *folder != plan.mountpoint).collect();
    above.reverse();
    controllers_on(&plan.mountpoint);
    for folder in above {
        let is_new = make(folder).map_err(CgroupError::file("create", folder))?;
        if is_new && plan.controllers.iter().any(|controller| controller == "cpuset") {
            inherit_cpuset(&plan.mountpoint, folder)?;
            // From now on the kernel copies CPUs and nodes into new children itself.
            let _ = fs::write(folder.join("cgroup.clone_children"), "1");
        }
        controllers_on(folder);
    }
    make(&plan.folder).map_err(CgroupError::file("create", &plan.folder))
}

fn has_controllers(folder: &Path) -> bool {
    fs::read_to_string(folder.join("cgroup.subtree_control")).is_ok_and(|list| !list.trim().is_empty())
}

/// Switches a controller on for children (v2). One that the host lacks, or that may not be shared, stays off.
fn enable(folder: &Path, controller: &str) {
    let _ = fs::write(folder.join("cgroup.subtree_control"), format!("+{controller}"));
}

/// A v1 cpuset without CPUs or memory nodes takes no task: copies those of the group above, from the top down.
fn inherit_cpuset(mountpoint: &Path, folder: &Path) -> Result<(), CgroupError> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let own = folder.join(file);
        let read = |path: &Path| fs::read_to_string(path).map_err(CgroupError::file("read", path));
        if !read(&own)?.trim().is_empty() {
            continue;
        }
        let Some(parent) = folder.parent().filter(|_| folder != mountpoint) else { continue };
        inherit_cpuset(mountpoint, parent)?;
        let value = read(&parent.join(file))?;
        fs::write(&own, value.trim()).map_err(CgroupError::file("write", &own))?;
    }
    Ok(())
}

fn write_limit(version: Version, folder: &Path, write: &Write) -> Result<(), CgroupError> {
    let mut result = Ok(());
    for file in &write.files {
        let path = folder.join(file);
        // cgroup files are never created: a missing one is a controller, or a part of one, that the host lacks.
        let written = fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .and_then(|mut open| open.write_all(write.value.as_bytes()));
        match written {
            Ok(()) => return Ok(()),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound && is_optional(version, file) => {}
            Err(cause) => {
                result = Err(CgroupError::Write { value: write.value.clone(), path, cause });
                if write.files.len() == 1 {
                    break;
                }
            }
        }
    }
    result
}

/// Files that a kernel may lack although it has the controller; the limit is then left out, as Docker warns.
fn is_optional(version: Version, file: &str) -> bool {
    match version {
        Version::V1 => ["memory.memsw.", "memory.kmem.", "memory.swappiness", "cpu.cfs_burst_us", "cpu.rt_"]
            .iter()
            .any(|start| file.starts_with(start)),
        Version::V2 => file.starts_with("memory.swap.") || file.starts_with("io."),
    }
}

fn attach_filter(folder: &Path, program: &[sys::bpf::Instruction]) -> Result<(), CgroupError> {
    let attach = || {
        let place = mount_free_open(folder)?;
        let program = sys::bpf::load_device_program(program)?;
        sys::bpf::attach_device_program(place.as_fd(), program.as_fd())
    };
    attach().map_err(|cause: Errno| CgroupError::DeviceFilter { path: folder.to_owned(), cause })
}

fn mount_free_open(folder: &Path) -> Result<OwnedFd, Errno> {
    use rustix::fs::{Mode, OFlags, open};
    open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
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
        Ok(Self { version: layout.version, views: views.collect() })
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

    /// How a process enters it.
    ///
    /// # Errors
    /// When the folder (v2) cannot be opened.
    pub fn attach(&self) -> Result<Attach, CgroupError> {
        match (self.version, self.views.first()) {
            (Version::V2, Some(view)) => mount_free_open(&view.folder)
                .map(Attach::Born)
                .map_err(|errno| CgroupError::file("open", &view.folder)(errno.into())),
            _ => {
                let file = |view: &View| CString::new(view.folder.join("tasks").as_os_str().as_bytes()).ok();
                Ok(Attach::Tasks(self.views.iter().filter_map(file).collect()))
            }
        }
    }

    /// The folder with a controller (v1), or the one folder (v2).
    fn folder(&self, controller: &str) -> Option<&Path> {
        let own = |view: &&View| {
            self.version == Version::V2 || view.controllers.iter().any(|name| name == controller)
        };
        self.views.iter().find(own).map(|view| view.folder.as_path())
    }

    fn read(&self, controller: &str, file: &str) -> Option<String> {
        fs::read_to_string(self.folder(controller)?.join(file)).ok()
    }

    /// Writes changed limits into the group as it is.
    ///
    /// # Errors
    /// The first file that failed; those before stay changed.
    pub fn update(&self, plan: &Plan) -> Result<(), CgroupError> {
        for group in &plan.groups {
            let mut failed = Vec::new();
            for write in &group.writes {
                if let Err(error) = write_limit(self.version, &group.folder, write) {
                    failed.push((write, error));
                }
            }
            // Raising memory above the old sum, or lowering it below, needs the other order: once more.
            for (write, error) in failed {
                write_limit(self.version, &group.folder, write).map_err(|_| error)?;
            }
        }
        Ok(())
    }

    /// Stops every task of the group; returns when all are stopped.
    ///
    /// # Errors
    /// When the host has no freezer or it does not settle in time; the tasks then go on.
    pub fn freeze(&self) -> Result<(), CgroupError> {
        self.set_frozen(true)?;
        let deadline = Instant::now() + PATIENCE;
        while !self.is_frozen() {
            if Instant::now() > deadline {
                let _ = self.thaw();
                return Err(CgroupError::Freeze(self.folder("freezer").unwrap_or(Path::new("")).to_owned()));
            }
            std::thread::sleep(Duration::from_millis(1));
            if self.version == Version::V1 {
                // Tasks forked meanwhile may have been missed: ask again.
                self.set_frozen(true)?;
            }
        }
        Ok(())
    }

    /// Lets the tasks go on.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn thaw(&self) -> Result<(), CgroupError> {
        self.set_frozen(false)
    }

    /// Whether all tasks are stopped.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        match self.version {
            Version::V1 => {
                self.read("freezer", "freezer.state").is_some_and(|state| state.trim() == "FROZEN")
            }
            Version::V2 => {
                self.read("", "cgroup.events").is_some_and(|text| find_number(&text, "frozen") == Some(1))
            }
        }
    }

    fn set_frozen(&self, frozen: bool) -> Result<(), CgroupError> {
        let (file, value) = match (self.version, frozen) {
            (Version::V1, true) => ("freezer.state", "FROZEN"),
            (Version::V1, false) => ("freezer.state", "THAWED"),
            (Version::V2, true) => ("cgroup.freeze", "1"),
            (Version::V2, false) => ("cgroup.freeze", "0"),
        };
        let folder = self
            .folder("freezer")
            .ok_or_else(|| CgroupError::Unsupported("this host has no freezer cgroup".to_owned()))?;
        write_limit(self.version, folder, &Write::new(file, value))
    }

    /// The processes in the group and below, in ascending order.
    ///
    /// # Errors
    /// When the list cannot be read; a group that does not exist has none.
    pub fn pids(&self) -> Result<Vec<u32>, CgroupError> {
        let folder = ["pids", "devices", "memory", "freezer"].iter().find_map(|name| self.folder(name));
        let Some(folder) = folder.or(self.views.first().map(|view| view.folder.as_path())) else {
            return Ok(Vec::new());
        };
        let mut pids = Vec::new();
        collect_pids(folder, &mut pids)?;
        pids.sort_unstable();
        pids.dedup();
        Ok(pids)
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

    /// Kills every process in the group. They may still be there for a moment.
    ///
    /// # Errors
    /// When processes cannot be listed.
    pub fn kill_all(&self) -> Result<(), CgroupError> {
        if self.version == Version::V2
            && let Some(view) = self.views.first()
            && write_limit(self.version, &view.folder, &Write::new("cgroup.kill", "1")).is_ok()
        {
            return Ok(());
        }
        // Frozen processes cannot fork away from the list.
        let is_frozen = self.freeze().is_ok();
        let pids = self.pids();
        for pid in pids.iter().flatten() {
            let _ = sys::process::signal_pid(*pid, 9);
        }
        if is_frozen {
            self.thaw()?;
        }
        pids.map(drop)
    }

    /// Removes the group and its children; one that does not exist is fine. The rest of dying processes is waited for.
    ///
    /// # Errors
    /// What stays busy.
    pub fn remove(&self) -> Result<(), CgroupError> {
        let mut result = Ok(());
        for view in &self.views {
            if let Err(cause) = remove_folder(&view.folder) {
                result = Err(CgroupError::file("remove", &view.folder)(cause));
            }
        }
        result
    }
}

fn remove_folder(folder: &Path) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_micros(200);
    loop {
        match fs::remove_dir(folder) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(cause) if cause.kind() == io::ErrorKind::ResourceBusy && Instant::now() < deadline => {
                for child in children(folder) {
                    remove_folder(&child)?;
                }
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(20));
            }
            other => return other,
        }
    }
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

fn collect_pids(folder: &Path, pids: &mut Vec<u32>) -> Result<(), CgroupError> {
    pids.extend(read_pids(&folder.join("cgroup.procs"))?);
    children(folder).iter().try_for_each(|child| collect_pids(child, pids))
}

fn read_pids(path: &Path) -> Result<Vec<u32>, CgroupError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().filter_map(|line| line.parse().ok()).collect()),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(cause) => Err(CgroupError::file("read", path)(cause)),
    }
}

/// The number behind a word at the beginning of a line.
fn find_number(text: &str, word: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(word)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_whole_words() {
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!(find_number(text, "oom_kill"), Some(3));
        assert_eq!(find_number(text, "oom"), None);
    }
}
