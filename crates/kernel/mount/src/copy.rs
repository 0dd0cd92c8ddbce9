//! Copies a tree of files into another file system, with owners, modes, times, attributes.
//!
//! The tree belongs to strangers, who may change it meanwhile: links are copied, never followed, and nothing but
//! ordinary files is opened.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, chmodat, chownat, fstat,
    mkdirat, mknodat, openat, readlinkat, sendfile, statat, symlinkat, utimensat,
};
use rustix::io::Errno;

/// Folders in folders beyond this are a stranger's joke.
const MAX_DEPTH: u32 = 200;

/// Copies what is in the folder `from` into the folder `to`, which is empty and on another file system.
///
/// # Errors
/// The kernel's; LOOP for a tree that is too deep.
pub fn copy_contents(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<(), Errno> {
    copy_folder(from, to, MAX_DEPTH)
}

fn copy_folder(from: BorrowedFd<'_>, to: BorrowedFd<'_>, depth: u32) -> Result<(), Errno> {
    let depth = depth.checked_sub(1).ok_or(Errno::LOOP)?;
    for entry in Dir::read_from(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        match copy_entry(from, to, name, depth) {
            // Gone meanwhile, or replaced by something else.
            Err(Errno::NOENT | Errno::STALE) => {}
            other => other?,
        }
    }
    Ok(())
}

fn copy_entry(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, depth: u32) -> Result<(), Errno> {
    let stat = statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
    match kind {
        FileType::Directory => {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let source = openat(from, name, flags, Mode::empty())?;
            mkdirat(to, name, Mode::RWXU)?;
            let copy = openat(to, name, flags, Mode::empty())?;
            copy_folder(source.as_fd(), copy.as_fd(), depth)?;
            copy_attributes(source.as_fd(), copy.as_fd())?;
        }
        FileType::RegularFile => {
            let source = open_file(from, name)?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let copy = openat(to, name, flags, Mode::RUSR | Mode::WUSR)?;
            while sendfile(&copy, &source, None, 1 << 30)? > 0 {}
            copy_attributes(source.as_fd(), copy.as_fd())?;
        }
        FileType::Symlink => {
            symlinkat(&readlinkat(from, name, Vec::new())?, to, name)?;
        }
        kind => mknodat(to, name, kind, mode, stat.st_rdev)?,
    }
    finish(to, name, kind, &stat)
}

/// Opens an ordinary file: found as a place first, since opening anything else could do things.
fn open_file(folder: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = openat(folder, name, flags, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&place)?.st_mode) != FileType::RegularFile {
        return Err(Errno::STALE);
    }
    let link = format!("/proc/self/fd/{}", place.as_raw_fd());
    openat(CWD, link, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

fn copy_attributes(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<(), Errno> {
    let names = match sys::xattr::list(from) {
        Err(Errno::OPNOTSUPP) => return Ok(()),
        other => other?,
    };
    for name in names {
        let set = sys::xattr::get(from, &name).and_then(|value| sys::xattr::set(to, &name, &value));
        match set {
            // What the other file system does not keep.
            Err(Errno::OPNOTSUPP | Errno::NODATA) => {}
            other => other?,
        }
    }
    Ok(())
}

/// Owner first: a change of it drops set-id bits.
fn finish(to: BorrowedFd<'_>, name: &CStr, kind: FileType, stat: &Stat) -> Result<(), Errno> {
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    if kind != FileType::Symlink {
        chmodat(to, name, Mode::from_raw_mode(stat.st_mode & 0o7777), AtFlags::empty())?;
    }
    let time = |seconds, nanoseconds| Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let nanoseconds = |value| i64::try_from(value).unwrap_or(0);
    let times = Timestamps {
        last_access: time(stat.st_atime, nanoseconds(stat.st_atime_nsec)),
        last_modification: time(stat.st_mtime, nanoseconds(stat.st_mtime_nsec)),
    };
    utimensat(to, name, &times, AtFlags::SYMLINK_NOFOLLOW)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;
    use crate::path::open_host_folder;

    fn copied(make: impl FnOnce(&std::path::Path)) -> (tempfile::TempDir, Result<(), Errno>) {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir(&from).unwrap();
        fs::create_dir(&to).unwrap();
        make(&from);
        let open = |path| {
            let place = open_host_folder(path).unwrap();
            openat(&place, ".", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap()
        };
        let outcome = copy_contents(open(&from).as_fd(), open(&to).as_fd());
        (folder, outcome)
    }

    #[test]
    fn files_folders_links_and_pipes_arrive_as_they_were() {
        let (folder, outcome) = copied(|from| {
            fs::create_dir(from.join("d")).unwrap();
            fs::write(from.join("d/f"), "text").unwrap();
            fs::set_permissions(from.join("d/f"), fs::Permissions::from_mode(0o4751)).unwrap();
            fs::set_permissions(from.join("d"), fs::Permissions::from_mode(0o1777)).unwrap();
            symlink("/etc/passwd", from.join("l")).unwrap();
            mknodat(CWD, from.join("p"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        });
        outcome.unwrap();
        let to = folder.path().join("to");
        assert_eq!(fs::read_to_string(to.join("d/f")).unwrap(), "text");
        assert_eq!(fs::metadata(to.join("d/f")).unwrap().mode() & 0o7777, 0o4751);
        assert_eq!(fs::metadata(to.join("d")).unwrap().mode() & 0o7777, 0o1777);
        assert_eq!(fs::read_link(to.join("l")).unwrap().to_str(), Some("/etc/passwd"));
        let (before, after) = (folder.path().join("from/d/f"), to.join("d/f"));
        let time = |path| fs::metadata(path).unwrap().modified().unwrap();
        assert_eq!(time(before), time(after));
        assert!(fs::symlink_metadata(to.join("p")).unwrap().mode() & 0o170_000 == 0o010_000);
    }

    #[test]
    fn a_tree_too_deep_is_refused() {
        let (_folder, outcome) = copied(|from| {
            fs::create_dir_all(from.join("x/".repeat(250))).unwrap();
        });
        assert_eq!(outcome, Err(Errno::LOOP));
    }
}
