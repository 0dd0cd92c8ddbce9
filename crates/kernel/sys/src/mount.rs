//! What rustix lacks of the new mount API: attributes of whole trees.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

use crate::process::check_long;

/// Read-only (`MOUNT_ATTR_RDONLY`).
pub const READ_ONLY: u64 = 0x1;
/// Ignores set-user-id bits (`MOUNT_ATTR_NOSUID`).
pub const NO_SUID: u64 = 0x2;
/// Devices do not work (`MOUNT_ATTR_NODEV`).
pub const NO_DEVICES: u64 = 0x4;
/// Programs do not run (`MOUNT_ATTR_NOEXEC`).
pub const NO_EXEC: u64 = 0x8;
/// The field of access time modes (`MOUNT_ATTR__ATIME`); zero in it is `relatime`.
pub const ATIME_FIELD: u64 = 0x70;
/// Never updates access times (`MOUNT_ATTR_NOATIME`).
pub const NO_ATIME: u64 = 0x10;
/// Always updates access times (`MOUNT_ATTR_STRICTATIME`).
pub const STRICT_ATIME: u64 = 0x20;
/// Does not update access times of folders (`MOUNT_ATTR_NODIRATIME`).
pub const NO_DIR_ATIME: u64 = 0x80;
/// Does not follow symbolic links (`MOUNT_ATTR_NOSYMFOLLOW`), Linux 5.14.
pub const NO_SYMFOLLOW: u64 = 0x20_0000;

/// How mounts and unmounts pass between copies of a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// Neither way.
    Private,
    /// Both ways.
    Shared,
    /// Into this copy only.
    Slave,
    /// Neither way, and no copies by bind mounts.
    Unbindable,
}

/// A change of mount attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AttributeChange {
    /// Bits to set.
    pub set: u64,
    /// Bits to clear; an access time mode needs the whole [`ATIME_FIELD`] here.
    pub clear: u64,
    /// Propagation to give.
    pub propagation: Option<Propagation>,
}

/// One mount, or it and all below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The one mount.
    One,
    /// The mount and all below it.
    Tree,
}

#[repr(C)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

/// Changes the attributes of the mount whose root `mount` is. `mount_setattr(2)`, Linux 5.12.
///
/// # Errors
/// EINVAL when `mount` is not the root of a mount; ENOSYS on older kernels.
pub fn change_attributes(mount: BorrowedFd<'_>, reach: Reach, change: AttributeChange) -> Result<(), Errno> {
    change_attributes_at(mount, c"", reach, change)
}

/// The same for the mount at `path` (no links followed), from `folder`.
///
/// # Errors
/// As [`change_attributes`].
pub fn change_attributes_at(
    folder: BorrowedFd<'_>,
    path: &CStr,
    reach: Reach,
    change: AttributeChange,
) -> Result<(), Errno> {
    set_attributes(
        folder,
        path,
        reach,
        MountAttr {
            attr_set: change.set,
            attr_clr: change.clear,
            propagation: match change.propagation {
                None => 0,
                Some(Propagation::Private) => libc::MS_PRIVATE,
                Some(Propagation::Shared) => libc::MS_SHARED,
                Some(Propagation::Slave) => libc::MS_SLAVE,
                Some(Propagation::Unbindable) => libc::MS_UNBINDABLE,
            },
            userns_fd: 0,
        },
    )
}

/// Has a mount show the ids of its files as `namespace` maps them; it must not be attached yet. `mount_setattr(2)` with
/// `MOUNT_ATTR_IDMAP`, Linux 5.12.
///
/// # Errors
/// EINVAL where the file system cannot, EPERM for a mount that is mapped already.
pub fn map_ids(mount: BorrowedFd<'_>, reach: Reach, namespace: BorrowedFd<'_>) -> Result<(), Errno> {
    const MOUNT_ATTR_IDMAP: u64 = 0x10_0000;
    let userns_fd = u64::try_from(namespace.as_raw_fd()).map_err(|_| Errno::BADF)?;
    let attributes = MountAttr { attr_set: MOUNT_ATTR_IDMAP, attr_clr: 0, propagation: 0, userns_fd };
    set_attributes(mount, c"", reach, attributes)
}

fn set_attributes(
    folder: BorrowedFd<'_>,
    path: &CStr,
    reach: Reach,
    attributes: MountAttr,
) -> Result<(), Errno> {
    let mut flags = libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH;
    if reach == Reach::Tree {
        flags |= libc::AT_RECURSIVE;
    }
    // SAFETY: `path` is NUL-terminated, `attributes` is a live `mount_attr` of the given size; both are only read.
    check_long(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            folder.as_raw_fd(),
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<MountAttr>(),
        )
    })
}
