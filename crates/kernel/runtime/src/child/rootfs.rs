//! The root file system: attached on top of the old one, filled, protected, then made the only one.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use mount::path::{self, Links, Target, ensure};
use mount::tree::{self, NewFilesystem};
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid, chmodat, chownat, fstat, fstatfs, major, minor, mkdirat,
    mknodat, openat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::process::{chdir, chroot, fchdir, pivot_root};
use sys::mount::{
    AttributeChange, NO_DEVICES, NO_EXEC, NO_SUID, Propagation, READ_ONLY, Reach, change_attributes,
    change_attributes_at,
};

use super::{CgroupDoor, ContainerChild, Streams, open_folder, terminal};
use crate::plan::{DevicePlan, MountKind, MountPlan};
use crate::report::{Failure, Step};

/// `PROC_SUPER_MAGIC` (linux/magic.h).
const PROCFS: i64 = 0x9fa0;

/// What the parent prepared for a mount.
#[derive(Debug)]
pub(crate) enum PreparedMount {
    /// Nothing: it is made in the child.
    InChild,
    /// A clone, ready to be attached, and what it has to be attached to.
    Clone(OwnedFd, Target),
}

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

/// Builds everything and makes it the root. Gives the slave of the terminal, if there is one.
pub(super) fn build(
    child: &ContainerChild<'_>,
    cgroup: &mut CgroupDoor<'_>,
) -> Result<Option<OwnedFd>, Failure> {
    let plan = child.plan;
    make_private().map_err(Step::PrivateMounts.failed())?;
    let root = child.root.as_fd();
    attach_root(root).map_err(Step::AttachRoot.failed())?;
    for (index, (mount, prepared)) in plan.mounts.iter().zip(&child.mounts).enumerate() {
        perform(child, index, mount, prepared, cgroup)?;
    }
    if let Some(devices) = &plan.devices {
        make_devices(root, devices)?;
    }
    cgroup.pass()?;
    let terminal = match &child.common.streams {
        Streams::Terminal(size) => {
            let slave = terminal::open(root, *size, child.common.socket.as_fd())?;
            bind_console(root, slave.as_fd()).map_err(Step::Console.failed())?;
            Some(slave)
        }
        _ => None,
    };
    ensure_work_folder(root, &child.common.process.folder)?;
    write_sysctls(root, &plan.sysctls)?;
    for (index, mount) in plan.mounts.iter().enumerate().filter(|(_, mount)| mount.is_readonly_at_last) {
        make_readonly(root, mount).map_err(Step::ReadonlyMount.failed_at(index))?;
    }
    for (index, place) in plan.readonly_paths.iter().enumerate() {
        protect(root, place).map_err(Step::ReadonlyPath.failed_at(index))?;
    }
    mask(root, &plan.masked_paths)?;
    if plan.is_root_readonly {
        change_attributes(root, Reach::One, read_only()).map_err(Step::ReadonlyRoot.failed())?;
    }
    enter_root(root).map_err(Step::PivotRoot.failed())?;
    if plan.root_propagation != Propagation::Private {
        let change =
            AttributeChange { propagation: Some(plan.root_propagation), ..AttributeChange::default() };
        change_attributes(root, Reach::One, change).map_err(Step::PrivateMounts.failed())?;
    }
    Ok(terminal)
}

fn read_only() -> AttributeChange {
    AttributeChange { set: READ_ONLY, ..AttributeChange::default() }
}

/// Nothing mounted here is seen outside, and the other way round.
fn make_private() -> Result<(), Errno> {
    let private = AttributeChange { propagation: Some(Propagation::Private), ..AttributeChange::default() };
    match change_attributes_at(CWD, c"/", Reach::Tree, private) {
        // Linux 5.10 and 5.11.
        Err(Errno::NOSYS) => mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC),
        other => other,
    }
}

/// The new root covers the old one: no folder of the host is needed as a mount point.
fn attach_root(root: BorrowedFd<'_>) -> Result<(), Errno> {
    let old = openat(CWD, c"/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    tree::attach(root, old.as_fd())
}

/// Makes the new root the root, and lets go of the old one.
fn enter_root(root: BorrowedFd<'_>) -> Result<(), Errno> {
    fchdir(root)?;
    match pivot_root(c".", c".") {
        Ok(()) => unmount(c".", UnmountFlags::DETACH)?,
        // The root of an initramfs cannot be put elsewhere; it stays covered.
        Err(Errno::INVAL) => chroot(c".")?,
        Err(errno) => return Err(errno),
    }
    chdir(c"/")
}

/// One mount of the plan.
fn perform(
    child: &ContainerChild<'_>,
    index: usize,
    plan: &MountPlan,
    prepared: &PreparedMount,
    cgroup: &mut CgroupDoor<'_>,
) -> Result<(), Failure> {
    let root = child.root.as_fd();
    let kind = match prepared {
        PreparedMount::InChild => Target::Folder,
        PreparedMount::Clone(_, kind) => *kind,
    };
    let (target, was_there) = find_target(root, plan, kind).map_err(Step::MountTarget.failed_at(index))?;
    // `/proc` itself is covered by a proc of the container's own; inside it, only what may be replaced.
    let is_inside_proc = fstatfs(&target).is_ok_and(|stat| stat.f_type == PROCFS);
    if is_inside_proc && !plan.may_cover_proc && !plan.destination_is("/proc") {
        return Err(Step::MountInsideProc.failed_at(index)(Errno::PERM));
    }
    let failed = Step::Mount.failed_at(index);
    match (&plan.kind, prepared) {
        (MountKind::Bind(_), PreparedMount::Clone(clone, kind)) => {
            attach_bind(clone.as_fd(), *kind, target.as_fd())
        }
        (MountKind::New { filesystem, takes_mode }, _) => {
            mount_new(filesystem, *takes_mode && was_there, target.as_fd())
        }
        (MountKind::Cgroup { attributes }, _) => {
            cgroup.pass()?;
            return mount_cgroup(child, plan, *attributes, target.as_fd())
                .map_err(Step::CgroupMount.failed_at(index));
        }
        (MountKind::Bind(_), PreparedMount::InChild) => Err(Errno::NOENT),
    }
    .map_err(failed)
}

/// A folder goes on a folder, a file on a file; for anything else mount(2) says ENOTDIR, and move_mount(2) EINVAL.
fn attach_bind(clone: BorrowedFd<'_>, kind: Target, target: BorrowedFd<'_>) -> Result<(), Errno> {
    match tree::attach(clone, target) {
        Err(Errno::INVAL) => {
            let is_folder = FileType::from_raw_mode(fstat(target)?.st_mode) == FileType::Directory;
            Err(if is_folder == (kind == Target::Folder) { Errno::INVAL } else { Errno::NOTDIR })
        }
        other => other,
    }
}

/// The place of a mount, made if need be; and whether it was there.
fn find_target(root: BorrowedFd<'_>, plan: &MountPlan, kind: Target) -> Result<(OwnedFd, bool), Errno> {
    match path::open(root, &plan.destination, OFlags::PATH, plan.links) {
        Ok(target) => Ok((target, true)),
        Err(Errno::NOENT) => {
            let made = ensure(root, &plan.destination, kind)?;
            match plan.links {
                Links::Follow => Ok((made, false)),
                Links::Refuse => {
                    Ok((path::open(root, &plan.destination, OFlags::PATH, Links::Refuse)?, false))
                }
            }
        }
        // procfs and sysfs go to ordinary folders only.
        Err(Errno::LOOP) if plan.links == Links::Refuse => Err(Errno::NOTDIR),
        Err(errno) => Err(errno),
    }
}

fn mount_new(filesystem: &NewFilesystem, takes_mode: bool, target: BorrowedFd<'_>) -> Result<(), Errno> {
    let mount = if takes_mode {
        let mut digits = [0; 6];
        let mode = octal(fstat(target)?.st_mode & 0o7777, &mut digits);
        filesystem.mount_with(Some((c"mode", mode)))?
    } else {
        filesystem.mount()?
    };
    tree::attach(mount.as_fd(), target)
}

/// A mode in octal digits, as file systems read it.
fn octal(mode: u32, buffer: &mut [u8; 6]) -> &CStr {
    for (place, digit) in buffer.iter_mut().take(5).enumerate() {
        let shift = 12 - 3 * u32::try_from(place).unwrap_or(0);
        *digit = b'0' + u8::try_from(mode >> shift & 7).unwrap_or(0);
    }
    CStr::from_bytes_until_nul(buffer).unwrap_or(c"0755")
}

/// `/sys/fs/cgroup`: on v1 a tmpfs with a folder per hierarchy, on v2 the hierarchy itself.
fn mount_cgroup(
    child: &ContainerChild<'_>,
    plan: &MountPlan,
    attributes: u64,
    target: BorrowedFd<'_>,
) -> Result<(), Errno> {
    let root = child.root.as_fd();
    if let [CgroupView { name: None, filesystem, .. }] = child.cgroup_views.as_slice() {
        let mount = filesystem.mount()?;
        return tree::attach(mount.as_fd(), target);
    }
    let mount = tree::mount_simple(c"tmpfs", (c"mode", c"755"), NO_SUID | NO_DEVICES | NO_EXEC)?;
    tree::attach(mount.as_fd(), target)?;
    for view in &child.cgroup_views {
        let Some(name) = &view.name else { continue };
        mkdirat(&mount, name.as_c_str(), Mode::from_raw_mode(0o755))?;
        let place = openat(&mount, name.as_c_str(), OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let hierarchy = if child.plan.has_own_cgroup_namespace {
            view.filesystem.mount()?
        } else {
            let own = tree::clone_cstr(&view.folder, Reach::One)?;
            let change = AttributeChange { set: attributes, ..AttributeChange::default() };
            change_attributes(own.as_fd(), Reach::One, change)?;
            own
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

/// Device nodes and the links beside them. A stranger's `/dev` leads where it likes, inside the root.
fn make_devices(root: BorrowedFd<'_>, devices: &[DevicePlan]) -> Result<(), Failure> {
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

fn bind_console(root: BorrowedFd<'_>, slave: BorrowedFd<'_>) -> Result<(), Errno> {
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

/// Docker and runc make the working folder if the image lacks it.
fn ensure_work_folder(root: BorrowedFd<'_>, folder: &CStr) -> Result<(), Failure> {
    match ensure(root, folder, Target::Folder) {
        // Links of procfs are refused later, when the folder is entered.
        Ok(_) | Err(Errno::LOOP) => Ok(()),
        Err(errno) => Err(Step::WorkFolder.failed()(errno)),
    }
}

fn write_sysctls(root: BorrowedFd<'_>, sysctls: &[(CString, Vec<u8>)]) -> Result<(), Failure> {
    if sysctls.is_empty() {
        return Ok(());
    }
    let failed = Step::Sysctl.failed();
    let proc = open_folder(root, c"/proc").map_err(&failed)?;
    if fstatfs(&proc).map_err(&failed)?.f_type != PROCFS {
        return Err(failed(Errno::NODEV));
    }
    for (index, (file, value)) in sysctls.iter().enumerate() {
        let failed = Step::Sysctl.failed_at(index);
        let file = path::open(proc.as_fd(), file, OFlags::WRONLY, Links::Refuse).map_err(&failed)?;
        rustix::io::write(&file, value).map_err(&failed)?;
    }
    Ok(())
}

fn make_readonly(root: BorrowedFd<'_>, mount: &MountPlan) -> Result<(), Errno> {
    let mounted = path::open(root, &mount.destination, OFlags::PATH, Links::Follow)?;
    change_attributes(mounted.as_fd(), Reach::One, read_only())
}

/// Covers a place with a read-only view of itself. What is not there needs no protection.
fn protect(root: BorrowedFd<'_>, place: &CStr) -> Result<(), Errno> {
    let Some(place) = find_protected(root, place)? else { return Ok(()) };
    let clone = tree::clone_place(place.as_fd(), Reach::Tree)?;
    change_attributes(clone.as_fd(), Reach::Tree, read_only())?;
    tree::attach(clone.as_fd(), place.as_fd())
}

fn find_protected(root: BorrowedFd<'_>, place: &CStr) -> Result<Option<OwnedFd>, Errno> {
    match path::open(root, place, OFlags::PATH, Links::Follow) {
        Ok(place) => Ok(Some(place)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Covers files by the container's own `/dev/null` and folders by an empty tmpfs, one for all.
fn mask(root: BorrowedFd<'_>, places: &[CString]) -> Result<(), Failure> {
    let mut null = None;
    let mut empty: Option<OwnedFd> = None;
    for (index, place) in places.iter().enumerate() {
        let failed = Step::MaskedPath.failed_at(index);
        let Some(place) = find_protected(root, place).map_err(&failed)? else { continue };
        let is_folder =
            FileType::from_raw_mode(fstat(&place).map_err(&failed)?.st_mode) == FileType::Directory;
        let cover = match (is_folder, &empty) {
            (true, Some(empty)) => tree::clone_place(empty.as_fd(), Reach::One),
            (true, None) => tree::mount_simple(c"tmpfs", (c"nr_inodes", c"2"), READ_ONLY),
            (false, _) => {
                let null = match &mut null {
                    Some(null) => null,
                    none => none.insert(open_null(root).map_err(&failed)?),
                };
                tree::clone_place(null.as_fd(), Reach::One)
            }
        };
        let cover = cover.map_err(&failed)?;
        tree::attach(cover.as_fd(), place.as_fd()).map_err(&failed)?;
        if is_folder && empty.is_none() {
            empty = Some(cover);
        }
    }
    Ok(())
}

/// The container's `/dev/null`, which must be the real one: what is bound over `/proc/kcore` must not be a stranger's.
fn open_null(root: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let null = path::open(root, c"/dev/null", OFlags::PATH, Links::Follow)?;
    let stat = fstat(&null)?;
    let is_char = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice;
    if is_char && (major(stat.st_rdev), minor(stat.st_rdev)) == (1, 3) { Ok(null) } else { Err(Errno::NODEV) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_written_in_octal() {
        assert_eq!(octal(0o1777, &mut [0; 6]), c"01777");
        assert_eq!(octal(0o755, &mut [0; 6]), c"00755");
        assert_eq!(octal(0, &mut [0; 6]), c"00000");
    }
}
