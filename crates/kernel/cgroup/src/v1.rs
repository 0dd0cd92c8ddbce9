//! Limits as files of cgroup v1.

use oci_spec::runtime::{Resources, Throttle};

use crate::devices::DevicePolicy;
use crate::plan::Write;

/// Controllers that limits may need.
pub(crate) const CONTROLLERS: [&str; 9] =
    ["cpu", "cpuset", "memory", "pids", "blkio", "hugetlb", "net_cls", "net_prio", "rdma"];

/// The writes of one controller.
pub(crate) fn writes(controller: &str, resources: &Resources, devices: Option<&DevicePolicy>) -> Vec<Write> {
    match controller {
        "cpu" => cpu(resources),
        "cpuset" => cpuset(resources),
        "memory" => memory(resources),
        "pids" => pids(resources),
        "blkio" => blkio(resources),
        "devices" => devices.map(device_rules).unwrap_or_default(),
        "hugetlb" => resources
            .hugepage_limits
            .iter()
            .flat_map(|limit| ["", ".rsvd"].map(|kind| (kind, limit)))
            .map(|(kind, limit)| {
                Write::new(format!("hugetlb.{}{kind}.limit_in_bytes", limit.page_size), limit.limit)
            })
            .collect(),
        "net_cls" => resources
            .network
            .iter()
            .filter_map(|network| network.class_id)
            .map(|class| Write::new("net_cls.classid", class))
            .collect(),
        "net_prio" => resources
            .network
            .iter()
            .flat_map(|network| &network.priorities)
            .map(|one| Write::new("net_prio.ifpriomap", format!("{} {}", one.name, one.priority)))
            .collect(),
        "rdma" => rdma(resources),
        _ => Vec::new(),
    }
}

fn cpu(resources: &Resources) -> Vec<Write> {
    let Some(cpu) = &resources.cpu else { return Vec::new() };
    let mut writes = Vec::new();
    let mut add =
        |file: &str, value: Option<String>| writes.extend(value.map(|value| Write::new(file, value)));
    add("cpu.shares", cpu.shares.filter(|shares| *shares != 0).map(|shares| shares.to_string()));
    add("cpu.cfs_period_us", cpu.period.filter(|period| *period != 0).map(|period| period.to_string()));
    add("cpu.cfs_quota_us", cpu.quota.filter(|quota| *quota != 0).map(|quota| quota.max(-1).to_string()));
    add("cpu.cfs_burst_us", cpu.burst.map(|burst| burst.to_string()));
    add(
        "cpu.rt_period_us",
        cpu.realtime_period.filter(|period| *period != 0).map(|period| period.to_string()),
    );
    add("cpu.rt_runtime_us", cpu.realtime_runtime.filter(|time| *time != 0).map(|time| time.to_string()));
    add("cpu.idle", cpu.idle.map(|idle| idle.to_string()));
    writes
}

fn cpuset(resources: &Resources) -> Vec<Write> {
    let Some(cpu) = &resources.cpu else { return Vec::new() };
    [("cpuset.cpus", &cpu.cpus), ("cpuset.mems", &cpu.mems)]
        .into_iter()
        .filter(|(_, list)| !list.is_empty())
        .map(|(file, list)| Write::new(file, list))
        .collect()
}

fn memory(resources: &Resources) -> Vec<Write> {
    let Some(memory) = &resources.memory else { return Vec::new() };
    let mut writes = Vec::new();
    let mut add = |file: &str, value: Option<i64>| {
        writes.extend(value.filter(|value| *value != 0).map(|value| Write::new(file, value)));
    };
    // A fresh group has no limits: memory first, since memory and swap together may not be below it.
    add("memory.limit_in_bytes", memory.limit);
    // Without a limit of memory, one of both together makes no sense.
    let is_unlimited = memory.limit == Some(-1) && memory.swap.unwrap_or_default() == 0;
    add("memory.memsw.limit_in_bytes", if is_unlimited { Some(-1) } else { memory.swap });
    add("memory.soft_limit_in_bytes", memory.reservation);
    add("memory.kmem.tcp.limit_in_bytes", memory.kernel_tcp);
    if memory.disable_oom_killer == Some(true) {
        writes.push(Write::new("memory.oom_control", 1));
    }
    if let Some(swappiness) = memory.swappiness.filter(|value| *value <= 100) {
        writes.push(Write::new("memory.swappiness", swappiness));
    }
    writes
}

fn pids(resources: &Resources) -> Vec<Write> {
    match resources.pids.map(|pids| pids.limit) {
        None | Some(0) => Vec::new(),
        Some(limit @ 1..) => vec![Write::new("pids.max", limit)],
        Some(_) => vec![Write::new("pids.max", "max")],
    }
}

fn blkio(resources: &Resources) -> Vec<Write> {
    let Some(io) = &resources.block_io else { return Vec::new() };
    let both = |name: &str, value: String| Write {
        files: vec![format!("blkio.{name}"), format!("blkio.bfq.{name}")],
        value,
        is_unified: false,
    };
    let mut writes = Vec::new();
    writes.extend(io.weight.filter(|weight| *weight != 0).map(|weight| both("weight", weight.to_string())));
    writes.extend(
        io.leaf_weight.filter(|weight| *weight != 0).map(|weight| both("leaf_weight", weight.to_string())),
    );
    for device in &io.weight_device {
        let line = |weight: u16| format!("{}:{} {weight}", device.major, device.minor);
        writes.extend(device.weight.map(|weight| both("weight_device", line(weight))));
        writes.extend(device.leaf_weight.map(|weight| both("leaf_weight_device", line(weight))));
    }
    let throttles: [(&str, &[Throttle]); 4] = [
        ("blkio.throttle.read_bps_device", &io.throttle_read_bps_device),
        ("blkio.throttle.write_bps_device", &io.throttle_write_bps_device),
        ("blkio.throttle.read_iops_device", &io.throttle_read_iops_device),
        ("blkio.throttle.write_iops_device", &io.throttle_write_iops_device),
    ];
    for (file, list) in throttles {
        writes.extend(
            list.iter().map(|one| Write::new(file, format!("{}:{} {}", one.major, one.minor, one.rate))),
        );
    }
    writes
}

pub(crate) fn device_rules(policy: &DevicePolicy) -> Vec<Write> {
    let (first, file, exceptions) = match policy {
        DevicePolicy::DenyBut(exceptions) => ("devices.deny", "devices.allow", exceptions),
        DevicePolicy::AllowBut(exceptions) => ("devices.allow", "devices.deny", exceptions),
    };
    let reset = Write::new(first, "a");
    [reset].into_iter().chain(exceptions.iter().map(|exception| Write::new(file, exception))).collect()
}

pub(crate) fn rdma(resources: &Resources) -> Vec<Write> {
    let line = |(device, limits): (&String, &oci_spec::runtime::Rdma)| {
        let mut text = device.clone();
        for (name, value) in [("hca_handle", limits.hca_handles), ("hca_object", limits.hca_objects)] {
            text.extend(value.map(|value| format!(" {name}={value}")));
        }
        Write::new("rdma.max", text)
    };
    resources.rdma.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(controller: &str, json: &str) -> Vec<String> {
        let resources: Resources = serde_json::from_str(json).unwrap();
        let policy = DevicePolicy::from_rules(&resources.devices).unwrap();
        let text = |write: Write| format!("{}={}", write.files.join("|"), write.value);
        writes(controller, &resources, Some(&policy)).into_iter().map(text).collect()
    }

    #[test]
    fn dockers_usual_limits_become_these_files() {
        let json = r#"{"cpu": {"shares": 512, "quota": 50000, "period": 100000, "cpus": "0-1", "mems": "0"},
            "memory": {"limit": 67108864, "swap": 134217728, "reservation": 33554432, "disableOOMKiller": true,
                "swappiness": 10}, "pids": {"limit": 100},
            "blockIO": {"weight": 300, "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1024}]},
            "hugepageLimits": [{"pageSize": "2MB", "limit": 4}]}"#;
        assert_eq!(
            lines("cpu", json),
            ["cpu.shares=512", "cpu.cfs_period_us=100000", "cpu.cfs_quota_us=50000"]
        );
        assert_eq!(lines("cpuset", json), ["cpuset.cpus=0-1", "cpuset.mems=0"]);
        let memory = [
            "memory.limit_in_bytes=67108864",
            "memory.memsw.limit_in_bytes=134217728",
            "memory.soft_limit_in_bytes=33554432",
            "memory.oom_control=1",
            "memory.swappiness=10",
        ];
        assert_eq!(lines("memory", json), memory);
        assert_eq!(lines("pids", json), ["pids.max=100"]);
        let io = ["blkio.weight|blkio.bfq.weight=300", "blkio.throttle.read_bps_device=8:0 1024"];
        assert_eq!(lines("blkio", json), io);
        let huge = ["hugetlb.2MB.limit_in_bytes=4", "hugetlb.2MB.rsvd.limit_in_bytes=4"];
        assert_eq!(lines("hugetlb", json), huge);
        assert!(lines("cpuacct", json).is_empty());
    }

    #[test]
    fn nothing_asked_is_nothing_written_but_for_devices() {
        for controller in ["cpu", "cpuset", "memory", "pids", "blkio", "hugetlb", "net_cls", "freezer"] {
            assert!(
                lines(controller, r#"{"cpu": {"shares": 0}, "memory": {}, "pids": {"limit": 0}}"#).is_empty()
            );
        }
        assert_eq!(lines("devices", "{}")[..2], ["devices.deny=a", "devices.allow=b *:* m"]);
    }

    #[test]
    fn unlimited_is_written_as_the_kernel_wants_it() {
        let json = r#"{"memory": {"limit": -1, "swap": -1}, "pids": {"limit": -1}, "cpu": {"quota": -5}}"#;
        assert_eq!(lines("memory", json), ["memory.limit_in_bytes=-1", "memory.memsw.limit_in_bytes=-1"]);
        assert_eq!(lines("pids", json), ["pids.max=max"]);
        assert_eq!(lines("cpu", json), ["cpu.cfs_quota_us=-1"]);
    }
}
