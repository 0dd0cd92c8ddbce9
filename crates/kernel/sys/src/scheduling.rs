//! When, where and with whose memory a process runs: priorities, policies, CPUs, NUMA nodes. None of it allocates.

use rustix::io::Errno;

use crate::process::check_long;

/// Policy and parameters of `sched_setattr(2)`, as the kernel's `struct sched_attr` (its first version).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct SchedulerAttributes {
    /// Filled in by [`set_scheduler`].
    pub size: u32,
    /// `SCHED_OTHER` (0), `SCHED_FIFO` (1) …
    pub policy: u32,
    /// `SCHED_FLAG_…` bits.
    pub flags: u64,
    /// -20 to 19, for `SCHED_OTHER` and `SCHED_BATCH`.
    pub nice: i32,
    /// 1 to 99, for `SCHED_FIFO` and `SCHED_RR`.
    pub priority: u32,
    /// Nanoseconds, for `SCHED_DEADLINE`.
    pub runtime: u64,
    /// Nanoseconds, for `SCHED_DEADLINE`.
    pub deadline: u64,
    /// Nanoseconds, for `SCHED_DEADLINE`.
    pub period: u64,
}

/// Sets the scheduling policy of the calling thread. `sched_setattr(2)`, Linux 3.14.
///
/// # Errors
/// EPERM without CAP_SYS_NICE, EINVAL for parameters that the policy has not, EBUSY for a deadline that cannot be met.
pub fn set_scheduler(attributes: &SchedulerAttributes) -> Result<(), Errno> {
    const SIZE: u32 = 48;
    let attributes = SchedulerAttributes { size: SIZE, ..*attributes };
    // SAFETY: `attributes` is live, of the length it names, and only read.
    check_long(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) })
}

/// Classes of I/O priorities (linux/ioprio.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IoClass {
    /// Served first.
    RealTime = 1,
    /// The usual.
    BestEffort = 2,
    /// Served when nobody else asks.
    Idle = 3,
}

/// Sets the I/O priority of the calling thread: 0 (highest) to 7. `ioprio_set(2)`.
///
/// # Errors
/// EPERM for the real-time class without CAP_SYS_NICE.
pub fn set_io_priority(class: IoClass, priority: u8) -> Result<(), Errno> {
    const IOPRIO_WHO_PROCESS: libc::c_int = 1;
    let value = (class as libc::c_int) << 13 | libc::c_int::from(priority & 7);
    // SAFETY: takes integers only.
    check_long(unsafe { libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, value) })
}

/// Sets the NUMA policy of the calling thread (`MPOL_…` with `MPOL_F_…`) for the nodes whose bits are set.
/// `set_mempolicy(2)`.
///
/// # Errors
/// EINVAL for nodes that are not there or that the policy takes none of.
pub fn set_memory_policy(mode: u32, nodes: &[u64]) -> Result<(), Errno> {
    let (pointer, bits) = match nodes {
        [] => (std::ptr::null(), 0),
        // The kernel takes one bit less than it is told.
        nodes => (nodes.as_ptr(), nodes.len() * 64 + 1),
    };
    // SAFETY: the kernel reads `bits - 1` bits from `pointer`, rounded up to whole words: the length of `nodes`.
    check_long(unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, pointer, bits) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_becomes_a_batch_of_low_priority() {
        let attributes = SchedulerAttributes { policy: 3, nice: 5, ..SchedulerAttributes::default() };
        set_scheduler(&attributes).unwrap();
        // SAFETY: takes an integer only.
        assert_eq!(unsafe { libc::sched_getscheduler(0) }, 3);
        let nonsense = SchedulerAttributes { policy: 77, ..attributes };
        assert_eq!(set_scheduler(&nonsense), Err(Errno::INVAL));
        set_io_priority(IoClass::BestEffort, 7).unwrap();
        // SAFETY: takes integers only.
        assert_eq!(unsafe { libc::syscall(libc::SYS_ioprio_get, 1, 0) }, 2 << 13 | 7);
    }

    #[test]
    fn memory_comes_from_the_nodes_named() {
        const MPOL_BIND: u32 = 2;
        match set_memory_policy(MPOL_BIND, &[1]) {
            // Kernels without NUMA have no such call.
            Ok(()) | Err(Errno::NOSYS) => {}
            other => panic!("{other:?}"),
        }
        assert!(set_memory_policy(MPOL_BIND, &[0]).is_err());
        set_memory_policy(0, &[])
            .or_else(|errno| if errno == Errno::NOSYS { Ok(()) } else { Err(errno) })
            .unwrap();
    }
}
