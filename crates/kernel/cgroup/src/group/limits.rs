//! Writing limits, and changing those of a group that is in use.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use oci_spec::runtime::{Memory, Resources};
use rustix::io::Errno;

use super::{FreezeState, Group};
use crate::check::check;
use crate::devices::DevicePolicy;
use crate::error::CgroupError;
use crate::layout::Version;
use crate::plan::{Write, writes};
use crate::systemd;

impl Group {
    /// Changes the limits that `resources` names; those it leaves out stay, and so does access to devices.
    ///
    /// # Errors
    /// The first file that failed, in runc's words where it has some; limits written before stay changed.
    pub fn update(&self, resources: &Resources) -> Result<(), CgroupError> {
        check(self.version, resources)?;
        if let (Version::V2, Some(memory)) = (self.version, &resources.memory) {
            self.ensure_above_usage(memory)?;
        }
        let complete = self.complete(resources);
        let resources = &complete;
        let rounded;
        let (resources, policy) = match &self.unit {
            Some(unit) => {
                rounded = systemd::rounded(resources);
                self.update_unit(unit, &rounded)?;
                // systemd has just written its own idea of the devices.
                let policy = DevicePolicy::from_rules(&resources.devices)?;
                (&rounded, Some(policy).filter(|_| !resources.devices.is_empty()))
            }
            None => (resources, None),
        };
        for view in &self.views {
            let writes = writes(self.version, &view.controllers, resources, policy.as_ref())?;
            write_all(self.version, &view.folder, &writes)?;
        }
        Ok(())
    }

    /// Adds what the group has now where one file, or one property, says two things of which only one is to change.
    fn complete(&self, resources: &Resources) -> Resources {
        let mut resources = resources.clone();
        let is_apart = self.version == Version::V1 && self.unit.is_none();
        if let Some(cpu) = resources.cpu.as_mut().filter(|_| !is_apart) {
            let is_given = (cpu.quota.unwrap_or_default() != 0, cpu.period.unwrap_or_default() != 0);
            let now = if is_given.0 == is_given.1 { None } else { self.quota_and_period() };
            match (is_given, now) {
                ((true, false), Some((_, period))) => cpu.period = Some(period),
                ((false, true), Some((quota, _))) => cpu.quota = Some(quota),
                _ => {}
            }
        }
        if let Some(memory) = resources.memory.as_mut().filter(|_| self.version == Version::V2)
            && memory.limit.unwrap_or_default() == 0
            && memory.swap.is_some_and(|swap| swap > 0)
        {
            memory.limit = self.read("memory", "memory.max").and_then(|text| match text.trim() {
                "max" => Some(-1),
                number => number.parse().ok(),
            });
        }
        resources
    }

    /// Microseconds in a period (-1 is unlimited), and its length.
    fn quota_and_period(&self) -> Option<(i64, u64)> {
        let (quota, period) = match self.version {
            Version::V1 => (self.read("cpu", "cpu.cfs_quota_us")?, self.read("cpu", "cpu.cfs_period_us")?),
            Version::V2 => {
                let text = self.read("cpu", "cpu.max")?;
                let (quota, period) = text.split_once(' ')?;
                (quota.to_owned(), period.to_owned())
            }
        };
        let quota = if quota.trim() == "max" { -1 } else { quota.trim().parse().ok()? };
        Some((quota, period.trim().parse().ok()?))
    }

    /// Tells systemd. On v1 it denies all devices for a moment, which nobody must see.
    fn update_unit(&self, unit: &str, resources: &Resources) -> Result<(), CgroupError> {
        let pauses = self.version == Version::V1 && self.freeze_state() == Some(FreezeState::Thawed);
        if pauses {
            self.freeze()?;
        }
        let result = systemd::update(unit, self.version, resources);
        if pauses {
            self.thaw()?;
        }
        result
    }

    /// Refuses a limit that would make the kernel reclaim or kill at once, when the configuration asks for that.
    fn ensure_above_usage(&self, memory: &Memory) -> Result<(), CgroupError> {
        if memory.check_before_update != Some(true) {
            return Ok(());
        }
        // A group whose usage cannot be told takes any limit.
        let Some(usage) = self.memory_usage() else { return Ok(()) };
        for (name, limit) in [("memory+swap", memory.swap), ("memory", memory.limit)] {
            if let Some(limit) = limit.and_then(|limit| u64::try_from(limit).ok()).filter(|limit| *limit > 0)
                && limit <= usage
            {
                let text = format!("rejecting {name} limit {limit} <= usage {usage}");
                return Err(CgroupError::Unsupported(text));
            }
        }
        Ok(())
    }
}

/// Writes in order. What was refused is tried again after the rest: raising memory above the old sum, or lowering a
/// period below the old quota, needs the other order.
pub(super) fn write_all(version: Version, folder: &Path, writes: &[Write]) -> Result<(), CgroupError> {
    let mut refused = Vec::new();
    for write in writes {
        if let Err(error) = write_limit(version, folder, write) {
            refused.push((write, error));
        }
    }
    let is_alone = writes.len() < 2;
    for (write, error) in refused {
        if is_alone || write_limit(version, folder, write).is_err() {
            return Err(in_runcs_words(folder, write, error));
        }
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
            Err(cause)
                if cause.kind() == io::ErrorKind::NotFound
                    && !write.is_unified
                    && is_optional(version, file) => {}
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
    if file.starts_with("hugetlb.") {
        return file.contains(".rsvd.");
    }
    match version {
        Version::V1 => ["memory.memsw.", "memory.kmem.", "memory.swappiness", "cpu.cfs_burst_us", "cpu.rt_"]
            .iter()
            .any(|start| file.starts_with(start)),
        Version::V2 => file.starts_with("memory.swap.") || file.starts_with("io."),
    }
}

fn in_runcs_words(folder: &Path, write: &Write, error: CgroupError) -> CgroupError {
    let CgroupError::Write { value, path, cause } = error else { return error };
    let file = write.files.first().map(String::as_str).unwrap_or_default();
    if write.is_unified {
        let controller = file.split_once('.').map_or(file, |(controller, _)| controller);
        let listed = fs::read_to_string(folder.join("cgroup.controllers")).unwrap_or_default();
        let is_there =
            controller == "cgroup" || listed.split_ascii_whitespace().any(|name| name == controller);
        let is_missing = [io::ErrorKind::NotFound, io::ErrorKind::PermissionDenied].contains(&cause.kind());
        return if is_missing && !is_there {
            CgroupError::NoController { file: file.to_owned(), controller: controller.to_owned() }
        } else {
            CgroupError::Unified { file: file.to_owned(), cause }
        };
    }
    if file == "memory.limit_in_bytes" && Errno::from_io_error(&cause) == Some(Errno::BUSY) {
        let read = |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse().ok();
        if let (Some(usage), Some(peak)) = (read("memory.usage_in_bytes"), read("memory.max_usage_in_bytes"))
        {
            return CgroupError::MemoryInUse { limit: value, usage, peak };
        }
    }
    CgroupError::Write { value, path, cause }
}
