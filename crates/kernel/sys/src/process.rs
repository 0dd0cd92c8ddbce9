//! Births and transformations of processes: clone3, namespaces, exec, signals.

use std::ffi::{CStr, CString, NulError, c_char};
use std::fmt;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::io::Errno;

/// A set of namespaces, as the `CLONE_NEW…` bits of clone(2) and unshare(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Namespaces(u64);

impl Namespaces {
    /// None at all.
    pub const NONE: Self = Self(0);
    /// Mounts.
    pub const MOUNT: Self = Self(libc::CLONE_NEWNS as u64);
    /// The view of the cgroup tree.
    pub const CGROUP: Self = Self(libc::CLONE_NEWCGROUP as u64);
    /// Host name.
    pub const UTS: Self = Self(libc::CLONE_NEWUTS as u64);
    /// System V IPC and POSIX queues.
    pub const IPC: Self = Self(libc::CLONE_NEWIPC as u64);
    /// User and group ids.
    pub const USER: Self = Self(libc::CLONE_NEWUSER as u64);
    /// Process ids.
    pub const PID: Self = Self(libc::CLONE_NEWPID as u64);
    /// Links, addresses, rules.
    pub const NETWORK: Self = Self(libc::CLONE_NEWNET as u64);
    /// Clock offsets; only clone3(2) and unshare(2) know it. Linux 5.6.
    pub const TIME: Self = Self(libc::CLONE_NEWTIME as u64);

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set without the members of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether every member of `other` is in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether the set has no member.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// The kernel's `struct clone_args`, version 2 (Linux 5.7).
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// What the child of [`clone_process`] is born into.
#[derive(Debug, Clone, Copy, Default)]
pub struct Birth<'a> {
    /// New namespaces.
    pub namespaces: Namespaces,
    /// A cgroup v2 folder to be born in (`CLONE_INTO_CGROUP`, Linux 5.7).
    pub cgroup: Option<BorrowedFd<'a>>,
    /// Whether its parent is that of the caller (`CLONE_PARENT`).
    pub is_sibling: bool,
}

/// A new child process.
#[derive(Debug)]
pub struct Child {
    /// Its id in the caller's PID namespace.
    pub pid: u32,
    /// Its handle; readable when it has ended.
    pub pidfd: OwnedFd,
}

/// Ends the process without unwinding further, should the child's code panic.
struct ExitOnUnwind;

impl Drop for ExitOnUnwind {
    fn drop(&mut self) {
        exit_now(255);
    }
}

/// Creates a child process that runs `body` on a copy of the caller's memory and exits with its result.
/// `clone3(2)` with `CLONE_PIDFD`, Linux 5.3.
///
/// The caller must be single-threaded: a lock that another thread holds stays locked in the child for ever,
/// the allocator's included. `body` should therefore allocate nothing and take no lock in any case. Handlers of
/// signals are reset in the child; ignored signals and the mask are not (see [`reset_signals`]).
///
/// # Errors
/// The kernel's: EPERM, EAGAIN, ENOSPC (too many nested namespaces), EBUSY (cgroup) …
pub fn clone_process(birth: Birth<'_>, body: impl FnOnce() -> i32) -> Result<Child, Errno> {
    const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let mut pidfd: RawFd = -1;
    let mut arguments = CloneArgs {
        flags: birth.namespaces.0 | libc::CLONE_PIDFD as u64 | CLONE_CLEAR_SIGHAND,
        pidfd: &raw mut pidfd as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    };
    if birth.is_sibling {
        arguments.flags |= libc::CLONE_PARENT as u64;
        // The caller's own.
        arguments.exit_signal = 0;
    }
    if let Some(cgroup) = birth.cgroup {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: `arguments` is a live `clone_args` of the given size whose only pointer is `pidfd`, also live. Without
    // CLONE_VM the child has its own copy of all memory, stack included, so that returning twice is sound.
    let mut result = unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<CloneArgs>()) };
    // Filters of containers answer so, since they cannot look into the arguments; the older call knows no cgroup.
    if result < 0 && birth.cgroup.is_none() && !birth.is_sibling && last_error() == Errno::NOSYS {
        let flags = birth.namespaces.0 | libc::CLONE_PIDFD as u64 | libc::SIGCHLD as u64;
        let none = ptr::null_mut::<RawFd>();
        // SAFETY: as above; the third argument is where the handle is stored on every architecture, the fourth and
        // fifth are not looked at.
        result = unsafe { libc::syscall(libc::SYS_clone, flags, none, &raw mut pidfd, none, none) };
    }
    match result {
        0 => {
            let guard = ExitOnUnwind;
            let code = body();
            std::mem::forget(guard);
            exit_now(code)
        }
        pid if pid > 0 => {
            // SAFETY: the kernel has stored a new descriptor there, which nobody else owns.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Child { pid: u32::try_from(pid).unwrap_or(0), pidfd })
        }
        _ => Err(last_error()),
    }
}

/// Ends the process at once: no destructors, no buffers flushed. `exit_group(2)`.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: ends the process; nothing runs afterwards that could see broken state.
    unsafe { libc::_exit(code) }
}

/// Moves the calling thread into new namespaces. `unshare(2)`.
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN, EINVAL for kinds a multi-threaded process cannot leave (user).
pub fn unshare(namespaces: Namespaces) -> Result<(), Errno> {
    // SAFETY: only namespace bits can be set, which touch no memory and no descriptor.
    check(unsafe { libc::unshare(namespaces.0 as libc::c_int) })
}

/// Moves the calling thread into a namespace, by its file; `kind` must match unless empty. `setns(2)`.
/// A PID namespace takes effect for children.
///
/// # Errors
/// EINVAL for a wrong kind, EPERM.
pub fn join_namespace(namespace: BorrowedFd<'_>, kind: Namespaces) -> Result<(), Errno> {
    // SAFETY: takes integers only.
    check(unsafe { libc::setns(namespace.as_raw_fd(), kind.0 as libc::c_int) })
}

/// Moves the calling thread into several namespaces of a process at once. `setns(2)` on a pidfd, Linux 5.8.
///
/// # Errors
/// ESRCH when the process is gone, EPERM.
pub fn join_namespaces_of(pidfd: BorrowedFd<'_>, kinds: Namespaces) -> Result<(), Errno> {
    join_namespace(pidfd, kinds)
}

/// Strings laid out as execve(2) wants them; built before the clone, so that exec needs no memory.
pub struct StringArray {
    /// Own the bytes that `pointers` points to; never changed after the construction.
    strings: Vec<CString>,
    pointers: Vec<*const c_char>,
}

impl StringArray {
    /// Copies the strings.
    ///
    /// # Errors
    /// A string with a NUL byte in it.
    pub fn new<S: AsRef<[u8]>>(strings: impl IntoIterator<Item = S>) -> Result<Self, NulError> {
        let strings =
            strings.into_iter().map(|text| CString::new(text.as_ref())).collect::<Result<Vec<_>, _>>()?;
        let pointers = strings.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect();
        Ok(Self { strings, pointers })
    }

    /// The strings.
    #[must_use]
    pub fn strings(&self) -> &[CString] {
        &self.strings
    }
}

impl fmt::Debug for StringArray {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(&self.strings).finish()
    }
}

/// Replaces the program of this process; returns only with the reason why not. `execve(2)`.
pub fn execute(program: &CStr, arguments: &StringArray, environment: &StringArray) -> Errno {
    // SAFETY: `program` and all strings are NUL-terminated and live, both arrays end with a null pointer.
    unsafe { libc::execve(program.as_ptr(), arguments.pointers.as_ptr(), environment.pointers.as_ptr()) };
    last_error()
}

/// Replaces the program of this process by an open file. `execveat(2)` with `AT_EMPTY_PATH`, Linux 3.19.
pub fn execute_file(program: BorrowedFd<'_>, arguments: &StringArray, environment: &StringArray) -> Errno {
    // SAFETY: as in `execute`; the path is an empty literal.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program.as_raw_fd(),
            c"".as_ptr(),
            arguments.pointers.as_ptr(),
            environment.pointers.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    last_error()
}

/// Gives every signal its default action and blocks none, as a fresh program expects.
///
/// Handlers and exec do not suffice: ignored signals (the standard library ignores SIGPIPE) and the mask survive exec.
pub fn reset_signals() {
    // The kernel's `struct sigaction`, all zeros: SIG_DFL, no flags, no restorer, an empty mask.
    let default = [0_u64; 4];
    for signal in 1..=64 {
        // SIGKILL and SIGSTOP refuse; nothing is lost. Not by the C library, which would also refuse the two signals
        // that it keeps for itself and that a parent may have ignored.
        // SAFETY: `default` is as long as the structure and only read; SIG_DFL installs no code.
        unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), ptr::null_mut::<u64>(), 8_usize)
        };
    }
    let mut none = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: points to a live signal set.
    unsafe { libc::sigemptyset(none.as_mut_ptr()) };
    // SAFETY: the set is initialised; no old set is asked for.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut()) };
}

/// Has the signals that ask a process to end do so, with 128 and their number as exit code, until exec.
///
/// The first process of a PID namespace does not hear those of its own default action.
pub fn end_on_signals() {
    extern "C" fn end(signal: libc::c_int) {
        // SAFETY: `_exit` may be called in a handler, and does not return.
        unsafe { libc::_exit(128 + signal) }
    }
    let handler: extern "C" fn(libc::c_int) = end;
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
        // SAFETY: the handler is of the form that is expected, and only calls what a handler may.
        unsafe { libc::signal(signal, handler as libc::sighandler_t) };
    }
}

/// Marks every descriptor from `first` on close-on-exec. `close_range(2)` with `CLOSE_RANGE_CLOEXEC`, Linux 5.11;
/// before that one by one, up to the limit of open files.
///
/// # Errors
/// None on kernels in use.
pub fn close_on_exec_from(first: u32) -> Result<(), Errno> {
    // SAFETY: takes integers only; no descriptor is closed before exec.
    match check_long(unsafe {
        libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC)
    }) {
        Err(Errno::INVAL | Errno::NOSYS) => close_each_on_exec_from(first),
        other => other,
    }
}

/// Closes every descriptor from `first` to `last`. `close_range(2)`, Linux 5.9.
///
/// For a child that does nothing else any more: whatever owns those descriptors in its copy of memory must not use or
/// close them again.
///
/// # Errors
/// ENOSYS before Linux 5.9.
pub fn close_between(first: u32, last: u32) -> Result<(), Errno> {
    // SAFETY: takes integers only. The caller promises that no owner of a descriptor acts on it afterwards.
    check_long(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) })
}

/// Closes every descriptor from `first` on; see [`close_between`].
///
/// # Errors
/// ENOSYS before Linux 5.9.
pub fn close_from(first: u32) -> Result<(), Errno> {
    close_between(first, u32::MAX)
}

fn close_each_on_exec_from(first: u32) -> Result<(), Errno> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(1 << 20);
    for fd in RawFd::try_from(first).unwrap_or(RawFd::MAX)..RawFd::try_from(limit).unwrap_or(RawFd::MAX) {
        // SAFETY: changes a flag of a descriptor that stays open; a number that is none is refused.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok(())
}

/// Makes `source` the descriptor `target` (0, 1 or 2), which survives exec. `dup3(2)`.
///
/// # Errors
/// EBADF.
pub fn replace_standard_stream(source: BorrowedFd<'_>, target: u32) -> Result<(), Errno> {
    let target = if target > 2 { return Err(Errno::BADF) } else { target as RawFd };
    if source.as_raw_fd() == target {
        // SAFETY: only changes the close-on-exec flag of a descriptor that stays open.
        return check(unsafe { libc::fcntl(target, libc::F_SETFD, 0) });
    }
    // SAFETY: the standard streams are not owned by anybody (std reopens none of them), replacing them is their use.
    check(unsafe { libc::dup2(source.as_raw_fd(), target) })
}

/// Sets the execution domain. `personality(2)`.
///
/// # Errors
/// EINVAL where the kernel has no such domain.
pub fn set_personality(domain: u32) -> Result<(), Errno> {
    // SAFETY: takes an integer only.
    check(unsafe { libc::personality(libc::c_ulong::from(domain)) })
}

/// Joins a new session keyring of that name. `keyctl(2)`, `KEYCTL_JOIN_SESSION_KEYRING`.
///
/// # Errors
/// ENOSYS without keyrings, EDQUOT.
pub fn join_session_keyring(name: &CStr) -> Result<(), Errno> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
    // SAFETY: `name` is NUL-terminated; the kernel only reads it.
    check_long(unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr()) })
}

/// A limit that does not limit.
pub const UNLIMITED: u64 = u64::MAX;

/// Sets a resource limit of a process (0: the caller) by the kernel's number (`RLIMIT_…`). `prlimit(2)`.
///
/// # Errors
/// EPERM when a hard limit would be raised without CAP_SYS_RESOURCE, EINVAL when soft is above hard.
pub fn set_limit(pid: u32, resource: u32, soft: u64, hard: u64) -> Result<(), Errno> {
    let limit = libc::rlimit64 { rlim_cur: soft, rlim_max: hard };
    // SAFETY: `limit` is live and only read; no old value is asked for.
    check_long(unsafe {
        libc::syscall(libc::SYS_prlimit64, pid, resource, &raw const limit, ptr::null_mut::<libc::rlimit64>())
    })
}

/// Sends any signal, real-time ones included, to a process by its handle; 0 only asks. `pidfd_send_signal(2)`, Linux 5.1.
///
/// # Errors
/// ESRCH when it is gone, EINVAL for a number that is no signal.
pub fn signal_pidfd(pidfd: BorrowedFd<'_>, signal: i32) -> Result<(), Errno> {
    // SAFETY: takes integers and no information about the signal.
    check_long(unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            ptr::null::<libc::siginfo_t>(),
            0_u32,
        )
    })
}

/// Kills with SIGKILL or signals every process of a group of ids: a plain `kill(2)` for pids known to be children
/// or members of a frozen group.
///
/// # Errors
/// ESRCH when it is gone.
pub fn signal_pid(pid: u32, signal: i32) -> Result<(), Errno> {
    let pid = libc::pid_t::try_from(pid).map_err(|_| Errno::SRCH)?;
    if pid <= 0 {
        return Err(Errno::SRCH);
    }
    // SAFETY: takes integers only.
    check(unsafe { libc::kill(pid, signal) })
}

pub(crate) fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL)
}

pub(crate) fn check(result: libc::c_int) -> Result<(), Errno> {
    if result < 0 { Err(last_error()) } else { Ok(()) }
}

pub(crate) fn check_long(result: libc::c_long) -> Result<(), Errno> {
    if result < 0 { Err(last_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use rustix::process::{WaitId, WaitIdOptions, waitid};

    use super::*;

    #[test]
    fn a_child_runs_its_body_and_is_waited_for_by_its_handle() {
        let child = clone_process(Birth::default(), || 42).unwrap();
        let status = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED).unwrap().unwrap();
        assert_eq!(status.exit_status(), Some(42));
    }

    #[test]
    fn a_panic_in_the_child_does_not_run_the_callers_code() {
        let child = clone_process(Birth::default(), || std::panic::resume_unwind(Box::new(1))).unwrap();
        let status = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED).unwrap().unwrap();
        assert_eq!(status.exit_status(), Some(255));
    }

    #[test]
    fn descriptors_are_marked_in_either_way() {
        let child = clone_process(Birth::default(), || {
            let open = || rustix::io::dup(rustix::stdio::stdin());
            let is_marked = |fd: &OwnedFd| {
                rustix::io::fcntl_getfd(fd).is_ok_and(|flags| flags.contains(rustix::io::FdFlags::CLOEXEC))
            };
            let (Ok(one), Ok(two)) = (open(), open()) else { return 1 };
            let is_first_plain = !is_marked(&one) && close_on_exec_from(3).is_ok() && is_marked(&one);
            let Ok(three) = open() else { return 2 };
            let is_second = !is_marked(&three) && close_each_on_exec_from(3).is_ok() && is_marked(&three);
            i32::from(!(is_first_plain && is_second && is_marked(&two)))
        })
        .unwrap();
        let status = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED).unwrap().unwrap();
        assert_eq!(status.exit_status(), Some(0));
    }

    #[test]
    fn the_first_process_of_a_namespace_can_be_asked_to_end() {
        let birth = Birth { namespaces: Namespaces::PID, ..Birth::default() };
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let child = clone_process(birth, || {
            end_on_signals();
            let _ = rustix::io::write(&writer, b"r");
            loop {
                let _ = rustix::event::poll(&mut [], None);
            }
        })
        .unwrap();
        assert_eq!(rustix::io::read(&reader, &mut [0; 1]), Ok(1));
        signal_pidfd(child.pidfd.as_fd(), libc::SIGTERM).unwrap();
        let status = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED).unwrap().unwrap();
        assert_eq!(status.exit_status(), Some(128 + libc::SIGTERM));
    }

    #[test]
    fn sets_of_namespaces_add_and_subtract() {
        let set = Namespaces::PID.and(Namespaces::UTS);
        assert!(set.contains(Namespaces::UTS) && !set.contains(Namespaces::USER));
        assert!(set.without(Namespaces::PID).without(Namespaces::UTS).is_empty());
    }
}
