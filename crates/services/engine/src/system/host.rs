//! What this host offers: control groups, CPUs, capabilities. Read once when the engine opens.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::container::capabilities;

/// The host, as far as validation and plans depend on it.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) cgroup: Controllers,
    /// How many CPUs are online.
    pub(crate) cpus: usize,
    pub(crate) cpuset_cpus: Numbers,
    pub(crate) cpuset_mems: Numbers,
    /// Capabilities that can be given: known to the kernel and in our own bounding set.
    pub(crate) capabilities: Vec<&'static str>,
    pub(crate) cgroup_namespaces: bool,
    pub(crate) apparmor: bool,
    pub(crate) seccomp: bool,
    /// Existing `/sys/devices/system/cpu/cpuN/thermal_throttle` folders, which Docker masks.
    pub(crate) thermal: Vec<String>,
    pub(crate) ping_group_range: bool,
    pub(crate) unprivileged_port_start: bool,
}

/// Which limits the control groups can enforce.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Controllers {
    pub(crate) unified: bool,
    pub(crate) memory: bool,
    pub(crate) swap: bool,
    pub(crate) memory_reservation: bool,
    pub(crate) oom_kill_disable: bool,
    pub(crate) swappiness: bool,
    pub(crate) kernel_memory: bool,
    pub(crate) kernel_memory_tcp: bool,
    pub(crate) cpu_shares: bool,
    pub(crate) cpu_cfs: bool,
    pub(crate) cpu_realtime: bool,
    pub(crate) cpuset: bool,
    pub(crate) blkio_weight: bool,
    pub(crate) blkio_weight_device: bool,
    pub(crate) blkio_throttle: bool,
    pub(crate) pids: bool,
}

/// A set as the kernel writes it: `0-3,7`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub(crate) text: String,
    numbers: BTreeSet<u32>,
}

/// A set that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid format: {0}")]
pub(crate) struct NumbersError(String);

/// Larger numbers than any kernel has CPUs are mistakes.
const LARGEST: u32 = 8192;

impl Numbers {
    pub(crate) fn parse(text: &str) -> Result<Self, NumbersError> {
        let wrong = || NumbersError(text.to_owned());
        let mut numbers = BTreeSet::new();
        for part in text.trim().split(',').filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let first: u32 = first.trim().parse().map_err(|_| wrong())?;
            let last: u32 = last.trim().parse().map_err(|_| wrong())?;
            if first > last || last > LARGEST {
                return Err(wrong());
            }
            numbers.extend(first..=last);
        }
        Ok(Self { text: text.trim().to_owned(), numbers })
    }

    pub(crate) fn contains_all(&self, other: &Numbers) -> bool {
        other.numbers.is_subset(&self.numbers)
    }
}

impl Host {
    /// Reads `/proc` and `/sys`. What cannot be read counts as not there.
    pub(crate) fn observe() -> Self {
        let cgroup = Controllers::observe();
        let cpuset = if cgroup.unified { None } else { controller_folder("cpuset") };
        let effective = |kind: &str| {
            let unified = PathBuf::from(format!("/sys/fs/cgroup/cpuset.{kind}.effective"));
            let file = cpuset.as_ref().map_or(unified, |folder| folder.join(format!("cpuset.{kind}")));
            Numbers::parse(&read(&file)).unwrap_or_default()
        };
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let cpu_folder = Path::new("/sys/devices/system/cpu");
        let possible = Numbers::parse(&read(&cpu_folder.join("possible"))).unwrap_or_default();
        let thermal =
            possible.numbers.iter().map(|cpu| cpu_folder.join(format!("cpu{cpu}/thermal_throttle")));
        Self {
            cpuset_cpus: effective("cpus"),
            cpuset_mems: effective("mems"),
            cgroup,
            cpus,
            capabilities: available_capabilities(),
            cgroup_namespaces: Path::new("/proc/self/ns/cgroup").exists(),
            apparmor: read(Path::new("/sys/module/apparmor/parameters/enabled")).starts_with('Y'),
            seccomp: read(Path::new("/proc/self/status")).contains("Seccomp:"),
            thermal: thermal
                .filter(|path| path.exists())
                .filter_map(|path| path.to_str().map(str::to_owned))
                .collect(),
            ping_group_range: Path::new("/proc/sys/net/ipv4/ping_group_range").exists(),
            unprivileged_port_start: Path::new("/proc/sys/net/ipv4/ip_unprivileged_port_start").exists(),
        }
    }

    /// Whether the host routes packets; read anew, since administrators change it.
    pub(crate) fn forwards_ipv4() -> bool {
        read(Path::new("/proc/sys/net/ipv4/ip_forward")).trim() != "0"
    }

    /// Names as strings, for callers that compare.
    pub(crate) fn capability_names(&self) -> &[&'static str] {
        &self.capabilities
    }
}

impl Controllers {
    fn observe() -> Self {
        let unified = Path::new("/sys/fs/cgroup/cgroup.controllers");
        if unified.exists() { Self::of_v2(&read(unified)) } else { Self::of_v1() }
    }

    fn of_v2(controllers: &str) -> Self {
        let has = |name: &str| controllers.split_whitespace().any(|have| have == name);
        Self {
            unified: true,
            memory: has("memory"),
            swap: has("memory"),
            memory_reservation: has("memory"),
            cpu_shares: has("cpu"),
            cpu_cfs: has("cpu"),
            cpuset: has("cpuset"),
            blkio_weight: has("io"),
            blkio_weight_device: has("io"),
            blkio_throttle: has("io"),
            pids: has("pids"),
            ..Self::default()
        }
    }

    fn of_v1() -> Self {
        let has = |controller: &str, file: &str| {
            controller_folder(controller).is_some_and(|folder| folder.join(file).exists())
        };
        Self {
            unified: false,
            memory: has("memory", "memory.limit_in_bytes"),
            swap: has("memory", "memory.memsw.limit_in_bytes"),
            memory_reservation: has("memory", "memory.soft_limit_in_bytes"),
            oom_kill_disable: has("memory", "memory.oom_control"),
            swappiness: has("memory", "memory.swappiness"),
            kernel_memory: has("memory", "memory.kmem.limit_in_bytes"),
            kernel_memory_tcp: has("memory", "memory.kmem.tcp.limit_in_bytes"),
            cpu_shares: has("cpu", "cpu.shares"),
            cpu_cfs: has("cpu", "cpu.cfs_quota_us"),
            cpu_realtime: has("cpu", "cpu.rt_period_us"),
            cpuset: has("cpuset", "cpuset.cpus"),
            blkio_weight: has("blkio", "blkio.weight"),
            blkio_weight_device: has("blkio", "blkio.weight_device"),
            blkio_throttle: has("blkio", "blkio.throttle.read_bps_device"),
            pids: controller_folder("pids").is_some(),
        }
    }
}

/// Where a v1 controller is mounted: the first mount that names it.
fn controller_folder(controller: &str) -> Option<PathBuf> {
    let table = read(Path::new("/proc/self/mountinfo"));
    table.lines().find_map(|line| {
        let (front, back) = line.split_once(" - ")?;
        let mut back = back.split(' ');
        let (kind, options) = (back.next()?, back.nth(1)?);
        let named = kind == "cgroup" && options.split(',').any(|option| option == controller);
        named.then(|| front.split(' ').nth(4).map(PathBuf::from)).flatten()
    })
}

fn available_capabilities() -> Vec<&'static str> {
    let last: usize = read(Path::new("/proc/sys/kernel/cap_last_cap")).trim().parse().unwrap_or(40);
    let status = read(Path::new("/proc/self/status"));
    let bounding = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    let bounding = bounding.and_then(|text| u64::from_str_radix(text.trim(), 16).ok()).unwrap_or(u64::MAX);
    let known = capabilities::ALL.iter().enumerate().take(last + 1);
    known.filter(|(number, _)| bounding >> number & 1 == 1).map(|(_, &name)| name).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A host with v1 groups that can do everything, 4 CPUs and one memory node.
    pub(crate) fn capable() -> Host {
        let cgroup = Controllers {
            unified: false,
            memory: true,
            swap: true,
            memory_reservation: true,
            oom_kill_disable: true,
            swappiness: true,
            kernel_memory: false,
            kernel_memory_tcp: true,
            cpu_shares: true,
            cpu_cfs: true,
            cpu_realtime: false,
            cpuset: true,
            blkio_weight: true,
            blkio_weight_device: true,
            blkio_throttle: true,
            pids: true,
        };
        Host {
            cgroup,
            cpus: 4,
            cpuset_cpus: Numbers::parse("0-3").unwrap(),
            cpuset_mems: Numbers::parse("0").unwrap(),
            capabilities: capabilities::ALL.to_vec(),
            cgroup_namespaces: true,
            apparmor: false,
            seccomp: true,
            thermal: vec![],
            ping_group_range: true,
            unprivileged_port_start: true,
        }
    }

    #[test]
    fn sets_are_read_as_the_kernel_writes_them() {
        let set = Numbers::parse("0-2,5\n").unwrap();
        assert!(set.contains_all(&Numbers::parse("1,5").unwrap()));
        assert!(!set.contains_all(&Numbers::parse("3").unwrap()));
        for wrong in ["a", "3-1", "1-", "99999"] {
            assert!(Numbers::parse(wrong).is_err(), "{wrong}");
        }
    }
}
