//! The root file system: where it comes from, and where the host sees it, if at all.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use mount::tree;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sys::mount::{AttributeChange, Propagation, Reach, change_attributes};

use crate::error::CreateError;
use crate::plan::ContainerPlan;

/// Where the root file system comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rootfs {
    /// A folder of the host.
    Path(PathBuf),
    /// An overlay, mounted detached: the host never sees it.
    Overlay(mount::Overlay),
}

impl Rootfs {
    /// The folder, if it is one of the host.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => Some(path),
            Self::Overlay(_) => None,
        }
    }

    /// Mounts it, attached nowhere.
    ///
    /// # Errors
    /// [`CreateError::Overlay`], or a step for a folder that cannot be cloned.
    pub fn mount(&self) -> Result<OwnedFd, CreateError> {
        self.mount_with(Propagation::Private)
    }

    /// The same, to become a slave where that is wanted: it hears of the host's mounts only when it was never private.
    pub(crate) fn mount_with(&self, wanted: Propagation) -> Result<OwnedFd, CreateError> {
        let propagation = match wanted {
            Propagation::Slave => Propagation::Slave,
            // Nothing else can be pivoted into.
            Propagation::Private | Propagation::Shared | Propagation::Unbindable => Propagation::Private,
        };
        match self {
            Self::Overlay(overlay) => Ok(overlay.mount()?),
            Self::Path(path) => {
                let failed =
                    |errno| CreateError::step(format!("error preparing rootfs {}", path.display()), errno);
                let clone = tree::clone_path(path, Reach::Tree).map_err(failed)?;
                let change = AttributeChange { propagation: Some(propagation), ..AttributeChange::default() };
                change_attributes(clone.as_fd(), Reach::Tree, change).map_err(failed)?;
                Ok(clone)
            }
        }
    }
}

/// Hooks find the root file system at its place in the container's mount namespace; and in the host's, nothing may be
/// covered by it.
pub(crate) fn root_place(
    rootfs: &Rootfs,
    has_hooks: bool,
    plan: &ContainerPlan,
) -> Result<Option<CString>, CreateError> {
    match (rootfs, has_hooks, plan.namespaces.has_mounts) {
        (Rootfs::Path(path), true, _) | (Rootfs::Path(path), _, false) => {
            Ok(Some(CString::new(path.as_os_str().as_bytes())?))
        }
        (_, _, true) => Ok(None),
        (Rootfs::Overlay(_), _, false) => {
            Err(CreateError::Invalid("an overlay without a mount namespace is not supported".to_owned()))
        }
    }
}

/// Where the host has procfs and sysfs. A root that stays covered must not keep them: a process in a user namespace may
/// mount a procfs of its own wherever one without masks is, even out of sight.
pub(crate) fn covered(plan: &ContainerPlan) -> Result<Vec<CString>, CreateError> {
    if plan.asks_private_root {
        let text = "rootfsPropagation of [r]private is not safe without pivot_root";
        return Err(CreateError::Invalid(text.to_owned()));
    }
    let text = std::fs::read("/proc/self/mountinfo").map_err(|cause| {
        let errno = Errno::from_io_error(&cause).unwrap_or(Errno::IO);
        CreateError::step("error reading the host's mounts", errno)
    })?;
    let lines = text.split(|byte| *byte == b'\n');
    let mut places = lines.filter_map(bare_kernel_mount).collect::<Vec<_>>();
    // What lies in others goes first.
    places.reverse();
    Ok(places)
}

/// The place of a procfs or sysfs, from a line of `proc_pid_mountinfo(5)`.
fn bare_kernel_mount(line: &[u8]) -> Option<CString> {
    let line = String::from_utf8_lossy(line);
    let (mount, filesystem) = line.split_once(" - ")?;
    if !matches!(filesystem.split(' ').next(), Some("proc" | "sysfs")) {
        return None;
    }
    let place = mount.split(' ').nth(4)?;
    // The kernel writes these four so.
    let place =
        place.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\");
    CString::new(place).ok()
}

/// The root file system where the host sees it, and the id of its mount; unmounted unless the container came to be.
pub(crate) struct HostMount(Option<(CString, u64)>);

impl HostMount {
    pub(crate) fn new(place: &Option<CString>, root: BorrowedFd<'_>, plan: &ContainerPlan) -> Self {
        let is_seen = !plan.namespaces.has_mounts;
        Self(place.as_ref().filter(|_| is_seen).and_then(|place| Some((place.clone(), mount_id(root, c"")?))))
    }
}

impl HostMount {
    /// The container has come to be.
    pub(crate) fn keep(&mut self) {
        self.0 = None;
    }
}

impl Drop for HostMount {
    fn drop(&mut self) {
        let Some((place, id)) = &self.0 else { return };
        // Something of the host's may have been there before.
        if mount_id(rustix::fs::CWD, place) == Some(*id) {
            let _ = rustix::mount::unmount(place.as_c_str(), rustix::mount::UnmountFlags::DETACH);
        }
    }
}

fn mount_id(folder: BorrowedFd<'_>, path: &CStr) -> Option<u64> {
    use rustix::fs::{AtFlags, StatxFlags, statx};
    let stat = statx(folder, path, AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).ok()?;
    Some(stat.stx_mnt_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn procfs_and_sysfs_are_found_by_their_kind() {
        let place = |line: &str| bare_kernel_mount(line.as_bytes());
        assert_eq!(place("22 1 0:21 / /proc rw,nosuid shared:5 - proc proc rw"), Some(c"/proc".to_owned()));
        assert_eq!(place("22 1 0:21 / /a\\040b rw - sysfs sysfs rw"), Some(c"/a b".to_owned()));
        assert_eq!(place("22 1 0:21 / /proc/fs rw - nfsd proc rw"), None);
        assert_eq!(place("nonsense"), None);
    }
}
