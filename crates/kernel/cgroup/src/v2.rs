//! Limits as files of cgroup v2, with runc's conversions of values that v1 counted otherwise.

use oci_spec::runtime::{Memory, Resources, Throttle};

use crate::error::CgroupError;
use crate::plan::Write;
use crate::v1;

/// Controllers switched on along the way to a group, where the host has them.
pub(crate) const CONTROLLERS: [&str; 7] = ["cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma"];

/// The writes of a group.
pub(crate) fn writes(resources: &Resources) -> Result<Vec<Write>, CgroupError> {
    let mut writes = cpu(resources);
    if let Some(memory) = &resources.memory {
        writes.extend(self::memory(memory)?);
    }
    match resources.pids.map(|pids| pids.limit) {
        None | Some(0) => {}
        Some(limit @ 1..) => writes.push(Write::new("pids.max", limit)),
        Some(_) => writes.push(Write::new("pids.max", "max")),
    }
    writes.extend(io(resources));
    writes.extend(
        resources
            .hugepage_limits
            .iter()
            .map(|limit| Write::new(format!("hugetlb.{}.max", limit.page_size), limit.limit)),
    );
    writes.extend(v1::rdma(resources));
    for (file, value) in &resources.unified {
        if file.contains('/') || !file.contains('.') {
            return Err(CgroupError::Unsupported(format!(
                "unified resource {file:?} must be a file name (no slashes)"
            )));
        }
        writes.push(Write::new(file, value));
    }
    Ok(writes)
}

fn cpu(resources: &Resources) -> Vec<Write> {
    let Some(cpu) = &resources.cpu else { return Vec::new() };
    let mut writes = Vec::new();
    writes.extend(cpu.idle.map(|idle| Write::new("cpu.idle", idle)));
    // An idle group has no weight.
    if let Some(shares) = cpu.shares.filter(|shares| *shares != 0 && cpu.idle != Some(1)) {
        writes.push(Write::new("cpu.weight", weight_of_shares(shares)));
    }
    let quota = cpu.quota.filter(|quota| *quota != 0);
    let period = cpu.period.filter(|period| *period != 0);
    if quota.is_some() || period.is_some() {
        let quota =
            quota.filter(|quota| *quota > 0).map_or_else(|| "max".to_owned(), |quota| quota.to_string());
        writes.push(Write::new("cpu.max", format!("{quota} {}", period.unwrap_or(100_000))));
    }
    writes.extend(cpu.burst.map(|burst| Write::new("cpu.max.burst", burst)));
    for (file, list) in [("cpuset.cpus", &cpu.cpus), ("cpuset.mems", &cpu.mems)] {
        if !list.is_empty() {
            writes.push(Write::new(file, list));
        }
    }
    writes
}

/// Shares (2 to 262144) as weight (1 to 10000), linearly, as runc and Docker 28 do.
fn weight_of_shares(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9999 / 262_142
}

fn memory(memory: &Memory) -> Result<Vec<Write>, CgroupError> {
    let text = |value: i64| if value < 0 { "max".to_owned() } else { value.to_string() };
    let mut writes = Vec::new();
    let limit = memory.limit.filter(|limit| *limit != 0);
    // Docker's swap is memory and swap together; v2 counts swap alone.
    let swap = match (limit, memory.swap.filter(|swap| *swap != 0)) {
        (_, None) => None,
        (_, Some(swap)) if swap < 0 => Some(-1),
        (Some(limit @ 1..), Some(swap)) => Some(swap - limit),
        _ => {
            return Err(CgroupError::Unsupported("unable to set swap limit without memory limit".to_owned()));
        }
    };
    writes.extend(swap.map(|swap| Write::new("memory.swap.max", text(swap))));
    writes.extend(limit.map(|limit| Write::new("memory.max", text(limit))));
    let low = memory.reservation.filter(|low| *low != 0);
    writes.extend(low.map(|low| Write::new("memory.low", text(low))));
    Ok(writes)
}

fn io(resources: &Resources) -> Vec<Write> {
    let Some(io) = &resources.block_io else { return Vec::new() };
    let mut writes = Vec::new();
    if let Some(weight) = io.weight.filter(|weight| *weight != 0) {
        // BFQ takes the weight of v1 as it is; the other controller counts to 10000.
        writes.push(Write { files: vec!["io.bfq.weight".to_owned()], value: weight.to_string() });
        let scaled = 1 + (u64::from(weight).clamp(10, 1000) - 10) * 9999 / 990;
        writes.push(Write { files: vec!["io.weight".to_owned()], value: scaled.to_string() });
    }
    for device in &io.weight_device {
        let line = |weight: u16| format!("{}:{} {weight}", device.major, device.minor);
        writes.extend(device.weight.map(|weight| Write::new("io.bfq.weight", line(weight))));
    }
    let throttles: [(&str, &[Throttle]); 4] = [
        ("rbps", &io.throttle_read_bps_device),
        ("wbps", &io.throttle_write_bps_device),
        ("riops", &io.throttle_read_iops_device),
        ("wiops", &io.throttle_write_iops_device),
    ];
    for (key, list) in throttles {
        let line =
            |one: &Throttle| Write::new("io.max", format!("{}:{} {key}={}", one.major, one.minor, one.rate));
        writes.extend(list.iter().map(line));
    }
    writes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(json: &str) -> Vec<String> {
        let resources: Resources = serde_json::from_str(json).unwrap();
        writes(&resources)
            .unwrap()
            .into_iter()
            .map(|write| format!("{}={}", write.files.join("|"), write.value))
            .collect()
    }

    #[test]
    fn dockers_usual_limits_become_these_files() {
        let json = r#"{"cpu": {"shares": 1024, "quota": 50000, "cpus": "0"}, "pids": {"limit": -1},
            "memory": {"limit": 67108864, "swap": 134217728, "reservation": 33554432},
            "blockIO": {"weight": 500, "throttleWriteIOPSDevice": [{"major": 8, "minor": 0, "rate": 7}]},
            "unified": {"memory.high": "1M"}}"#;
        let expected = [
            "cpu.weight=39",
            "cpu.max=50000 100000",
            "cpuset.cpus=0",
            "memory.swap.max=67108864",
            "memory.max=67108864",
            "memory.low=33554432",
            "pids.max=max",
            "io.bfq.weight=500",
            "io.weight=4950",
            "io.max=8:0 wiops=7",
            "memory.high=1M",
        ];
        assert_eq!(lines(json), expected);
    }

    #[test]
    fn the_ends_of_the_scales_meet() {
        assert_eq!((weight_of_shares(2), weight_of_shares(262_144)), (1, 10_000));
        assert_eq!(
            lines(r#"{"memory": {"limit": -1, "swap": -1}}"#),
            ["memory.swap.max=max", "memory.max=max"]
        );
        assert_eq!(lines(r#"{"cpu": {"quota": -1, "period": 5000}}"#), ["cpu.max=max 5000"]);
    }

    #[test]
    fn files_elsewhere_are_refused() {
        let resources: Resources = serde_json::from_str(r#"{"unified": {"../x.y": "1"}}"#).unwrap();
        assert!(writes(&resources).is_err());
    }
}
