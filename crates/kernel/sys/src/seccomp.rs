//! Installing system call filters.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use rustix::io::Errno;

use crate::process::last_error;

/// One instruction of classic BPF: the kernel's `struct sock_filter`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions to skip when a jump's test holds.
    pub jump_true: u8,
    /// And when it does not.
    pub jump_false: u8,
    /// Operand.
    pub operand: u32,
}

#[repr(C)]
struct Program {
    length: u16,
    filter: *const Instruction,
}

/// Also logs actions other than allow (`SECCOMP_FILTER_FLAG_LOG`).
pub const FLAG_LOG: u32 = 1 << 1;
/// Leaves speculative store bypass as it is (`SECCOMP_FILTER_FLAG_SPEC_ALLOW`).
pub const FLAG_SPEC_ALLOW: u32 = 1 << 2;
/// Returns a notification descriptor (`SECCOMP_FILTER_FLAG_NEW_LISTENER`).
pub const FLAG_NEW_LISTENER: u32 = 1 << 3;
/// A notified call can only be interrupted by fatal signals (`SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`), Linux 5.19.
pub const FLAG_WAIT_KILLABLE_RECV: u32 = 1 << 5;

/// Whether the kernel knows this flag: it then complains about the missing program first.
#[must_use]
pub fn is_flag_known(flag: u32) -> bool {
    // SAFETY: without a program nothing is installed; the kernel looks at the flags and then finds that there is none.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flag, std::ptr::null::<Program>())
    };
    result < 0 && last_error() == Errno::FAULT
}

/// Installs a filter on the calling thread, for ever; children inherit it. `seccomp(2)`, Linux 3.17.
///
/// Gives the notification descriptor when [`FLAG_NEW_LISTENER`] is set.
///
/// # Errors
/// EACCES without CAP_SYS_ADMIN or no-new-privileges, EINVAL for a malformed program or unknown flags.
pub fn install(filter: &[Instruction], flags: u32) -> Result<Option<OwnedFd>, Errno> {
    let length = u16::try_from(filter.len()).map_err(|_| Errno::INVAL)?;
    let program = Program { length, filter: filter.as_ptr() };
    // SAFETY: `program` is a live `sock_fprog` that describes a live slice; the kernel copies and verifies it.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    match result {
        0 => Ok(None),
        fd if fd > 0 && flags & FLAG_NEW_LISTENER != 0 => {
            let fd = RawFd::try_from(fd).map_err(|_| Errno::BADF)?;
            // SAFETY: with that flag a positive answer is a new descriptor, which nobody else owns.
            Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) }))
        }
        _ => Err(last_error()),
    }
}
