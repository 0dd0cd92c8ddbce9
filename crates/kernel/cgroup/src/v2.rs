//! Limits as files of cgroup v2, with runc's conversions of values that v1 counted otherwise.

use oci_spec::runtime::{Memory, Resources, Throttle};

use crate::error::CgroupError;
use crate::plan::Write;
use crate::v1;

/// Controllers switched on along the way to a group, where the host has them.
pub(crate) const CONTROLLERS: [&str; 9] =
    ["cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc", "dmem"];

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
            .flat_map(|limit| ["", ".rsvd"].map(|kind| (kind, limit)))
            .map(|(kind, limit)| Write::new(format!("hugetlb.{}{kind}.max", limit.page_size), limit.limit)),
    );
    writes.extend(v1::rdma(resources));
    for (file, value) in &resources.unified {
        let refuse =
            |form| Err(CgroupError::Unsupported(format!("unified resource {file:?} must be {form}")));
        if file.contains(['/', '\0']) {
            return refuse("a file name (no slashes)");
        }
        if !file.contains('.') {
            return refuse("in the form CONTROLLER.PARAMETER");
        }
        let lines = value.lines().filter(|line| !line.is_empty());
        writes.extend(lines.map(|line| Write { is_unified: true, ..Write::new(file, line) }));
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

/// Shares (2 to 262144, usually 1024) as weight (1 to 10000, usually 100): by the curve through these three points that
/// runc has used since 1.3.2.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
pub(crate) fn weight_of_shares(shares: u64) -> u64 {
    match shares {
        0..=2 => 1,
        262_144.. => 10_000,
        _ => {
            let log = (shares as f64).log2();
            let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
            10f64.powf(exponent).ceil() as u64
        }
    }
}

/// Memory and swap together, as v1 counts, as swap alone. `None` leaves it as it is.
///
/// # Errors
/// In runc's words.
pub(crate) fn swap_alone(memory: &Memory) -> Result<Option<i64>, CgroupError> {
    let refuse = |text: &str| Err(CgroupError::Unsupported(text.to_owned()));
    match (memory.limit.unwrap_or_default(), memory.swap.unwrap_or_default()) {
        // Unlimited memory means unlimited swap where nothing is said of it.
        (-1, 0) | (_, -1) => Ok(Some(-1)),
        (_, 0) => Ok(None),
        (-1, swap) => Ok(Some(swap)),
        (0, _) => refuse("unable to set swap limit without memory limit"),
        (limit, _) if limit < 0 => Err(CgroupError::Unsupported(format!("invalid memory value: {limit}"))),
        (limit, swap) if swap < limit => refuse("memory+swap limit should be >= memory limit"),
        (limit, swap) => Ok(Some(swap - limit)),
    }
}

/// Weight of block devices (10 to 1000) on the scale of v2 (1 to 10000).
pub(crate) fn io_weight(weight: u16) -> u64 {
    1 + (u64::from(weight).clamp(10, 1000) - 10) * 9999 / 990
}

fn memory(memory: &Memory) -> Result<Vec<Write>, CgroupError> {
    let text = |value: i64| if value < 0 { "max".to_owned() } else { value.to_string() };
    let mut writes = Vec::new();
    let limit = memory.limit.filter(|limit| *limit != 0);
    let swap = swap_alone(memory)?;
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
        writes.push(Write::new("io.bfq.weight", weight));
        writes.push(Write::new("io.weight", io_weight(weight)));
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
            "cpu.weight=100",
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
        let weights = [0, 2, 1024, 262_144, u64::MAX].map(weight_of_shares);
        assert_eq!(weights, [1, 1, 100, 10_000, 10_000]);
        assert_eq!([0, 10, 500, 1000, 2000].map(io_weight), [1, 1, 4950, 10_000, 10_000]);
        assert_eq!(
            lines(r#"{"memory": {"limit": -1, "swap": -1}}"#),
            ["memory.swap.max=max", "memory.max=max"]
        );
        assert_eq!(lines(r#"{"cpu": {"quota": -1, "period": 5000}}"#), ["cpu.max=max 5000"]);
    }

    #[test]
    fn swap_is_counted_alone() {
        let swap = |limit, swap| {
            swap_alone(&Memory { limit: Some(limit), swap: Some(swap), ..Memory::default() })
                .map_err(|error| error.to_string())
        };
        assert_eq!(swap(10, 30), Ok(Some(20)));
        assert_eq!(swap(10, 10), Ok(Some(0)));
        assert_eq!(swap(10, -1), Ok(Some(-1)));
        assert_eq!(swap(10, 0), Ok(None));
        assert_eq!(swap(-1, 0), Ok(Some(-1)));
        assert_eq!(swap(-1, 30), Ok(Some(30)));
        assert_eq!(swap(0, 30), Err("unable to set swap limit without memory limit".to_owned()));
        assert_eq!(swap(-5, 30), Err("invalid memory value: -5".to_owned()));
        assert_eq!(swap(i64::MAX, 30), Err("memory+swap limit should be >= memory limit".to_owned()));
    }

    proptest::proptest! {
        #[test]
        fn more_shares_never_weigh_less(one in 2..262_144u64, other in 2..262_144u64) {
            let (less, more) = (one.min(other), one.max(other));
            proptest::prop_assert!(weight_of_shares(less) <= weight_of_shares(more));
            proptest::prop_assert!((1..=10_000).contains(&weight_of_shares(less)));
        }

        #[test]
        fn no_sum_overflows(limit in proptest::prelude::any::<i64>(), swap in proptest::prelude::any::<i64>()) {
            let _ = swap_alone(&Memory { limit: Some(limit), swap: Some(swap), ..Memory::default() });
        }
    }

    #[test]
    fn a_file_of_several_lines_is_written_line_by_line() {
        assert_eq!(
            lines(r#"{"unified": {"io.max": "8:0 rbps=1\n8:16 rbps=2\n"}}"#),
            ["io.max=8:0 rbps=1", "io.max=8:16 rbps=2"]
        );
    }

    #[test]
    fn files_elsewhere_are_refused() {
        let resources: Resources = serde_json::from_str(r#"{"unified": {"../x.y": "1"}}"#).unwrap();
        assert!(writes(&resources).is_err());
    }
}
