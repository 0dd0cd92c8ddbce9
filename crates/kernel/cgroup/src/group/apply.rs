//! Making a group from its plan.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::chown;
use std::path::Path;
use std::sync::Arc;

use super::{FreezeState, Group, Reach, collect_pids, devices, limits};
use crate::error::CgroupError;
use crate::layout::Version;
use crate::plan::{GroupPlan, Plan, Write};
use crate::systemd;

impl Plan {
    /// Creates the group and writes its limits; undoes itself on failure. A group left over from before is taken
    /// when it is empty and not frozen.
    ///
    /// # Errors
    /// The first file that failed; [`CgroupError::Busy`] when processes are in it, [`CgroupError::Frozen`].
    pub fn apply(&self) -> Result<Group, CgroupError> {
        let mut group = self.group();
        if let Some(unit) = &self.unit {
            for plan in self.groups.iter().filter(|plan| plan.folder.exists()) {
                ensure_free(&group, &plan.folder)?;
            }
            group.keeper = systemd::start(unit)?.map(Arc::new);
        }
        match self.try_apply(&group) {
            Ok(()) => Ok(group),
            Err(foreign @ (CgroupError::Busy(_) | CgroupError::Frozen)) => Err(foreign),
            Err(error) => {
                // The first failure tells more than one of the cleaning up.
                let _ = group.remove();
                Err(error)
            }
        }
    }

    /// Makes the folder of a hybrid host's unified hierarchy ahead of the others, for a process that is to be born in it;
    /// [`Self::apply`] has to follow. Absent where there is none, and where systemd makes the folders.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make_birthplace(&self) -> Result<Option<OwnedFd>, CgroupError> {
        let is_beside = |plan: &&GroupPlan| self.version == Version::V1 && plan.controllers.is_empty();
        match self.groups.iter().find(is_beside) {
            Some(beside) if self.unit.is_none() => {
                make_folder(beside)?;
                self.group().birthplace()
            }
            _ => Ok(None),
        }
    }

    fn try_apply(&self, group: &Group) -> Result<(), CgroupError> {
        let mut was_there = false;
        for plan in &self.groups {
            // systemd refuses a unit that is there already, and has put its keeper into this one.
            // Who is in the unified one of a hybrid host was born there just now, or is in others, too.
            let is_beside = self.version == Version::V1 && plan.controllers.is_empty();
            if !make_folder(plan)? && self.unit.is_none() && !is_beside {
                ensure_free(group, &plan.folder)?;
                was_there = true;
            }
            if plan.controllers.iter().any(|controller| controller == "cpuset") {
                inherit_cpuset(&plan.mountpoint, &plan.folder)?;
            }
            limits::write_all(self.version, &plan.folder, &plan.writes)?;
        }
        if let (Version::V2, Some(owner), Some(view)) = (self.version, self.owner, group.views.first()) {
            delegate(&view.folder, owner)?;
        }
        if let (Some(program), Some(view)) = (&self.device_filter, group.views.first()) {
            // What is attached to a new folder is systemd's, which looks after it itself.
            devices::attach_filter(&view.folder, program, was_there)?;
        }
        Ok(())
    }
}

/// Gives a group away: the folder, and those of its files that the kernel names for it (cgroups(7), Delegation).
fn delegate(folder: &Path, owner: u32) -> Result<(), CgroupError> {
    let give = |path: &Path| match chown(path, Some(owner), None) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            Err(CgroupError::file("give away", path)(cause))
        }
        _ => Ok(()),
    };
    give(folder)?;
    let known = fs::read_to_string("/sys/kernel/cgroup/delegate");
    let known = known.as_deref().unwrap_or("cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n");
    known.lines().filter(|file| !file.contains('/')).try_for_each(|file| give(&folder.join(file)))
}

/// A group that was there before may be taken if nobody is in it and a process in it would run.
fn ensure_free(group: &Group, folder: &Path) -> Result<(), CgroupError> {
    let mut left_over = Vec::new();
    collect_pids(folder, Reach::Below, &mut left_over)?;
    if !left_over.is_empty() {
        return Err(CgroupError::Busy(left_over.len()));
    }
    match group.freeze_state() {
        None | Some(FreezeState::Thawed) => Ok(()),
        Some(FreezeState::Freezing | FreezeState::Frozen) => Err(CgroupError::Frozen),
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
    let parent_is_ready = plan.enable.is_empty() || has_controllers(parent, &plan.writes);
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

/// Whether some controllers are on for children of a folder, and all those whose files will be written are. systemd
/// leaves off what it has no properties for.
fn has_controllers(folder: &Path, writes: &[Write]) -> bool {
    let list = fs::read_to_string(folder.join("cgroup.subtree_control")).unwrap_or_default();
    let is_on = |wanted: &str| list.split_ascii_whitespace().any(|on| on == wanted);
    let controller =
        |file: &String| file.split_once('.').is_none_or(|(name, _)| name == "cgroup" || is_on(name));
    !list.trim().is_empty() && writes.iter().all(|write| write.files.iter().any(controller))
}

/// Switches a controller on for children (v2). One that the host lacks, or that may not be shared, stays off.
fn enable(folder: &Path, controller: &str) {
    let _ = fs::write(folder.join("cgroup.subtree_control"), format!("+{controller}"));
}

/// A v1 cpuset without CPUs or memory nodes takes no task: copies those of the group above, from the top down.
fn inherit_cpuset(mountpoint: &Path, folder: &Path) -> Result<(), CgroupError> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        inherit(mountpoint, folder, file)?;
    }
    Ok(())
}

fn inherit(mountpoint: &Path, folder: &Path, file: &str) -> Result<String, CgroupError> {
    let own = folder.join(file);
    let value = fs::read_to_string(&own).map_err(CgroupError::file("read", &own))?;
    let Some(parent) = folder.parent().filter(|_| folder != mountpoint && value.trim().is_empty()) else {
        return Ok(value);
    };
    let value = inherit(mountpoint, parent, file)?;
    fs::write(&own, value.trim()).map_err(CgroupError::file("write", &own))?;
    Ok(value)
}
