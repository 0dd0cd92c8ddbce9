//! Our own executable, out of a container's reach.
//!
//! A process that enters a container still runs our executable until it executes the container's program. A container
//! can make it execute `/proc/self/exe` (as the interpreter of a script), keep a descriptor of it, and write to the host's
//! file later. Whoever starts the process that calls [`crate::create()`] and [`crate::exec()`] therefore executes this
//! descriptor in place of the path: it is on a read-only mount of its own, so that it can never be opened for writing.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use mount::tree;
use rustix::fs::{StatVfsMountFlags, statvfs};
use rustix::io::Errno;
use sys::mount::{AttributeChange, READ_ONLY, Reach, change_attributes};
use sys::process::{StringArray, execute_file};

/// The executable of this process on a read-only mount that is attached nowhere; for `execveat(2)`.
///
/// # Errors
/// The kernel's; NOSYS before Linux 5.12.
pub fn own_executable() -> Result<OwnedFd, Errno> {
    let clone = tree::clone_path(Path::new("/proc/self/exe"), Reach::One)?;
    let change = AttributeChange { set: READ_ONLY, ..AttributeChange::default() };
    change_attributes(clone.as_fd(), Reach::One, change)?;
    Ok(clone)
}

/// Goes on as the same program from where no container can write to it: executes it again, with the same words, unless it
/// runs from a read-only mount already. To be called before anything is done or opened that would be lost.
///
/// # Errors
/// The kernel's, when it refuses such a mount; the program is the plain file then.
pub fn go_on_sealed() -> Result<(), Errno> {
    if statvfs("/proc/self/exe")?.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Ok(());
    }
    let program = own_executable()?;
    let words = StringArray::new(std::env::args_os().map(OsString::into_vec)).map_err(|_| Errno::INVAL)?;
    let entry = |(mut name, value): (OsString, OsString)| {
        name.push("=");
        name.push(value);
        name.into_vec()
    };
    let environment = StringArray::new(std::env::vars_os().map(entry)).map_err(|_| Errno::INVAL)?;
    Err(execute_file(program.as_fd(), &words, &environment))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn the_sealed_executable_is_ours_and_cannot_be_written() {
        let sealed = own_executable().unwrap();
        let path = format!("/proc/self/fd/{}", sealed.as_raw_fd());
        let own = std::fs::metadata("/proc/self/exe").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), own.len());
        let error = std::fs::OpenOptions::new().append(true).open(&path).unwrap_err();
        assert!(
            [Errno::ROFS, Errno::TXTBSY].iter().any(|one| error.raw_os_error() == Some(one.raw_os_error()))
        );
    }
}
