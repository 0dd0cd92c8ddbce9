//! Values of cgroup v2, brought to the scale of v1.

use std::collections::BTreeMap;

use super::parse::{keyed, nested, number, pressure};
use super::v1::rdma;
use super::{
    CpuStats, HugetlbStats, IoEntry, IoStats, MemoryCounter, MemoryStats, MiscStats, PidsStats, Read, Stats,
};

pub(super) fn stats(read: &Read<'_>, page_sizes: &[String]) -> Stats {
    let read_file = |file: &str| read("", file);
    Stats {
        cpu: cpu(&read_file),
        memory: memory(&read_file),
        pids: pids(&read_file),
        io: io(&read_file),
        hugetlb: page_sizes
            .iter()
            .filter_map(|size| Some((size.clone(), hugetlb(&read_file, size)?)))
            .collect(),
        rdma: rdma(read),
        misc: misc(&read_file),
        ..Stats::default()
    }
}

type ReadFile<'a> = dyn Fn(&str) -> Option<String> + 'a;

fn value(read: &ReadFile<'_>, file: &str) -> Option<u64> {
    number(&read(file)?)
}

fn cpu(read: &ReadFile<'_>) -> CpuStats {
    let values = read("cpu.stat").map(|text| keyed(&text)).unwrap_or_default();
    let count = |word| values.get(word).copied().unwrap_or_default();
    let time = |word| count(word).saturating_mul(1000);
    CpuStats {
        total: time("usage_usec"),
        user: time("user_usec"),
        kernel: time("system_usec"),
        periods: count("nr_periods"),
        throttled_periods: count("nr_throttled"),
        throttled_time: time("throttled_usec"),
        burst_periods: count("nr_bursts"),
        burst_time: time("burst_usec"),
        pressure: read("cpu.pressure").map(|text| pressure(&text)),
        ..CpuStats::default()
    }
}

fn memory(read: &ReadFile<'_>) -> MemoryStats {
    let counter = |prefix: &str| {
        Some(MemoryCounter {
            usage: value(read, &format!("{prefix}.current"))?,
            max: value(read, &format!("{prefix}.peak")).unwrap_or_default(),
            failcnt: 0,
            limit: value(read, &format!("{prefix}.max")).unwrap_or_default(),
        })
    };
    let raw = read("memory.stat").map(|text| keyed(&text)).unwrap_or_default();
    let usage = counter("memory").unwrap_or_default();
    let swap = counter("memory.swap").unwrap_or_default();
    MemoryStats {
        cache: raw.get("file").copied().unwrap_or_default(),
        usage,
        // Two peaks need not have been at the same time: no peak of both can be told.
        swap: MemoryCounter {
            usage: swap.usage.saturating_add(usage.usage),
            max: 0,
            failcnt: 0,
            limit: swap.limit.saturating_add(usage.limit),
        },
        raw,
        pressure: read("memory.pressure").map(|text| pressure(&text)),
        ..MemoryStats::default()
    }
}

fn pids(read: &ReadFile<'_>) -> PidsStats {
    // Without the controller the processes can still be counted.
    let counted = || {
        let list = read("cgroup.procs").or_else(|| read("cgroup.threads")).unwrap_or_default();
        u64::try_from(list.lines().count()).unwrap_or_default()
    };
    PidsStats {
        current: value(read, "pids.current").unwrap_or_else(counted),
        limit: value(read, "pids.max").filter(|limit| *limit != u64::MAX).unwrap_or_default(),
    }
}

fn io(read: &ReadFile<'_>) -> IoStats {
    let mut stats =
        IoStats { pressure: read("io.pressure").map(|text| pressure(&text)), ..IoStats::default() };
    for (device, values) in nested(&read("io.stat").unwrap_or_default()) {
        let Some((Ok(major), Ok(minor))) =
            device.split_once(':').map(|(major, minor)| (major.parse(), minor.parse()))
        else {
            continue;
        };
        let mut add = |list: fn(&mut IoStats) -> &mut Vec<IoEntry>, key, operation: &str| {
            if let Some(value) = values.get(key).and_then(|value| value.parse().ok()) {
                list(&mut stats).push(IoEntry { major, minor, operation: operation.to_owned(), value });
            }
        };
        add(|stats| &mut stats.service_bytes, "rbytes", "Read");
        add(|stats| &mut stats.service_bytes, "wbytes", "Write");
        add(|stats| &mut stats.serviced, "rios", "Read");
        add(|stats| &mut stats.serviced, "wios", "Write");
    }
    stats
}

fn hugetlb(read: &ReadFile<'_>, size: &str) -> Option<HugetlbStats> {
    let current = |kind: &str| value(read, &format!("hugetlb.{size}{kind}.current"));
    let events = read(&format!("hugetlb.{size}.events")).map(|text| keyed(&text)).unwrap_or_default();
    Some(HugetlbStats {
        usage: current(".rsvd").or_else(|| current(""))?,
        max: 0,
        failcnt: events.get("max").copied().unwrap_or_default(),
    })
}

fn misc(read: &ReadFile<'_>) -> BTreeMap<String, MiscStats> {
    let usage = read("misc.current").map(|text| keyed(&text)).unwrap_or_default();
    let events = read("misc.events").map(|text| keyed(&text)).unwrap_or_default();
    let stats = |(name, usage): (String, u64)| {
        let events = events.get(&format!("{name}.max")).copied().unwrap_or_default();
        (name, MiscStats { usage, events })
    };
    usage.into_iter().map(stats).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(_: &str, file: &str) -> Option<String> {
        let text = match file {
            "cpu.stat" => {
                "usage_usec 300\nuser_usec 200\nsystem_usec 100\nnr_throttled 2\nthrottled_usec 9\n"
            }
            "cpu.pressure" => "some avg10=0.50 avg60=0.00 avg300=0.00 total=12\n",
            "memory.stat" => "anon 10\nfile 20\n",
            "memory.current" => "1000\n",
            "memory.max" => "5000\n",
            "memory.peak" => "1500\n",
            "memory.swap.current" => "24\n",
            "memory.swap.max" => "100\n",
            "cgroup.procs" => "7\n8\n9\n",
            "io.stat" => "8:0 rbytes=90112 wbytes=0 rios=4 wios=0 dbytes=0 dios=0\n259:1\n",
            "hugetlb.2MB.current" => "2097152\n",
            "hugetlb.2MB.events" => "max 6\n",
            "misc.current" => "sev 3\n",
            "misc.events" => "sev.max 1\n",
            _ => return None,
        };
        Some(text.to_owned())
    }

    #[test]
    fn every_file_finds_its_place() {
        let stats = stats(&read, &["2MB".to_owned()]);
        let cpu = &stats.cpu;
        assert_eq!((cpu.total, cpu.user, cpu.kernel), (300_000, 200_000, 100_000));
        assert_eq!((cpu.throttled_periods, cpu.throttled_time), (2, 9000));
        assert_eq!(cpu.pressure.map(|pressure| (pressure.some.avg10, pressure.some.total)), Some((0.5, 12)));
        let memory = &stats.memory;
        let usage = MemoryCounter { usage: 1000, max: 1500, failcnt: 0, limit: 5000 };
        let swap = MemoryCounter { usage: 1024, max: 0, failcnt: 0, limit: 5100 };
        assert_eq!((memory.cache, memory.usage, memory.swap), (20, usage, swap));
        assert_eq!(memory.pressure, None);
        assert_eq!(stats.pids, PidsStats { current: 3, limit: 0 });
        let values: Vec<_> =
            stats.io.service_bytes.iter().map(|entry| (entry.operation.as_str(), entry.value)).collect();
        assert_eq!(values, [("Read", 90112), ("Write", 0)]);
        assert_eq!(stats.hugetlb["2MB"], HugetlbStats { usage: 2_097_152, max: 0, failcnt: 6 });
        assert_eq!(stats.misc["sev"], MiscStats { usage: 3, events: 1 });
    }

    #[test]
    fn no_limit_of_swap_is_no_limit_of_both() {
        let read = |_: &str, file: &str| match file {
            "memory.swap.max" | "memory.max" => Some("max\n".to_owned()),
            file => read("", file),
        };
        assert_eq!(stats(&read, &[]).memory.swap.limit, u64::MAX);
    }
}
