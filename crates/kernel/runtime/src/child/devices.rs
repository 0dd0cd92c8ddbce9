//! Device nodes, the links beside them, the console.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use mount::defence::Defence;
use mount::path::{self, Links, Target, ensure};
use mount::tree;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Uid, chmodat, chownat, fstat, mknodat, openat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use sys::mount::Reach;

use crate::plan::DevicePlan;
use crate::report::{Failure, Step};

/// Device nodes and the links beside them. A stranger's `/dev` leads where it likes, inside the root.
pub(super) fn make_devices(
    root: BorrowedFd<'_>,
    devices: &[DevicePlan],
    clones: &[OwnedFd],
) -> Result<(), Failure> {
    for (index, device) in devices.iter().enumerate() {
        let folder =
            ensure(root, &device.folder, Target::Folder).map_err(Step::DeviceFolder.failed_at(index))?;
        match clones.get(index) {
            Some(clone) => bind_device(folder.as_fd(), device, clone.as_fd()),
            None => make_device(folder.as_fd(), device),
        }
        .map_err(Step::Device.failed_at(index))?;
    }
    let dev = ensure(root, c"/dev", Target::Folder).map_err(Step::DeviceFolder.failed())?;
    link_devices(root, dev.as_fd()).map_err(Step::DeviceLink.failed())
}

/// In a user namespace nobody makes devices: the host's are bound to an empty file.
fn bind_device(folder: BorrowedFd<'_>, device: &DevicePlan, clone: BorrowedFd<'_>) -> Result<(), Errno> {
    let place = ensure_file(folder, &device.name)?;
    tree::attach(clone, place.as_fd())
}

/// The place of a file, made if need be; a link is not followed.
fn ensure_file(folder: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    match mknodat(folder, name, FileType::RegularFile, Mode::from_raw_mode(0o600), 0) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno),
    }
    let place = openat(folder, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    match FileType::from_raw_mode(fstat(&place)?.st_mode) {
        FileType::Symlink if Defence::PlainConsole.is_on() => Err(Errno::LOOP),
        FileType::Symlink => openat(folder, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()),
        _ => Ok(place),
    }
}

fn make_device(folder: BorrowedFd<'_>, device: &DevicePlan) -> Result<(), Errno> {
    let mode = Mode::from_raw_mode(device.mode);
    match mknodat(folder, device.name.as_c_str(), device.kind, mode, device.number) {
        // What is there already is what the image or a mount wants there.
        Err(Errno::EXIST) => return Ok(()),
        other => other?,
    }
    if device.uid != 0 || device.gid != 0 {
        let (uid, gid) = (Uid::from_raw(device.uid), Gid::from_raw(device.gid));
        chownat(folder, device.name.as_c_str(), Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        // A change of owner drops set-id bits.
        if device.mode & 0o6000 != 0 {
            chmodat(folder, device.name.as_c_str(), mode, AtFlags::empty())?;
        }
    }
    Ok(())
}

fn link_devices(root: BorrowedFd<'_>, dev: BorrowedFd<'_>) -> Result<(), Errno> {
    let link = |text: &CStr, name: &CStr| match symlinkat(text, dev, name) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno),
    };
    link(c"/proc/self/fd", c"fd")?;
    link(c"/proc/self/fd/0", c"stdin")?;
    link(c"/proc/self/fd/1", c"stdout")?;
    link(c"/proc/self/fd/2", c"stderr")?;
    if path::open(root, c"/proc/kcore", OFlags::PATH, Links::Refuse).is_ok() {
        link(c"/proc/kcore", c"core")?;
    }
    // Terminals come from the container's own devpts, whatever an image has here.
    match unlinkat(dev, c"ptmx", AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno),
    }
    link(c"pts/ptmx", c"ptmx")
}

pub(super) fn bind_console(root: BorrowedFd<'_>, slave: BorrowedFd<'_>) -> Result<(), Errno> {
    let dev = ensure(root, c"/dev", Target::Folder)?;
    let console = ensure_file(dev.as_fd(), c"console")?;
    let clone = tree::clone_place(slave, Reach::One)?;
    tree::attach(clone.as_fd(), console.as_fd())
}
