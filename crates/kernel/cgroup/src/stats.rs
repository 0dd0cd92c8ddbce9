//! What a group uses, as plain values on the scale of v1: bytes, nanoseconds, numbers; `u64::MAX` is no limit.
//!
//! A file that the host lacks leaves its value at zero; a controller that is not there leaves all of its values so.

mod parse;
mod v1;
mod v2;

use std::collections::BTreeMap;

use crate::group::Group;
use crate::layout::Version;

/// Everything a group tells of itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stats {
    /// Processor time.
    pub cpu: CpuStats,
    /// Placement (v1).
    pub cpuset: CpusetStats,
    /// Memory.
    pub memory: MemoryStats,
    /// Tasks.
    pub pids: PidsStats,
    /// Block devices.
    pub io: IoStats,
    /// Huge pages, by size as the kernel writes it (`2MB`).
    pub hugetlb: BTreeMap<String, HugetlbStats>,
    /// RDMA, by device.
    pub rdma: BTreeMap<String, RdmaStats>,
    /// Scalar resources, by name (v2).
    pub misc: BTreeMap<String, MiscStats>,
}

/// Processor time in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CpuStats {
    /// All of it.
    pub total: u64,
    /// By processor (v1).
    pub per_cpu: Vec<u64>,
    /// In the kernel, by processor (v1).
    pub per_cpu_kernel: Vec<u64>,
    /// Outside, by processor (v1).
    pub per_cpu_user: Vec<u64>,
    /// In the kernel.
    pub kernel: u64,
    /// Outside.
    pub user: u64,
    /// Periods in which the group ran.
    pub periods: u64,
    /// Those in which it used its quota up.
    pub throttled_periods: u64,
    /// How long it waited then.
    pub throttled_time: u64,
    /// Periods in which it used saved time (v2).
    pub burst_periods: u64,
    /// How much saved time it used (v2).
    pub burst_time: u64,
    /// How long tasks waited for a processor (v2).
    pub pressure: Option<Pressure>,
}

/// Placement on processors and memory nodes (v1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CpusetStats {
    /// Processors.
    pub cpus: Vec<u16>,
    /// Memory nodes.
    pub mems: Vec<u16>,
    /// `cpu_exclusive`.
    pub cpu_exclusive: u64,
    /// `mem_hardwall`.
    pub mem_hardwall: u64,
    /// `mem_exclusive`.
    pub mem_exclusive: u64,
    /// `memory_migrate`.
    pub memory_migrate: u64,
    /// `memory_spread_page`.
    pub memory_spread_page: u64,
    /// `memory_spread_slab`.
    pub memory_spread_slab: u64,
    /// `memory_pressure`.
    pub memory_pressure: u64,
    /// `sched_load_balance`.
    pub sched_load_balance: u64,
    /// `sched_relax_domain_level`; -1 is the system's.
    pub sched_relax_domain_level: i64,
}

/// One counter of memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryCounter {
    /// Bytes in use.
    pub usage: u64,
    /// Most bytes ever in use; zero where the kernel does not tell.
    pub max: u64,
    /// How often the limit was hit (v1).
    pub failcnt: u64,
    /// Most bytes allowed.
    pub limit: u64,
}

/// Memory in bytes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MemoryStats {
    /// Page cache.
    pub cache: u64,
    /// Memory.
    pub usage: MemoryCounter,
    /// Memory and swap together.
    pub swap: MemoryCounter,
    /// The kernel's memory (v1).
    pub kernel: MemoryCounter,
    /// The kernel's memory for TCP (v1).
    pub kernel_tcp: MemoryCounter,
    /// All of `memory.stat`.
    pub raw: BTreeMap<String, u64>,
    /// How long tasks waited for memory (v2).
    pub pressure: Option<Pressure>,
}

/// Tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PidsStats {
    /// How many there are.
    pub current: u64,
    /// How many there may be; zero is no limit.
    pub limit: u64,
}

/// A value of one device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IoEntry {
    /// Major number.
    pub major: u64,
    /// Minor number.
    pub minor: u64,
    /// `Read`, `Write`, `Sync`, `Async`, `Total`…; empty where there is one value only.
    pub operation: String,
    /// The value.
    pub value: u64,
}

/// Block devices, the groups below included.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IoStats {
    /// Bytes.
    pub service_bytes: Vec<IoEntry>,
    /// Requests.
    pub serviced: Vec<IoEntry>,
    /// Requests waiting (v1).
    pub queued: Vec<IoEntry>,
    /// Nanoseconds in the device (v1).
    pub service_time: Vec<IoEntry>,
    /// Nanoseconds in the queue (v1).
    pub wait_time: Vec<IoEntry>,
    /// Requests merged into others (v1).
    pub merged: Vec<IoEntry>,
    /// Milliseconds of the device (v1).
    pub time: Vec<IoEntry>,
    /// Sectors (v1).
    pub sectors: Vec<IoEntry>,
    /// How long tasks waited for devices (v2).
    pub pressure: Option<Pressure>,
}

/// Huge pages of one size, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HugetlbStats {
    /// In use.
    pub usage: u64,
    /// Most ever in use (v1).
    pub max: u64,
    /// How often the limit was hit.
    pub failcnt: u64,
}

/// Handles and objects of one RDMA device; `u32::MAX` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RdmaStats {
    /// Handles in use.
    pub handles: u32,
    /// Objects in use.
    pub objects: u32,
    /// Handles allowed.
    pub handle_limit: u32,
    /// Objects allowed.
    pub object_limit: u32,
}

/// One scalar resource.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MiscStats {
    /// In use.
    pub usage: u64,
    /// How often the limit was hit.
    pub events: u64,
}

/// Pressure stall information: the share of time lost to waiting.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pressure {
    /// At least one task waited.
    pub some: PressureLine,
    /// All tasks waited.
    pub full: PressureLine,
}

/// One line of pressure stall information.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PressureLine {
    /// Percent of the last 10 seconds.
    pub avg10: f64,
    /// Percent of the last 60 seconds.
    pub avg60: f64,
    /// Percent of the last 300 seconds.
    pub avg300: f64,
    /// Microseconds in all.
    pub total: u64,
}

/// The text of a file of a controller, if it is there.
type Read<'a> = dyn Fn(&str, &str) -> Option<String> + 'a;

impl Group {
    /// What the group uses now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let read = |controller: &str, file: &str| self.read(controller, file);
        let sizes = huge_page_sizes();
        match self.version() {
            Version::V1 => v1::stats(&read, &sizes),
            Version::V2 => v2::stats(&read, &sizes),
        }
    }
}

/// Sizes of huge pages as the names of cgroup files have them.
fn huge_page_sizes() -> Vec<String> {
    let entries = std::fs::read_dir("/sys/kernel/mm/hugepages").into_iter().flatten().flatten();
    let mut sizes: Vec<_> =
        entries.filter_map(|entry| parse::huge_page_size(entry.file_name().to_str()?)).collect();
    sizes.sort();
    sizes
}
