//! The container's view of its control groups.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use mount::path::{self, Links};
use mount::tree::{self, NewFilesystem};
use rustix::fs::{Mode, OFlags, mkdirat, openat, symlinkat};
use rustix::io::Errno;
use sys::mount::{AttributeChange, NO_DEVICES, NO_EXEC, NO_SUID, READ_ONLY, Reach, change_attributes};

use super::ContainerChild;
use super::rootfs::read_only;
use crate::plan::MountPlan;

/// One hierarchy as the container shall see it.
#[derive(Debug)]
pub(crate) struct CgroupView {
    /// Its folder below `/sys/fs/cgroup`; absent for v2, which is mounted there itself.
    pub(crate) name: Option<CString>,
    /// Names of single controllers that lead to it.
    pub(crate) links: Vec<CString>,
    /// The container's group, as the host names it: shown when the container has no cgroup namespace (v1).
    pub(crate) folder: CString,
    /// How to mount the hierarchy anew, rooted at the container's group by its namespace.
    pub(crate) filesystem: NewFilesystem,
}

/// `/sys/fs/cgroup`: on v1 a tmpfs with a folder per hierarchy, on v2 the hierarchy itself.
pub(super) fn mount_cgroup(
    child: &ContainerChild<'_>,
    plan: &MountPlan,
    attributes: u64,
    target: BorrowedFd<'_>,
) -> Result<(), Errno> {
    let root = child.root.as_fd();
    if let [CgroupView { name: None, filesystem, folder, .. }] = child.cgroup_views.as_slice() {
        let mount = match filesystem.mount() {
            // A user namespace may not mount it anew without a cgroup namespace of its own.
            Err(Errno::PERM | Errno::BUSY) => {
                let is_own = child.plan.namespaces.has_own_cgroup;
                bind(if is_own { folder } else { c"/sys/fs/cgroup" }, attributes)?
            }
            mounted => mounted?,
        };
        return tree::attach(mount.as_fd(), target);
    }
    let mount = tree::mount_simple(c"tmpfs", (c"mode", c"755"), NO_SUID | NO_DEVICES | NO_EXEC)?;
    tree::attach(mount.as_fd(), target)?;
    for view in &child.cgroup_views {
        let Some(name) = &view.name else { continue };
        mkdirat(&mount, name.as_c_str(), Mode::from_raw_mode(0o755))?;
        let place = openat(&mount, name.as_c_str(), OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let hierarchy = if child.plan.namespaces.has_own_cgroup {
            view.filesystem.mount()?
        } else {
            bind(&view.folder, attributes)?
        };
        tree::attach(hierarchy.as_fd(), place.as_fd())?;
        for link in &view.links {
            symlinkat(name.as_c_str(), &mount, link.as_c_str())?;
        }
    }
    if attributes & READ_ONLY != 0 {
        let mounted = path::open(root, &plan.destination, OFlags::PATH, Links::Follow)?;
        change_attributes(mounted.as_fd(), Reach::One, read_only())?;
    }
    Ok(())
}

/// A part of the host's hierarchy as it is.
fn bind(folder: &CStr, attributes: u64) -> Result<OwnedFd, Errno> {
    let own = tree::clone_cstr(folder, Reach::One)?;
    let change = AttributeChange { set: attributes, ..AttributeChange::default() };
    change_attributes(own.as_fd(), Reach::One, change)?;
    Ok(own)
}
