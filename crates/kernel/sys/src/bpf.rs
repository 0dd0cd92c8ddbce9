//! Device filters of cgroup v2: loading and attaching eBPF programs.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::Errno;

use crate::process::{check_long, last_error};

/// One instruction of eBPF: the kernel's `struct bpf_insn`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u8,
    /// Destination register in the low four bits, source in the high ones.
    pub registers: u8,
    /// Offset of a jump or an access.
    pub offset: i16,
    /// Operand.
    pub immediate: i32,
}

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_DETACH: libc::c_int = 9;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const CGROUP_DEVICE: u32 = 6;
const F_ALLOW_MULTI: u32 = 1 << 1;

/// The head of `union bpf_attr` for `BPF_PROG_LOAD`, up to the log fields.
#[repr(C)]
struct LoadAttr {
    prog_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buffer: u64,
    kernel_version: u32,
    flags: u32,
}

/// `union bpf_attr` for `BPF_PROG_ATTACH` and `BPF_PROG_DETACH`.
#[repr(C)]
struct AttachAttr {
    target_fd: u32,
    program_fd: u32,
    attach_type: u32,
    attach_flags: u32,
    replace_fd: u32,
}

/// Loads a program that decides on access to devices. `bpf(2)`, `BPF_PROG_TYPE_CGROUP_DEVICE`, Linux 4.15.
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN, EINVAL or EACCES when the verifier refuses.
pub fn load_device_program(program: &[Instruction]) -> Result<OwnedFd, Errno> {
    let attributes = LoadAttr {
        prog_type: PROG_TYPE_CGROUP_DEVICE,
        instruction_count: u32::try_from(program.len()).map_err(|_| Errno::INVAL)?,
        instructions: program.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log_buffer: 0,
        kernel_version: 0,
        flags: 0,
    };
    // SAFETY: `attributes` is live, of the given size, and points to a live slice and a literal; all are only read.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, PROG_LOAD, &raw const attributes, size_of::<LoadAttr>()) };
    if fd < 0 {
        return Err(last_error());
    }
    let fd = RawFd::try_from(fd).map_err(|_| Errno::BADF)?;
    // SAFETY: a non-negative answer is a new descriptor, which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Attaches a device program to a cgroup v2 folder, beside those already there.
///
/// # Errors
/// EPERM, EBADF when the folder is none of cgroup v2.
pub fn attach_device_program(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<(), Errno> {
    change(PROG_ATTACH, cgroup, program, F_ALLOW_MULTI)
}

/// Detaches a device program from a cgroup v2 folder.
///
/// # Errors
/// ENOENT when it is not attached there.
pub fn detach_device_program(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<(), Errno> {
    change(PROG_DETACH, cgroup, program, 0)
}

fn change(
    command: libc::c_int,
    cgroup: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    flags: u32,
) -> Result<(), Errno> {
    let attributes = AttachAttr {
        target_fd: cgroup.as_raw_fd() as u32,
        program_fd: program.as_raw_fd() as u32,
        attach_type: CGROUP_DEVICE,
        attach_flags: flags,
        replace_fd: 0,
    };
    // SAFETY: `attributes` is live and of the given size; it holds integers only.
    check_long(unsafe {
        libc::syscall(libc::SYS_bpf, command, &raw const attributes, size_of::<AttachAttr>())
    })
}
