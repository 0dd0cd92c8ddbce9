//! Bind mounts: a clone is changed as its options say, then attached. Allocates nothing: child and parent do it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use mount::path::{self, Links, Target};
use mount::tree;
use rustix::fs::{FileType, OFlags, fstat, fstatvfs};
use rustix::io::Errno;
use sys::mount::{AttributeChange, Reach, change_attributes};

use crate::plan::{BindPlan, attributes_of};

/// Maps the ids of a clone.
pub(crate) type MapIds<'a> = dyn Fn(BorrowedFd<'_>, Reach) -> Result<(), Errno> + 'a;

/// Gives a fresh clone the ids, attributes and propagation of the plan; tells what it has to be attached to.
pub(crate) fn change_clone(
    clone: BorrowedFd<'_>,
    bind: &BindPlan,
    map: Option<&MapIds<'_>>,
) -> Result<Target, Errno> {
    let change = |reach, change: AttributeChange| {
        if change == AttributeChange::default() { Ok(()) } else { change_attributes(clone, reach, change) }
    };
    if let (Some(map), Some((_, reach))) = (map, &bind.ids) {
        map(clone, *reach)?;
    }
    let source =
        if bind.attributes.asks_source() { attributes_of(fstatvfs(clone)?.f_flag.bits()) } else { 0 };
    change(Reach::One, bind.attributes.on(source).ok_or(Errno::PERM)?)?;
    change(Reach::Tree, bind.recursive)?;
    for (propagation, reach) in &bind.propagation {
        let propagation = AttributeChange { propagation: Some(*propagation), ..AttributeChange::default() };
        change(*reach, propagation)?;
    }
    let is_folder = FileType::from_raw_mode(fstat(clone)?.st_mode) == FileType::Directory;
    Ok(if is_folder { Target::Folder } else { Target::File })
}

/// Clones a place of the root file system as the mounts before have left it.
pub(super) fn clone_inside(
    root: BorrowedFd<'_>,
    bind: &BindPlan,
    map: Option<&MapIds<'_>>,
) -> Result<(OwnedFd, Target), Errno> {
    let source = bind.inside.as_deref().ok_or(Errno::NOENT)?;
    let place = path::open(root, source, OFlags::PATH, Links::Follow)?;
    let clone = tree::clone_place(place.as_fd(), bind.reach)?;
    let target = change_clone(clone.as_fd(), bind, map)?;
    Ok((clone, target))
}
