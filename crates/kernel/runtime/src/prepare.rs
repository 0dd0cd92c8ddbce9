//! What the parent prepares before it has a child: clones of mounts and devices, views of control groups.

mod mounts;

use std::ffi::{CString, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use cgroup::{Group, Version};
use mount::tree::{self, NewFilesystem};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use sys::mount::Reach;

use crate::child::CgroupView;
use crate::error::CreateError;
use crate::plan::{ContainerPlan, DevicePlan, MountKind, text};

pub(crate) use mounts::prepare;

/// Clones the host's devices for a user namespace, where nobody can make them.
pub(crate) fn devices(plan: &ContainerPlan) -> Result<Vec<OwnedFd>, CreateError> {
    let Some(devices) = plan.devices.as_ref().filter(|_| plan.namespaces.has_user()) else {
        return Ok(Vec::new());
    };
    let clone = |device: &DevicePlan| {
        let failed =
            |errno| CreateError::step(format!("error creating device nodes: {}", device.path), errno);
        let clone = tree::clone_path(Path::new(&device.path), Reach::One).map_err(failed)?;
        let stat = fstat(&clone).map_err(failed)?;
        let is_same = FileType::from_raw_mode(stat.st_mode) == device.kind && stat.st_rdev == device.number;
        is_same.then_some(clone).ok_or_else(|| failed(Errno::NODEV))
    };
    devices.iter().map(clone).collect()
}

/// How the container sees its groups, if a mount asks for that.
pub(crate) fn views(group: &Group, plan: &ContainerPlan) -> Result<Vec<CgroupView>, CreateError> {
    let attributes = plan.mounts.iter().find_map(|mount| match mount.kind {
        MountKind::Cgroup { attributes } => Some(attributes),
        _ => None,
    });
    let Some(attributes) = attributes else { return Ok(Vec::new()) };
    let cstring = |bytes: &OsStr| CString::new(bytes.as_bytes()).map_err(CreateError::from);
    let view = |view: &cgroup::View| {
        let name = view.mountpoint.file_name().unwrap_or_default();
        let is_v2 = group.version() == Version::V2;
        let aliases = view.controllers.iter().map(OsStr::new).filter(|alias| *alias != name);
        let is_shared = view.controllers.len() > 1;
        let option = |controller: &String| match controller.split_once('=') {
            Some((name, value)) => Ok((text(name)?, Some(text(value)?))),
            None => Ok((text(controller)?, None)),
        };
        Ok(CgroupView {
            name: if is_v2 { None } else { Some(cstring(name)?) },
            links: aliases.filter(|_| is_shared).map(cstring).collect::<Result<_, CreateError>>()?,
            folder: cstring(view.folder.as_os_str())?,
            filesystem: NewFilesystem {
                kind: text(if view.controllers.is_empty() { "cgroup2" } else { "cgroup" })?,
                source: Some(text("cgroup")?),
                options: view.controllers.iter().map(option).collect::<Result<_, CreateError>>()?,
                attributes,
            },
        })
    };
    group.views().iter().map(view).collect()
}

/// A group that was made, and is removed unless it is kept. Declared before the child's ward, it goes after the child.
#[derive(Debug)]
pub(crate) struct GroupGuard(pub(crate) Option<Group>);

impl GroupGuard {
    pub(crate) fn keep(mut self) -> Option<Group> {
        self.0.take()
    }
}

impl Drop for GroupGuard {
    fn drop(&mut self) {
        if let Some(group) = &self.0 {
            let _ = group.remove();
        }
    }
}
