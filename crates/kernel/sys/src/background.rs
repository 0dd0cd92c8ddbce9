//! What a small process does to stand on its own for a long time: let go of what it inherited, keep its memory small.

use std::os::fd::OwnedFd;

use rustix::io::Errno;

use crate::process::check_long;

/// Closes every descriptor from `first` on. `close_range(2)`, Linux 5.9.
///
/// For a process that has just begun: whatever stands there was left open by the one that started it. `keep` shows
/// that the caller's own descriptors are below `first`.
///
/// # Errors
/// EINVAL when one of `keep` is not.
pub fn close_inherited(first: u32, keep: &[&OwnedFd]) -> Result<(), Errno> {
    use std::os::fd::AsRawFd;
    if keep.iter().any(|fd| u32::try_from(fd.as_raw_fd()).is_ok_and(|number| number >= first)) {
        return Err(Errno::INVAL);
    }
    // SAFETY: the caller has just begun and owns nothing from `first` on; what is closed here belongs to nobody.
    check_long(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) })
}

/// Ignores signals that ask a program to end, so that only the program's own work ends it.
pub fn ignore_requests_to_end() {
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
        // SAFETY: SIG_IGN installs no code.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Has the kernel forget each child as it ends; nobody can wait for one then. Passed on to children, who undo it with
/// [`wait_for_children`].
pub fn leave_no_zombies() {
    // SAFETY: SIG_IGN installs no code.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
}

/// Has the kernel keep what children end with until somebody waits for it: the usual way.
pub fn wait_for_children() {
    // SAFETY: SIG_DFL installs no code.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}

/// Has the allocator keep little: one arena, large blocks straight from the kernel and back to it.
pub fn keep_heap_small() {
    let blocks = 32 * 1024;
    for (parameter, value) in [
        (libc::M_ARENA_MAX, 1),
        (libc::M_MMAP_THRESHOLD, blocks),
        (libc::M_TRIM_THRESHOLD, blocks),
        (libc::M_TOP_PAD, 4096),
    ] {
        // SAFETY: takes integers only.
        unsafe { libc::mallopt(parameter, value) };
    }
}

/// Has the threads of a larger process share a few arenas of the heap, and free pages go back to the kernel early.
pub fn share_heap(arenas: i32) {
    for (parameter, value) in [(libc::M_ARENA_MAX, arenas), (libc::M_TRIM_THRESHOLD, 128 * 1024)] {
        // SAFETY: takes integers only.
        unsafe { libc::mallopt(parameter, value) };
    }
}

/// Gives freed memory of the heap back to the kernel, also from between blocks in use.
pub fn return_free_memory() {
    // SAFETY: takes an integer only.
    unsafe { libc::malloc_trim(0) };
}

/// Gives the part of the stack that nothing uses any more back to the kernel; without a word when the caller is not on
/// the process's first stack. A deep call leaves its pages behind otherwise, as long as the process lives.
#[inline(never)]
pub fn return_unused_stack() {
    /// For what the calls from here on need.
    const MARGIN: usize = 16 * 1024;
    /// Less than the megabyte below a stack that the kernel keeps free of mappings (`stack_guard_gap`).
    const REACH: usize = 512 * 1024;
    /// Stacks of threads, and the mappings that they are among, are at least 128 MB below the first stack.
    const LONGEST: usize = 8 * 1024 * 1024;
    const PAGE: usize = 4096;
    let local = 0_u8;
    let here = (&raw const local).addr();
    // SAFETY: takes an integer only.
    let base = unsafe { libc::getauxval(libc::AT_RANDOM) };
    let depth = usize::try_from(base).ok().and_then(|base| base.checked_sub(here));
    if depth.is_none_or(|depth| depth >= LONGEST) {
        return;
    }
    let end = (here - MARGIN) & !(PAGE - 1);
    let start = std::ptr::without_provenance_mut(end - REACH);
    // SAFETY: the range ends below every live frame of this stack: the kernel placed 16 random bytes (AT_RANDOM) right
    // above its first frame, and `here` is not far below them. It reaches no further down than the gap below the
    // stack, where nothing is mapped. Pages that are used again come as zeros.
    unsafe { libc::madvise(start, REACH, libc::MADV_DONTNEED) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stack_of_a_thread_is_left_alone() {
        let page = std::hint::black_box([7_u8; 4096]);
        return_unused_stack();
        assert!(page.iter().all(|byte| *byte == 7));
    }

    #[test]
    fn descriptors_that_are_in_use_are_not_closed() {
        let mine = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        assert_eq!(close_inherited(0, &[&mine]), Err(Errno::INVAL));
    }
}
