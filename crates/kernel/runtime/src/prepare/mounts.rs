//! Mounts made by the parent, attached by the child: clones of the host's, and what begins as a copy.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use mount::copy::copy_contents;
use mount::path::{self, Links, Target};
use mount::tree::{self, NewFilesystem};
use rustix::fs::{Mode, OFlags, fstat, fstatfs, openat};
use rustix::io::Errno;
use sys::mount::map_ids;

use crate::birth::{make_user_namespace, open_namespace};
use crate::child::{PreparedMount, change_clone};
use crate::error::CreateError;
use crate::plan::{IdSource, MountKind, MountPlan, NamespacePlan};

/// `PROC_SUPER_MAGIC` (linux/magic.h).
const PROCFS: i64 = 0x9fa0;

/// Clones the sources of bind mounts, with their attributes: the child only attaches them. `root` is the root file
/// system.
pub(crate) fn prepare(
    root: BorrowedFd<'_>,
    plan: &MountPlan,
    namespaces: &NamespacePlan,
) -> Result<PreparedMount, CreateError> {
    let failed = |errno| {
        let place = match &plan.kind {
            MountKind::Bind(bind) => bind.source.display().to_string(),
            _ => plan.shown_destination.clone(),
        };
        let what =
            format!("error mounting {:?} to rootfs at {:?}: {place}", plan.source, plan.shown_destination);
        CreateError::step(what, errno)
    };
    match &plan.kind {
        MountKind::Bind(bind) => {
            let namespace = match &bind.ids {
                Some((source, _)) => Some(id_namespace(source, namespaces)?),
                None => None,
            };
            if bind.inside.is_some() {
                return Ok(namespace.map_or(PreparedMount::InChild, PreparedMount::Ids));
            }
            let clone = tree::clone_path(&bind.source, bind.reach).map_err(failed)?;
            let map = |clone: BorrowedFd<'_>, reach| match &namespace {
                Some(namespace) => map_ids(clone, reach, namespace.as_fd()),
                None => Ok(()),
            };
            let target = change_clone(clone.as_fd(), bind, Some(&map));
            let target = target.map_err(failed)?;
            if plan.destination_is("/proc") && fstatfs(&clone).map_err(failed)?.f_type != PROCFS {
                let text = "\"/proc\" cannot be mounted because it is not of type proc";
                return Err(CreateError::Invalid(text.to_owned()));
            }
            Ok(PreparedMount::Clone(clone, target))
        }
        MountKind::New { filesystem, takes_mode, copies_up: true, .. } => {
            match copy_up(root, plan, filesystem, *takes_mode).map_err(failed)? {
                Some(mount) => Ok(PreparedMount::Clone(mount, Target::Folder)),
                None => Ok(PreparedMount::InChild),
            }
        }
        _ => Ok(PreparedMount::InChild),
    }
}

/// A user namespace with the ids of a mount. The container's own is not there yet: one like it serves.
fn id_namespace(source: &IdSource, namespaces: &NamespacePlan) -> Result<OwnedFd, CreateError> {
    match (source, &namespaces.user, &namespaces.ids) {
        (IdSource::Own(maps), ..) | (IdSource::Container, None, Some(maps)) => make_user_namespace(maps),
        (IdSource::Container, Some(path), _) => open_namespace(path),
        (IdSource::Container, None, None) => {
            Err(CreateError::Invalid("an id-mapped mount without a user namespace".to_owned()))
        }
    }
}

/// A file system with a copy of what it will cover; nothing when there is nothing to cover.
fn copy_up(
    root: BorrowedFd<'_>,
    plan: &MountPlan,
    filesystem: &NewFilesystem,
    takes_mode: bool,
) -> Result<Option<OwnedFd>, Errno> {
    let covered = match path::open(root, &plan.destination, OFlags::RDONLY | OFlags::DIRECTORY, Links::Follow)
    {
        Err(Errno::NOENT) => return Ok(None),
        other => other?,
    };
    let mode = format!("{:o}", fstat(&covered)?.st_mode & 0o7777);
    let mode = std::ffi::CString::new(mode).map_err(|_| Errno::INVAL)?;
    let option = takes_mode.then_some((c"mode", mode.as_c_str()));
    let mount = filesystem.mount_with(option)?;
    let folder = openat(&mount, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    copy_contents(covered.as_fd(), folder.as_fd())?;
    Ok(Some(mount))
}
