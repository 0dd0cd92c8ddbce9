//! Fills an empty volume with what the image has at its mount point: owners, modes, times, links, devices and xattrs kept.
//!
//! Both trees are walked by descriptor, never by path, and no link is followed: the source is a stranger's.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    self, AtFlags, Dir, FileType, Mode, OFlags, RawDir, Stat, Timespec, Timestamps, XattrFlags, mkdirat,
    mknodat, openat, readlinkat, symlinkat,
};
use rustix::io::Errno;

/// Why a volume could not be filled.
#[derive(Debug, thiserror::Error)]
#[error("cannot copy {name:?} into the volume")]
pub struct SeedError {
    /// The entry that failed, relative to its folder.
    pub name: String,
    /// What the kernel said.
    #[source]
    pub cause: io::Error,
}

/// Copies everything in the folder `source` into the folder `target`, and the folder's own owner and mode.
///
/// A target that already holds something is left alone, as Docker does; false then. The caller has opened `source` inside the image's root.
///
/// # Errors
/// [`SeedError`] at the first entry that cannot be copied.
pub fn seed(source: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<bool, SeedError> {
    if !is_empty(target).map_err(|errno| failed(c".", errno))? {
        return Ok(false);
    }
    copy_tree(source, target)?;
    Ok(true)
}

fn is_empty(dir: BorrowedFd<'_>) -> Result<bool, Errno> {
    let own = openat(dir, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    for entry in Dir::new(own)? {
        if !is_self_or_parent(entry?.file_name()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A folder that is still to be copied.
struct Pending {
    source: OwnedFd,
    target: OwnedFd,
}

fn copy_tree(source: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<(), SeedError> {
    let reopen = |dir: BorrowedFd<'_>| open_dir(dir, c".").map_err(|errno| failed(c".", errno));
    let mut pending = vec![Pending { source: reopen(source)?, target: reopen(target)? }];
    while let Some(folder) = pending.pop() {
        for name in names(&folder.source).map_err(|errno| failed(c".", errno))? {
            let below = copy_entry(&folder, &name).map_err(|errno| failed(&name, errno))?;
            pending.extend(below);
        }
        let stat = fs::fstat(&folder.source).map_err(|errno| failed(c".", errno))?;
        copy_attributes(folder.source.as_fd(), folder.target.as_fd(), &stat)
            .map_err(|errno| failed(c".", errno))?;
    }
    Ok(())
}

fn names(dir: &OwnedFd) -> Result<Vec<CString>, Errno> {
    let mut buffer = Vec::with_capacity(16 << 10);
    let mut entries = RawDir::new(dir, buffer.spare_capacity_mut());
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        let name = entry?.file_name().to_owned();
        if !is_self_or_parent(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Copies one entry; a folder is made and handed back to be filled.
fn copy_entry(folder: &Pending, name: &CStr) -> Result<Option<Pending>, Errno> {
    let stat = fs::statat(&folder.source, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let mode = Mode::from_raw_mode(stat.st_mode);
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            mkdirat(&folder.target, name, Mode::RWXU)?;
            return Ok(Some(Pending {
                source: open_dir(folder.source.as_fd(), name)?,
                target: open_dir(folder.target.as_fd(), name)?,
            }));
        }
        FileType::RegularFile => copy_file(folder, name, &stat)?,
        FileType::Symlink => {
            let link = readlinkat(&folder.source, name, Vec::new())?;
            symlinkat(link, &folder.target, name)?;
            fs::chownat(&folder.target, name, owner(&stat).0, owner(&stat).1, AtFlags::SYMLINK_NOFOLLOW)?;
            fs::utimensat(&folder.target, name, &times(&stat), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        kind @ (FileType::Fifo | FileType::CharacterDevice | FileType::BlockDevice) => {
            mknodat(&folder.target, name, kind, mode, stat.st_rdev)?;
            fs::chownat(&folder.target, name, owner(&stat).0, owner(&stat).1, AtFlags::SYMLINK_NOFOLLOW)?;
            fs::chmodat(&folder.target, name, mode, AtFlags::empty())?;
        }
        // A socket lives by its process: there is nothing to copy.
        _ => {}
    }
    Ok(None)
}

fn copy_file(folder: &Pending, name: &CStr, stat: &Stat) -> Result<(), Errno> {
    let from = openat(
        &folder.source,
        name,
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let to = openat(&folder.target, name, flags, Mode::RUSR | Mode::WUSR)?;
    let (mut from, mut to) = (File::from(from), File::from(to));
    // Copies inside the kernel, and shares the blocks where the file system can.
    io::copy(&mut from, &mut to).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    copy_attributes(from.as_fd(), to.as_fd(), stat)
}

/// Owner before mode, since a change of owner drops the setuid bit; times last.
fn copy_attributes(source: BorrowedFd<'_>, target: BorrowedFd<'_>, stat: &Stat) -> Result<(), Errno> {
    fs::fchown(target, owner(stat).0, owner(stat).1)?;
    fs::fchmod(target, Mode::from_raw_mode(stat.st_mode))?;
    copy_xattrs(source, target)?;
    fs::futimens(target, &times(stat))
}

fn copy_xattrs(source: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut list = vec![0; 64 << 10];
    let length = match fs::flistxattr(source, list.as_mut_slice()) {
        Err(Errno::OPNOTSUPP) => return Ok(()),
        other => other?,
    };
    let mut value = vec![0; 64 << 10];
    for name in list[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        // Overlay's own marks mean nothing outside its layers.
        if name.starts_with(b"trusted.overlay.") {
            continue;
        }
        let Ok(name) = CString::new(name) else { continue };
        let length = fs::fgetxattr(source, name.as_c_str(), value.as_mut_slice())?;
        match fs::fsetxattr(target, name.as_c_str(), &value[..length], XattrFlags::empty()) {
            Err(Errno::OPNOTSUPP) => {}
            other => other?,
        }
    }
    Ok(())
}

fn open_dir(dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    openat(dir, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

fn owner(stat: &Stat) -> (Option<fs::Uid>, Option<fs::Gid>) {
    (Some(fs::Uid::from_raw(stat.st_uid)), Some(fs::Gid::from_raw(stat.st_gid)))
}

fn times(stat: &Stat) -> Timestamps {
    let stamp = |seconds: i64, nanoseconds: u64| Timespec {
        tv_sec: seconds,
        tv_nsec: i64::try_from(nanoseconds).unwrap_or(0),
    };
    Timestamps {
        last_access: stamp(stat.st_atime, stat.st_atime_nsec),
        last_modification: stamp(stat.st_mtime, stat.st_mtime_nsec),
    }
}

fn is_self_or_parent(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}

fn failed(name: &CStr, errno: Errno) -> SeedError {
    SeedError { name: name.to_string_lossy().into_owned(), cause: errno.into() }
}
