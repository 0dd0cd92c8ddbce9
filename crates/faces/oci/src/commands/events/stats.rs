//! Statistics in the shape of runc's `events`: zeros are left out where it leaves them out.

use cgroup::stats::{CpusetStats, IoEntry, MemoryCounter, Pressure, PressureLine, Stats};
use serde_json::{Map, Value, json};

/// The `data` of an event.
pub(crate) fn shape(stats: &Stats) -> Value {
    let hugetlb: Map<_, _> = stats
        .hugetlb
        .iter()
        .map(|(size, pages)| {
            let optional = [("usage", json!(pages.usage)), ("max", json!(pages.max))];
            (size.clone(), with(json!({"failcnt": pages.failcnt}), optional))
        })
        .collect();
    json!({
        "cpu": cpu(stats),
        "cpuset": cpuset(&stats.cpuset),
        "memory": memory(stats),
        "pids": with(json!({}), [("current", json!(stats.pids.current)), ("limit", json!(stats.pids.limit))]),
        "blkio": io(stats),
        "hugetlb": hugetlb,
        "intel_rdt": {},
        "network_interfaces": null,
    })
}

fn cpu(stats: &Stats) -> Value {
    let cpu = &stats.cpu;
    let usage = with(
        json!({"kernel": cpu.kernel, "user": cpu.user}),
        [
            ("total", json!(cpu.total)),
            ("percpu", json!(cpu.per_cpu)),
            ("percpu_kernel", json!(cpu.per_cpu_kernel)),
            ("percpu_user", json!(cpu.per_cpu_user)),
        ],
    );
    let throttling = with(
        json!({}),
        [
            ("periods", json!(cpu.periods)),
            ("throttledPeriods", json!(cpu.throttled_periods)),
            ("throttledTime", json!(cpu.throttled_time)),
        ],
    );
    with(json!({"usage": usage, "throttling": throttling}), [("psi", pressure(cpu.pressure))])
}

fn cpuset(cpuset: &CpusetStats) -> Value {
    let rest = json!({
        "cpu_exclusive": cpuset.cpu_exclusive,
        "mem_hardwall": cpuset.mem_hardwall,
        "mem_exclusive": cpuset.mem_exclusive,
        "memory_migrate": cpuset.memory_migrate,
        "memory_spread_page": cpuset.memory_spread_page,
        "memory_spread_slab": cpuset.memory_spread_slab,
        "memory_pressure": cpuset.memory_pressure,
        "sched_load_balance": cpuset.sched_load_balance,
        "sched_relax_domain_level": cpuset.sched_relax_domain_level,
    });
    with(rest, [("cpus", json!(cpuset.cpus)), ("mems", json!(cpuset.mems))])
}

fn memory(stats: &Stats) -> Value {
    let memory = &stats.memory;
    let parts = json!({
        "usage": counter(memory.usage),
        "swap": counter(memory.swap),
        "kernel": counter(memory.kernel),
        "kernelTCP": counter(memory.kernel_tcp),
    });
    let raw = if memory.raw.is_empty() { Value::Null } else { json!(memory.raw) };
    with(parts, [("cache", json!(memory.cache)), ("raw", raw), ("psi", pressure(memory.pressure))])
}

fn counter(counter: MemoryCounter) -> Value {
    let rest = json!({"limit": counter.limit, "failcnt": counter.failcnt});
    with(rest, [("usage", json!(counter.usage)), ("max", json!(counter.max))])
}

fn io(stats: &Stats) -> Value {
    let io = &stats.io;
    with(
        json!({}),
        [
            ("ioServiceBytesRecursive", entries(&io.service_bytes)),
            ("ioServicedRecursive", entries(&io.serviced)),
            ("ioQueueRecursive", entries(&io.queued)),
            ("ioServiceTimeRecursive", entries(&io.service_time)),
            ("ioWaitTimeRecursive", entries(&io.wait_time)),
            ("ioMergedRecursive", entries(&io.merged)),
            ("ioTimeRecursive", entries(&io.time)),
            ("sectorsRecursive", entries(&io.sectors)),
            ("psi", pressure(io.pressure)),
        ],
    )
}

fn entries(entries: &[IoEntry]) -> Value {
    let entry = |entry: &IoEntry| {
        let optional = [
            ("major", json!(entry.major)),
            ("minor", json!(entry.minor)),
            ("op", json!(entry.operation)),
            ("value", json!(entry.value)),
        ];
        with(json!({}), optional)
    };
    Value::Array(entries.iter().map(entry).collect())
}

fn pressure(pressure: Option<Pressure>) -> Value {
    let line = |line: PressureLine| json!({"avg10": line.avg10, "avg60": line.avg60, "avg300": line.avg300, "total": line.total});
    pressure.map_or(Value::Null, |pressure| json!({"some": line(pressure.some), "full": line(pressure.full)}))
}

/// Adds what is not empty, as Go's `omitempty` does.
fn with<const N: usize>(mut object: Value, optional: [(&str, Value); N]) -> Value {
    for (name, value) in optional {
        let is_empty = match &value {
            Value::Null => true,
            Value::Number(number) => number.as_u64() == Some(0),
            Value::String(text) => text.is_empty(),
            Value::Array(entries) => entries.is_empty(),
            _ => false,
        };
        if !is_empty {
            object[name] = value;
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_group_has_the_fields_that_runc_always_writes() {
        let shaped = shape(&Stats::default());
        assert_eq!(shaped["cpu"], json!({"usage": {"kernel": 0, "user": 0}, "throttling": {}}));
        assert_eq!(shaped["memory"]["usage"], json!({"limit": 0, "failcnt": 0}));
        assert_eq!((&shaped["pids"], &shaped["blkio"]), (&json!({}), &json!({})));
        assert_eq!(shaped["network_interfaces"], Value::Null);
        assert_eq!(shaped["cpuset"].as_object().unwrap().len(), 9);
    }

    #[test]
    fn what_was_used_is_written() {
        let mut stats = Stats::default();
        stats.pids.current = 3;
        stats.cpu.per_cpu = vec![1, 2];
        let entry = IoEntry { major: 8, minor: 0, operation: "Read".to_owned(), value: 5 };
        stats.io.serviced = vec![entry];
        stats.cpu.pressure = Some(Pressure::default());
        let shaped = shape(&stats);
        assert_eq!(shaped["pids"], json!({"current": 3}));
        assert_eq!(shaped["cpu"]["usage"]["percpu"], json!([1, 2]));
        assert_eq!(shaped["blkio"]["ioServicedRecursive"], json!([{"major": 8, "op": "Read", "value": 5}]));
        assert_eq!(shaped["cpu"]["psi"]["full"]["total"], 0);
    }
}
