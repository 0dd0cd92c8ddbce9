//! Installing system call filters, and answering the calls they ask about.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

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

/// A call that waits for an answer: the kernel's `struct seccomp_notif`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WaitingCall {
    /// Names the call in its answer.
    pub id: u64,
    /// The thread, in the caller's PID namespace.
    pub pid: u32,
    flags: u32,
    /// Which call.
    pub number: i32,
    /// `AUDIT_ARCH_…`
    pub arch: u32,
    /// Where the thread is.
    pub instruction: u64,
    /// As given; what they point to may change any time.
    pub arguments: [u64; 6],
}

/// The kernel's `struct seccomp_notif_resp`.
#[repr(C)]
struct Response {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

/// What a waiting call gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallAnswer {
    /// It goes on as if nobody had asked.
    Continue,
    /// It fails.
    Fails(Errno),
    /// It gives this, and nothing is done.
    Gives(i64),
}

const RECEIVE: libc::c_ulong = 0xc050_2100;
const SEND: libc::c_ulong = 0xc018_2101;
const CONTINUE: u32 = 1;

/// Waits for the next call that a filter asks its listener about. `SECCOMP_IOCTL_NOTIF_RECV`, Linux 5.0.
///
/// # Errors
/// NOENT when nobody is left who could call, INTR.
pub fn await_call(listener: BorrowedFd<'_>) -> Result<WaitingCall, Errno> {
    let mut call = WaitingCall::default();
    // SAFETY: the kernel fills the 80 bytes of `call`, which is live, zeroed and laid out as it wants it.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), RECEIVE as _, &raw mut call) };
    if result < 0 { Err(last_error()) } else { Ok(call) }
}

/// Answers a call. `SECCOMP_IOCTL_NOTIF_SEND`, Linux 5.0; to continue, Linux 5.5.
///
/// # Errors
/// NOENT when the caller is gone.
pub fn answer_call(listener: BorrowedFd<'_>, id: u64, answer: CallAnswer) -> Result<(), Errno> {
    let (value, error, flags) = match answer {
        CallAnswer::Continue => (0, 0, CONTINUE),
        CallAnswer::Fails(errno) => (0, -errno.raw_os_error(), 0),
        CallAnswer::Gives(value) => (value, 0, 0),
    };
    let response = Response { id, value, error, flags };
    // SAFETY: the kernel reads the 24 bytes of `response`, which is live and laid out as it wants it.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), SEND as _, &raw const response) };
    if result < 0 { Err(last_error()) } else { Ok(()) }
}
