//! Identity and privileges of the calling thread: ids, capability sets, no-new-privileges.

use rustix::io::Errno;
use rustix::process::{Gid, Uid};

use crate::process::{check, check_long};

/// A set of capabilities, bit n for capability number n (capability.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CapabilitySet(pub u64);

/// The three sets that capset(2) sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// What the kernel checks.
    pub effective: CapabilitySet,
    /// What may become effective.
    pub permitted: CapabilitySet,
    /// What is kept across exec of files that ask for it.
    pub inheritable: CapabilitySet,
}

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

const VERSION_3: u32 = 0x2008_0522;

/// Reads the capability sets of the calling thread. `capget(2)`.
///
/// # Errors
/// None on kernels in use.
pub fn capabilities() -> Result<Capabilities, Errno> {
    let mut header = Header { version: VERSION_3, pid: 0 };
    let mut data = [Data::default(); 2];
    // SAFETY: header and data are live and of the layout that version 3 asks for.
    check_long(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) })?;
    let join = |low: u32, high: u32| CapabilitySet(u64::from(low) | u64::from(high) << 32);
    Ok(Capabilities {
        effective: join(data[0].effective, data[1].effective),
        permitted: join(data[0].permitted, data[1].permitted),
        inheritable: join(data[0].inheritable, data[1].inheritable),
    })
}

/// Sets the capability sets of the calling thread. `capset(2)`.
///
/// # Errors
/// EPERM when a set grows beyond what is permitted.
pub fn set_capabilities(sets: Capabilities) -> Result<(), Errno> {
    let half = |shift: u32| Data {
        effective: (sets.effective.0 >> shift) as u32,
        permitted: (sets.permitted.0 >> shift) as u32,
        inheritable: (sets.inheritable.0 >> shift) as u32,
    };
    let mut header = Header { version: VERSION_3, pid: 0 };
    let data = [half(0), half(32)];
    // SAFETY: header and data are live and of the layout that version 3 asks for.
    check_long(unsafe { libc::syscall(libc::SYS_capset, &raw mut header, data.as_ptr()) })
}

/// Drops from the bounding set everything outside `keep`, up to the kernel's last capability `last`. `prctl(2)`.
///
/// # Errors
/// EPERM without CAP_SETPCAP.
pub fn limit_bounding_set(keep: CapabilitySet, last: u32) -> Result<(), Errno> {
    for capability in (0..=last.min(63)).filter(|capability| keep.0 & 1 << capability == 0) {
        // SAFETY: takes integers only.
        match check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(capability), 0, 0, 0) }) {
            Err(Errno::INVAL) => break,
            other => other?,
        }
    }
    Ok(())
}

/// Makes `set` the ambient set; members must be permitted and inheritable. `prctl(2)`, Linux 4.3.
///
/// # Errors
/// EPERM for others.
pub fn set_ambient(set: CapabilitySet) -> Result<(), Errno> {
    // SAFETY: takes integers only.
    check(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) })?;
    for capability in (0..64u64).filter(|capability| set.0 & 1 << capability != 0) {
        // SAFETY: takes integers only.
        check(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, capability, 0, 0) })?;
    }
    Ok(())
}

/// Whether permitted capabilities survive the change from root to another user. `prctl(2)`.
///
/// # Errors
/// EPERM when the secure bits lock it.
pub fn keep_capabilities(keep: bool) -> Result<(), Errno> {
    // SAFETY: takes integers only.
    check(unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, libc::c_ulong::from(keep), 0, 0, 0) })
}

/// Forbids executed files to add privileges, for ever. `prctl(2)`.
///
/// # Errors
/// None on kernels in use.
pub fn set_no_new_privileges() -> Result<(), Errno> {
    // SAFETY: takes integers only.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })
}

/// Whether other processes of the same user may look into this one (ptrace, `/proc/self/exe`, descriptors).
///
/// Kept by fork, reset by exec. `prctl(2)`, `PR_SET_DUMPABLE`.
///
/// # Errors
/// None on kernels in use.
pub fn set_dumpable(dumpable: bool) -> Result<(), Errno> {
    // SAFETY: takes integers only.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, libc::c_ulong::from(dumpable), 0, 0, 0) })
}

/// Has the kernel send `signal` to this process when its parent ends; 0 for none. `prctl(2)`, `PR_SET_PDEATHSIG`.
///
/// # Errors
/// EINVAL for a number that is no signal.
pub fn set_parent_death_signal(signal: u32) -> Result<(), Errno> {
    // SAFETY: takes integers only.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::c_ulong::from(signal), 0, 0, 0) })
}

/// Becomes user and group, with these supplementary groups: all of real, effective and saved, calling thread only.
///
/// # Errors
/// EPERM, EINVAL for ids outside the user namespace.
pub fn become_user(uid: u32, gid: u32, groups: &[Gid]) -> Result<(), Errno> {
    rustix::thread::set_thread_groups(groups)?;
    let gid = Gid::from_raw(gid);
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    let uid = Uid::from_raw(uid);
    rustix::thread::set_thread_res_uid(uid, uid, uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sets_read_can_be_set_again() {
        let sets = capabilities().unwrap();
        set_capabilities(sets).unwrap();
        assert_eq!(capabilities().unwrap(), sets);
    }
}
