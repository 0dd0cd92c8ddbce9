//! Values of cgroup v1.

use std::collections::BTreeMap;

use super::parse::{column, entries, keyed, nested, number, numbers, ranges};
use super::{
    CpuStats, CpusetStats, HugetlbStats, IoEntry, IoStats, MemoryCounter, MemoryStats, PidsStats, RdmaStats,
    Read, Stats,
};

/// Ticks of `cpuacct.stat`: the kernel's `USER_HZ`, the same on every Linux we run on.
const NANOSECONDS_IN_A_TICK: u64 = 10_000_000;

pub(super) fn stats(read: &Read<'_>, page_sizes: &[String]) -> Stats {
    let limit = value(read, "pids", "pids.max");
    Stats {
        cpu: cpu(read),
        cpuset: cpuset(read),
        memory: memory(read),
        pids: PidsStats {
            current: value(read, "pids", "pids.current"),
            limit: if limit == u64::MAX { 0 } else { limit },
        },
        io: io(read),
        hugetlb: page_sizes.iter().filter_map(|size| Some((size.clone(), hugetlb(read, size)?))).collect(),
        rdma: rdma(read),
        misc: BTreeMap::new(),
    }
}

fn value(read: &Read<'_>, controller: &str, file: &str) -> u64 {
    read(controller, file).as_deref().and_then(number).unwrap_or_default()
}

fn cpu(read: &Read<'_>) -> CpuStats {
    let text = |controller, file| read(controller, file).unwrap_or_default();
    let throttling = keyed(&text("cpu", "cpu.stat"));
    let modes = keyed(&text("cpuacct", "cpuacct.stat"));
    let by_cpu = text("cpuacct", "cpuacct.usage_all");
    let throttled = |word| throttling.get(word).copied().unwrap_or_default();
    let ticks = |word| modes.get(word).copied().unwrap_or_default();
    CpuStats {
        total: value(read, "cpuacct", "cpuacct.usage"),
        per_cpu: numbers(&text("cpuacct", "cpuacct.usage_percpu")),
        per_cpu_user: column(&by_cpu, 1),
        per_cpu_kernel: column(&by_cpu, 2),
        kernel: ticks("system").saturating_mul(NANOSECONDS_IN_A_TICK),
        user: ticks("user").saturating_mul(NANOSECONDS_IN_A_TICK),
        periods: throttled("nr_periods"),
        throttled_periods: throttled("nr_throttled"),
        throttled_time: throttled("throttled_time"),
        ..CpuStats::default()
    }
}

fn cpuset(read: &Read<'_>) -> CpusetStats {
    let list = |file| read("cpuset", file).map(|text| ranges(&text)).unwrap_or_default();
    let level = read("cpuset", "cpuset.sched_relax_domain_level");
    let value = |file| value(read, "cpuset", file);
    CpusetStats {
        cpus: list("cpuset.cpus"),
        mems: list("cpuset.mems"),
        cpu_exclusive: value("cpuset.cpu_exclusive"),
        mem_hardwall: value("cpuset.mem_hardwall"),
        mem_exclusive: value("cpuset.mem_exclusive"),
        memory_migrate: value("cpuset.memory_migrate"),
        memory_spread_page: value("cpuset.memory_spread_page"),
        memory_spread_slab: value("cpuset.memory_spread_slab"),
        memory_pressure: value("cpuset.memory_pressure"),
        sched_load_balance: value("cpuset.sched_load_balance"),
        sched_relax_domain_level: level.and_then(|text| text.trim().parse().ok()).unwrap_or_default(),
    }
}

fn memory(read: &Read<'_>) -> MemoryStats {
    let counter = |prefix: &str| {
        let value = |name| value(read, "memory", &format!("{prefix}.{name}"));
        MemoryCounter {
            usage: value("usage_in_bytes"),
            max: value("max_usage_in_bytes"),
            failcnt: value("failcnt"),
            limit: value("limit_in_bytes"),
        }
    };
    let raw = read("memory", "memory.stat").map(|text| keyed(&text)).unwrap_or_default();
    MemoryStats {
        cache: raw.get("cache").copied().unwrap_or_default(),
        usage: counter("memory"),
        swap: counter("memory.memsw"),
        kernel: counter("memory.kmem"),
        kernel_tcp: counter("memory.kmem.tcp"),
        raw,
        pressure: None,
    }
}

/// The scheduler that is in use tells most; without one, the throttling layer knows bytes and requests.
fn io(read: &Read<'_>) -> IoStats {
    let all = |prefix: &str, suffix: &str| {
        let list = |name: &str| read("blkio", &format!("{prefix}{name}{suffix}")).map(|text| entries(&text));
        let or_none = |list: Option<Vec<IoEntry>>| list.unwrap_or_default();
        let service_bytes = list("io_service_bytes").filter(|list| !list.is_empty())?;
        Some(IoStats {
            service_bytes,
            serviced: or_none(list("io_serviced")),
            queued: or_none(list("io_queued")),
            service_time: or_none(list("io_service_time")),
            wait_time: or_none(list("io_wait_time")),
            merged: or_none(list("io_merged")),
            time: or_none(list("time")),
            sectors: or_none(list("sectors")),
            pressure: None,
        })
    };
    all("blkio.bfq.", "_recursive")
        .or_else(|| all("blkio.", "_recursive"))
        .or_else(|| all("blkio.throttle.", "_recursive"))
        .or_else(|| all("blkio.throttle.", ""))
        .unwrap_or_default()
}

fn hugetlb(read: &Read<'_>, size: &str) -> Option<HugetlbStats> {
    let of = |prefix: String| {
        let value = |name| number(&read("hugetlb", &format!("{prefix}.{name}"))?);
        Some(HugetlbStats {
            usage: value("usage_in_bytes")?,
            max: value("max_usage_in_bytes")?,
            failcnt: value("failcnt")?,
        })
    };
    of(format!("hugetlb.{size}.rsvd")).or_else(|| of(format!("hugetlb.{size}")))
}

pub(super) fn rdma(read: &Read<'_>) -> BTreeMap<String, RdmaStats> {
    let current = read("rdma", "rdma.current").unwrap_or_default();
    let limits = read("rdma", "rdma.max").unwrap_or_default();
    let limits: BTreeMap<_, _> = nested(&limits).into_iter().collect();
    let value = |text: Option<&&str>| match text.copied() {
        Some("max") => u32::MAX,
        text => text.and_then(|text| text.parse().ok()).unwrap_or_default(),
    };
    let device = |(name, current): (&str, BTreeMap<&str, &str>)| {
        let limit = |key| value(limits.get(name).and_then(|limits| limits.get(key)));
        let stats = RdmaStats {
            handles: value(current.get("hca_handle")),
            objects: value(current.get("hca_object")),
            handle_limit: limit("hca_handle"),
            object_limit: limit("hca_object"),
        };
        (name.to_owned(), stats)
    };
    nested(&current).into_iter().map(device).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(_: &str, file: &str) -> Option<String> {
        let text = match file {
            "cpu.stat" => "nr_periods 10\nnr_throttled 3\nthrottled_time 500\n",
            "cpuacct.usage" => "123456789\n",
            "cpuacct.usage_percpu" => "100 200 \n",
            "cpuacct.usage_all" => "cpu user system\n0 60 40\n1 150 50\n",
            "cpuacct.stat" => "user 7\nsystem 5\n",
            "cpuset.cpus" => "0-1\n",
            "cpuset.mems" => "0\n",
            "cpuset.sched_relax_domain_level" => "-1\n",
            "memory.stat" => "cache 4096\nrss 8192\n",
            "memory.usage_in_bytes" => "12288\n",
            "memory.max_usage_in_bytes" => "20480\n",
            "memory.failcnt" => "2\n",
            "memory.limit_in_bytes" => "9223372036854771712\n",
            "memory.kmem.usage_in_bytes" => "77\n",
            "pids.current" => "4\n",
            "pids.max" => "max\n",
            "blkio.throttle.io_service_bytes_recursive" => "8:0 Read 5\nTotal 5\n",
            "blkio.throttle.io_serviced_recursive" => "8:0 Read 1\nTotal 1\n",
            "blkio.bfq.io_service_bytes_recursive" => "Total 0\n",
            "hugetlb.2MB.usage_in_bytes" => "2097152\n",
            "hugetlb.2MB.max_usage_in_bytes" => "4194304\n",
            "hugetlb.2MB.failcnt" => "1\n",
            "rdma.current" => "mlx4_0 hca_handle=2 hca_object=2000\n",
            "rdma.max" => "mlx4_0 hca_handle=max hca_object=3000\n",
            _ => return None,
        };
        Some(text.to_owned())
    }

    #[test]
    fn every_file_finds_its_place() {
        let stats = stats(&read, &["2MB".to_owned(), "1GB".to_owned()]);
        let cpu = &stats.cpu;
        assert_eq!((cpu.total, cpu.user, cpu.kernel), (123_456_789, 70_000_000, 50_000_000));
        assert_eq!((&cpu.per_cpu[..], &cpu.per_cpu_user[..]), (&[100, 200][..], &[60, 150][..]));
        assert_eq!(cpu.per_cpu_kernel, [40, 50]);
        assert_eq!((cpu.periods, cpu.throttled_periods, cpu.throttled_time), (10, 3, 500));
        assert_eq!((&stats.cpuset.cpus[..], stats.cpuset.sched_relax_domain_level), (&[0, 1][..], -1));
        let memory = &stats.memory;
        let usage = MemoryCounter { usage: 12288, max: 20480, failcnt: 2, limit: 9_223_372_036_854_771_712 };
        assert_eq!((memory.cache, memory.usage, memory.kernel.usage), (4096, usage, 77));
        assert_eq!(memory.swap, MemoryCounter::default());
        assert_eq!(memory.raw["rss"], 8192);
        assert_eq!(stats.pids, PidsStats { current: 4, limit: 0 });
        assert_eq!((stats.io.service_bytes[0].value, stats.io.serviced[0].value), (5, 1));
        let huge = HugetlbStats { usage: 2_097_152, max: 4_194_304, failcnt: 1 };
        assert_eq!(stats.hugetlb, BTreeMap::from([("2MB".to_owned(), huge)]));
        let rdma = RdmaStats { handles: 2, objects: 2000, handle_limit: u32::MAX, object_limit: 3000 };
        assert_eq!(stats.rdma["mlx4_0"], rdma);
    }

    #[test]
    fn a_host_without_controllers_tells_nothing() {
        assert_eq!(stats(&|_, _| None, &["2MB".to_owned()]), Stats::default());
    }
}
