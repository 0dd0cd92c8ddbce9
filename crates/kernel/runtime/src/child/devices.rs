//! Device nodes, the links beside them, the console.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};

use mount::path::{self, Links, Target, ensure};
use mount::tree;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Uid, chmodat, chownat, mknodat, openat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use sys::mount::Reach;

use crate::plan::DevicePlan;
use crate::report::{Failure, Step};

/// Device nodes and the links beside them. A stranger's `/dev` leads where it likes, inside the root.
pub(super) fn make_devices(root: BorrowedFd<'_>, devices: &[DevicePlan]) -> Result<(), Failure> {
    for (index, device) in devices.iter().enumerate() {
        let folder =
            ensure(root, &device.folder, Target::Folder).map_err(Step::DeviceFolder.failed_at(index))?;
        make_device(folder.as_fd(), device).map_err(Step::Device.failed_at(index))?;
    }
    let dev = ensure(root, c"/dev", Target::Folder).map_err(Step::DeviceFolder.failed())?;
    link_devices(root, dev.as_fd()).map_err(Step::DeviceLink.failed())
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
    match mknodat(&dev, c"console", FileType::RegularFile, Mode::from_raw_mode(0o600), 0) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno),
    }
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let console = openat(&dev, c"console", flags, Mode::empty())?;
    let clone = tree::clone_place(slave, Reach::One)?;
    tree::attach(clone.as_fd(), console.as_fd())
}
