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
const PROG_GET_FD_BY_ID: libc::c_int = 13;
const PROG_QUERY: libc::c_int = 16;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const CGROUP_DEVICE: u32 = 6;
const F_ALLOW_MULTI: u32 = 1 << 1;
const F_REPLACE: u32 = 1 << 2;
/// The most programs the kernel attaches to one folder.
const MOST_PROGRAMS: u32 = 64;

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

/// `union bpf_attr` for `BPF_PROG_QUERY`, up to the programs' own flags.
#[repr(C)]
struct QueryAttr {
    target_fd: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    program_ids: u64,
    program_count: u32,
    padding: u32,
}

/// `union bpf_attr` for `BPF_PROG_GET_FD_BY_ID`.
#[repr(C)]
struct IdAttr {
    program_id: u32,
    next_id: u32,
    open_flags: u32,
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
    own(fd)
}

/// Takes the descriptor that a system call answered with.
fn own(answer: libc::c_long) -> Result<OwnedFd, Errno> {
    if answer < 0 {
        return Err(last_error());
    }
    let fd = RawFd::try_from(answer).map_err(|_| Errno::BADF)?;
    // SAFETY: a non-negative answer is a new descriptor, which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Attaches a device program to a cgroup v2 folder, beside those already there.
///
/// # Errors
/// EPERM, EBADF when the folder is none of cgroup v2.
pub fn attach_device_program(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<(), Errno> {
    change(PROG_ATTACH, cgroup, program, F_ALLOW_MULTI, None)
}

/// Puts a device program into the place of another one, with no moment without either. `BPF_F_REPLACE`, Linux 5.6.
///
/// # Errors
/// ENOENT when the other one is not attached there; EINVAL on older kernels.
pub fn replace_device_program(
    cgroup: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    old: BorrowedFd<'_>,
) -> Result<(), Errno> {
    change(PROG_ATTACH, cgroup, program, F_ALLOW_MULTI | F_REPLACE, Some(old))
}

/// The device programs attached to a cgroup v2 folder itself.
///
/// # Errors
/// EPERM, EBADF when the folder is none of cgroup v2; EINVAL before Linux 4.15.
pub fn device_programs(cgroup: BorrowedFd<'_>) -> Result<Vec<OwnedFd>, Errno> {
    let mut ids = [0u32; MOST_PROGRAMS as usize];
    let mut attributes = QueryAttr {
        target_fd: cgroup.as_raw_fd() as u32,
        attach_type: CGROUP_DEVICE,
        query_flags: 0,
        attach_flags: 0,
        program_ids: ids.as_mut_ptr() as u64,
        program_count: MOST_PROGRAMS,
        padding: 0,
    };
    // SAFETY: `attributes` is live and of the given size; it points to as many live integers as it says. Both are
    // written to by the kernel only during the call.
    check_long(unsafe {
        libc::syscall(libc::SYS_bpf, PROG_QUERY, &raw mut attributes, size_of::<QueryAttr>())
    })?;
    let count = usize::try_from(attributes.program_count).unwrap_or_default().min(ids.len());
    ids.iter().take(count).map(|id| open_program(*id)).collect()
}

fn open_program(program_id: u32) -> Result<OwnedFd, Errno> {
    let attributes = IdAttr { program_id, next_id: 0, open_flags: 0 };
    // SAFETY: `attributes` is live and of the given size; it holds integers only.
    own(unsafe {
        libc::syscall(libc::SYS_bpf, PROG_GET_FD_BY_ID, &raw const attributes, size_of::<IdAttr>())
    })
}

/// Detaches a device program from a cgroup v2 folder.
///
/// # Errors
/// ENOENT when it is not attached there.
pub fn detach_device_program(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<(), Errno> {
    change(PROG_DETACH, cgroup, program, 0, None)
}

fn change(
    command: libc::c_int,
    cgroup: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    flags: u32,
    old: Option<BorrowedFd<'_>>,
) -> Result<(), Errno> {
    let attributes = AttachAttr {
        target_fd: cgroup.as_raw_fd() as u32,
        program_fd: program.as_raw_fd() as u32,
        attach_type: CGROUP_DEVICE,
        attach_flags: flags,
        replace_fd: old.map_or(0, |old| old.as_raw_fd() as u32),
    };
    // SAFETY: `attributes` is live and of the given size; it holds integers only.
    check_long(unsafe {
        libc::syscall(libc::SYS_bpf, command, &raw const attributes, size_of::<AttachAttr>())
    })
}
