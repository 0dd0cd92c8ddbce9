//! The root file system: attached on top of the old one, filled, protected, then made the only one.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use mount::defence::Defence;
use mount::path::{self, Links, Target, ensure};
use mount::tree::{self, NewFilesystem};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, fstatfs, major, minor, openat};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::process::{chdir, chroot, fchdir, pivot_root};
use sys::mount::{
    AttributeChange, Propagation, READ_ONLY, Reach, change_attributes, change_attributes_at, map_ids,
};

use super::binds::clone_inside;
use super::cgroups::mount_cgroup;
use super::devices::{bind_console, make_devices};
use super::{CgroupDoor, ContainerChild, Streams, await_links, hear, open_folder, pass_hooks, terminal};
use crate::options::RootChange;
use crate::plan::{MountKind, MountPlan};
use crate::report::{Failure, MOUNT_IS_MAPPED, Message, Step};

/// `PROC_SUPER_MAGIC` (linux/magic.h).
const PROCFS: i64 = 0x9fa0;

/// What the parent prepared for a mount.
#[derive(Debug)]
pub(crate) enum PreparedMount {
    /// Nothing: it is made in the child.
    InChild,
    /// A clone, ready to be attached, and what it has to be attached to.
    Clone(OwnedFd, Target),
    /// A user namespace for the ids of a clone that the child makes.
    Ids(OwnedFd),
}

/// Builds everything and makes it the root. Gives the slave of the terminal, if there is one.
pub(super) fn build(
    child: &ContainerChild<'_>,
    cgroup: &mut CgroupDoor<'_>,
) -> Result<Option<OwnedFd>, Failure> {
    let plan = child.plan;
    let has_mounts = plan.namespaces.has_mounts;
    if has_mounts {
        make_private().map_err(Step::PrivateMounts.failed())?;
    }
    let root = child.root.as_fd();
    attach_root(root, child.root_place.as_deref()).map_err(Step::AttachRoot.failed())?;
    for (index, (mount, prepared)) in plan.mounts.iter().zip(&child.mounts).enumerate() {
        perform(child, index, mount, prepared, cgroup)?;
    }
    if let Some(devices) = &plan.devices {
        make_devices(root, devices, &child.devices)?;
    }
    cgroup.pass()?;
    let terminal = match &child.common.streams {
        Streams::Terminal(size, line_ends) => {
            let slave = terminal::open(root, *size, *line_ends, child.common.socket.as_fd())?;
            bind_console(root, slave.as_fd()).map_err(Step::Console.failed())?;
            Some(slave)
        }
        _ => None,
    };
    ensure_work_folder(root, &child.common.process.folder)?;
    pass_hooks(child)?;
    await_links(child)?;
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
    for place in &child.covered {
        uncover(place).map_err(Step::PivotRoot.failed())?;
    }
    // The host's root stays where it is.
    let change = if has_mounts { child.root_change } else { RootChange::Cover };
    let is_elsewhere = has_mounts && child.root_place.is_some();
    enter_root(root, change, is_elsewhere).map_err(Step::PivotRoot.failed())?;
    if plan.root_propagation != Propagation::Private {
        let change =
            AttributeChange { propagation: Some(plan.root_propagation), ..AttributeChange::default() };
        change_attributes(root, plan.root_reach, change).map_err(Step::PrivateMounts.failed())?;
    }
    Ok(terminal)
}

pub(super) fn read_only() -> AttributeChange {
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

/// The new root covers the old one: no folder of the host is needed as a mount point. Hooks look for it at its place.
fn attach_root(root: BorrowedFd<'_>, place: Option<&CStr>) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let place = openat(CWD, place.unwrap_or(c"/"), flags, Mode::empty())?;
    tree::attach(root, place.as_fd())
}

/// Takes the host's procfs or sysfs out of the old root, or covers it where it cannot go.
fn uncover(place: &CStr) -> Result<(), Errno> {
    match unmount(place, UnmountFlags::DETACH) {
        Err(Errno::INVAL | Errno::PERM) => {
            let place =
                openat(CWD, place, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
            let cover = tree::mount_simple(c"tmpfs", (c"nr_inodes", c"2"), READ_ONLY)?;
            tree::attach(cover.as_fd(), place.as_fd())
        }
        // Below one that is gone already.
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

/// Makes the new root the root, and lets go of the old one.
fn enter_root(root: BorrowedFd<'_>, change: RootChange, is_elsewhere: bool) -> Result<(), Errno> {
    fchdir(root)?;
    let pivoted = match change {
        RootChange::Pivot => pivot_root(c".", c"."),
        RootChange::Cover => Err(Errno::INVAL),
    };
    match pivoted {
        Ok(()) => unmount(c".", UnmountFlags::DETACH)?,
        // The root of an initramfs cannot be put elsewhere; it stays covered: who joins the namespace of mounts later
        // begins in what covers it.
        Err(Errno::INVAL) => {
            if is_elsewhere {
                attach_root(root, None)?;
            }
            chroot(c".")?;
        }
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
    let failed = Step::Mount.failed_at(index);
    let inside = match (&plan.kind, prepared) {
        (_, PreparedMount::Clone(..)) => None,
        (MountKind::Bind(bind), PreparedMount::Ids(_)) if child.plan.namespaces.has_user() => {
            // What the parent says next is its answer.
            cgroup.pass()?;
            let socket = child.common.socket.as_fd();
            let ask = |clone: BorrowedFd<'_>, _| ask_to_map(socket, index, clone);
            Some(clone_inside(root, bind, Some(&ask)).map_err(&failed)?)
        }
        (MountKind::Bind(bind), PreparedMount::Ids(ids)) => {
            let map = |clone: BorrowedFd<'_>, reach| map_ids(clone, reach, ids.as_fd());
            Some(clone_inside(root, bind, Some(&map)).map_err(&failed)?)
        }
        (MountKind::Bind(bind), PreparedMount::InChild) => {
            Some(clone_inside(root, bind, None).map_err(&failed)?)
        }
        _ => None,
    };
    let kind = match (prepared, &inside) {
        (PreparedMount::Clone(_, kind), _) | (_, Some((_, kind))) => *kind,
        _ => Target::Folder,
    };
    let (target, was_there) = find_target(root, plan, kind).map_err(Step::MountTarget.failed_at(index))?;
    // `/proc` itself is covered by a proc of the container's own; inside it, only what may be replaced.
    let is_inside_proc = fstatfs(&target).is_ok_and(|stat| stat.f_type == PROCFS);
    if is_inside_proc && !plan.may_cover_proc && !plan.destination_is("/proc") {
        return Err(Step::MountInsideProc.failed_at(index)(Errno::PERM));
    }
    if let Some((clone, kind)) = inside {
        // As for clones of the host's: what protects paths in `/proc` needs the real one.
        if plan.destination_is("/proc") && fstatfs(&clone).map_err(&failed)?.f_type != PROCFS {
            return Err(failed(Errno::PERM));
        }
        return attach_bind(clone.as_fd(), kind, target.as_fd()).map_err(failed);
    }
    match (&plan.kind, prepared) {
        (MountKind::Bind(_), PreparedMount::Clone(clone, kind)) => {
            attach_bind(clone.as_fd(), *kind, target.as_fd())
        }
        (MountKind::New { propagation, .. }, PreparedMount::Clone(mount, _)) => {
            attach_new(mount.as_fd(), target.as_fd(), propagation)
        }
        (MountKind::New { filesystem, takes_mode, propagation, .. }, _) => {
            mount_new(filesystem, (*takes_mode && was_there).then_some(target.as_fd()))
                .and_then(|mount| attach_new(mount.as_fd(), target.as_fd(), propagation))
        }
        (MountKind::Cgroup { attributes }, _) => {
            cgroup.pass()?;
            return mount_cgroup(child, plan, *attributes, target.as_fd())
                .map_err(Step::CgroupMount.failed_at(index));
        }
        (MountKind::Bind(_), _) => Err(Errno::NOENT),
    }
    .map_err(failed)
}

/// Has the parent map the ids of a clone.
fn ask_to_map(socket: BorrowedFd<'_>, index: usize, clone: BorrowedFd<'_>) -> Result<(), Errno> {
    let index = u16::try_from(index).map_err(|_| Errno::RANGE)?;
    sys::socket::send(socket, &Message::MapIds(index).to_bytes(), &[clone])?;
    if hear(socket) == Some(MOUNT_IS_MAPPED) { Ok(()) } else { Err(Errno::PERM) }
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
    let links = if Defence::PlainProc.is_on() { plan.links } else { Links::Follow };
    match path::open(root, &plan.destination, OFlags::PATH, links) {
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

fn attach_new(
    mount: BorrowedFd<'_>,
    target: BorrowedFd<'_>,
    propagation: &[(Propagation, Reach)],
) -> Result<(), Errno> {
    tree::attach(mount, target)?;
    for (propagation, reach) in propagation {
        let change = AttributeChange { propagation: Some(*propagation), ..AttributeChange::default() };
        change_attributes(mount, *reach, change)?;
    }
    Ok(())
}

/// Mounts it, with the mode of `like` where that is given.
fn mount_new(filesystem: &NewFilesystem, like: Option<BorrowedFd<'_>>) -> Result<OwnedFd, Errno> {
    if let Some(like) = like {
        let mut digits = [0; 6];
        let mode = octal(fstat(like)?.st_mode & 0o7777, &mut digits);
        filesystem.mount_with(Some((c"mode", mode)))
    } else {
        filesystem.mount()
    }
}

/// A mode in octal digits, as file systems read it.
fn octal(mode: u32, buffer: &mut [u8; 6]) -> &CStr {
    for (place, digit) in buffer.iter_mut().take(5).enumerate() {
        let shift = 12 - 3 * u32::try_from(place).unwrap_or(0);
        *digit = b'0' + u8::try_from(mode >> shift & 7).unwrap_or(0);
    }
    CStr::from_bytes_until_nul(buffer).unwrap_or(c"0755")
}

/// Docker and runc make the working folder if the image lacks it.
fn ensure_work_folder(root: BorrowedFd<'_>, folder: &CStr) -> Result<(), Failure> {
    match ensure(root, folder, Target::Folder) {
        // Links of procfs are refused later, when the folder is entered.
        Ok(_) | Err(Errno::LOOP | Errno::XDEV) => Ok(()),
        Err(errno) => Err(Step::WorkFolder.failed()(errno)),
    }
}

fn write_sysctls(root: BorrowedFd<'_>, sysctls: &[(CString, Vec<u8>)]) -> Result<(), Failure> {
    if sysctls.is_empty() {
        return Ok(());
    }
    let failed = Step::Sysctl.failed();
    let proc = open_folder(root, c"/proc").map_err(&failed)?;
    for (index, (file, value)) in sysctls.iter().enumerate() {
        let failed = Step::Sysctl.failed_at(index);
        let file = path::open(proc.as_fd(), file, OFlags::WRONLY, Links::Refuse).map_err(&failed)?;
        // The file itself: what a stranger mounts there is no parameter of the kernel's.
        if Defence::RealProcfs.is_on() && fstatfs(&file).map_err(&failed)?.f_type != PROCFS {
            return Err(failed(Errno::NODEV));
        }
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
    if !Defence::RealNull.is_on() {
        return Ok(null);
    }
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
