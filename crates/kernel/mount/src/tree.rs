//! Detached mounts: made or cloned out of sight, then attached to a place.
//!
//! What is prepared beforehand ([`NewFilesystem`]) is mounted without allocating.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};
use sys::mount::Reach;

/// A file system to mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFilesystem {
    /// `tmpfs`, `proc` …
    pub kind: CString,
    /// What stands as source in the mount table.
    pub source: Option<CString>,
    /// Options of the file system: name, and value if it has one.
    pub options: Vec<(CString, Option<CString>)>,
    /// Attributes of the mount, bits of [`sys::mount`].
    pub attributes: u64,
}

impl NewFilesystem {
    /// Mounts it, attached nowhere. `fsopen(2)`, `fsconfig(2)`, `fsmount(2)`, Linux 5.2.
    ///
    /// # Errors
    /// NODEV for an unknown kind, INVAL for an unknown option …
    pub fn mount(&self) -> Result<OwnedFd, Errno> {
        self.mount_with(None)
    }

    /// The same with one more option, known only at the last moment.
    ///
    /// # Errors
    /// As [`Self::mount`].
    pub fn mount_with(&self, extra: Option<(&CStr, &CStr)>) -> Result<OwnedFd, Errno> {
        let context = fsopen(self.kind.as_c_str(), FsOpenFlags::FSOPEN_CLOEXEC)?;
        if let Some(source) = &self.source {
            fsconfig_set_string(context.as_fd(), c"source", source.as_c_str())?;
        }
        for (name, value) in &self.options {
            match value {
                Some(value) => fsconfig_set_string(context.as_fd(), name.as_c_str(), value.as_c_str())?,
                None => fsconfig_set_flag(context.as_fd(), name.as_c_str())?,
            }
        }
        if let Some((name, value)) = extra {
            fsconfig_set_string(context.as_fd(), name, value)?;
        }
        fsconfig_create(context.as_fd())?;
        finish(context.as_fd(), self.attributes)
    }
}

/// Mounts a file system with one option, attached nowhere; for what is known when the program is written.
///
/// # Errors
/// As [`NewFilesystem::mount`].
pub fn mount_simple(kind: &CStr, option: (&CStr, &CStr), attributes: u64) -> Result<OwnedFd, Errno> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(context.as_fd(), c"source", kind)?;
    fsconfig_set_string(context.as_fd(), option.0, option.1)?;
    fsconfig_create(context.as_fd())?;
    finish(context.as_fd(), attributes)
}

/// Makes the mount of a created context.
pub(crate) fn finish(context: BorrowedFd<'_>, attributes: u64) -> Result<OwnedFd, Errno> {
    let attributes = MountAttrFlags::from_bits_retain(u32::try_from(attributes).map_err(|_| Errno::INVAL)?);
    fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

fn clone_flags(reach: Reach) -> OpenTreeFlags {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    match reach {
        Reach::One => flags,
        Reach::Tree => flags | OpenTreeFlags::AT_RECURSIVE,
    }
}

/// Clones the mount at a path of the host (from that path on), attached nowhere: one half of a bind mount.
/// `open_tree(2)`, Linux 5.2.
///
/// # Errors
/// NOENT, INVAL for an unbindable mount or one of another mount namespace.
pub fn clone_path(path: &Path, reach: Reach) -> Result<OwnedFd, Errno> {
    open_tree(CWD, path, clone_flags(reach))
}

/// The same, without allocating.
///
/// # Errors
/// As [`clone_path`].
pub fn clone_cstr(path: &CStr, reach: Reach) -> Result<OwnedFd, Errno> {
    open_tree(CWD, path, clone_flags(reach))
}

/// Clones the mount that `place` is on, from `place` on.
///
/// # Errors
/// As [`clone_path`].
pub fn clone_place(place: BorrowedFd<'_>, reach: Reach) -> Result<OwnedFd, Errno> {
    open_tree(place, c"", clone_flags(reach) | OpenTreeFlags::AT_EMPTY_PATH)
}

/// Attaches a detached mount to a place. `move_mount(2)`, Linux 5.2.
///
/// # Errors
/// NOTDIR when one is a folder and the other is not, INVAL for a place in another mount namespace.
pub fn attach(mount: BorrowedFd<'_>, place: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, c"", place, c"", flags)
}
