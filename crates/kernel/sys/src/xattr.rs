//! Extended attributes of open files, as owned bytes.

use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;

use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fsetxattr};
use rustix::io::Errno;

/// The names of all attributes of a file. `flistxattr(2)`.
///
/// # Errors
/// EBADF for path-only descriptors, OPNOTSUPP where the file system has none.
pub fn list(file: BorrowedFd<'_>) -> Result<Vec<CString>, Errno> {
    let bytes = grow(|buffer| flistxattr(file, buffer))?;
    Ok(bytes
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .filter_map(|name| CString::new(name).ok())
        .collect())
}

/// The value of an attribute. `fgetxattr(2)`.
///
/// # Errors
/// NODATA when there is none of that name.
pub fn get(file: BorrowedFd<'_>, name: &CStr) -> Result<Vec<u8>, Errno> {
    grow(|buffer| fgetxattr(file, name, buffer))
}

/// Sets an attribute, new or not. `fsetxattr(2)`.
///
/// # Errors
/// PERM, OPNOTSUPP, NOSPC.
pub fn set(file: BorrowedFd<'_>, name: &CStr, value: &[u8]) -> Result<(), Errno> {
    fsetxattr(file, name, value, XattrFlags::empty())
}

/// Calls with larger and larger buffers, up to the kernel's limit of 64 KiB.
fn grow(mut read: impl FnMut(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; 256];
    loop {
        match read(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
            Err(Errno::RANGE) if buffer.len() < 1 << 16 => buffer.resize(buffer.len() * 4, 0),
            Err(errno) => return Err(errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn attributes_are_listed_and_read_as_they_were_set() {
        let file = rustix::fs::memfd_create(c"x", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let long = vec![7; 3000];
        match set(file.as_fd(), c"trusted.gantry", &long) {
            Err(Errno::OPNOTSUPP) => return,
            other => other.unwrap(),
        }
        assert_eq!(list(file.as_fd()).unwrap(), [c"trusted.gantry".to_owned()]);
        assert_eq!(get(file.as_fd(), c"trusted.gantry").unwrap(), long);
        assert_eq!(get(file.as_fd(), c"trusted.other"), Err(Errno::NODATA));
    }
}
