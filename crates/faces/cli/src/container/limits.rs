//! How much memory, processor, disk and process numbers it may use.

use super::Wish;
use engine_api::container::{ThrottleDevice, Ulimit, WeightDevice};
use flags::{Flag, Typed, parse_uint};
use std::collections::BTreeMap;

pub(super) const FLAGS: &[Flag] = &[
    Flag {
        kind: flags::Kind::Uint(16),
        ..Flag::uint(
            "blkio-weight",
            "Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)",
        )
    },
    devices("blkio-weight-device", check_weight, "Block IO weight (relative device weight)"),
    Flag::text("cgroup-parent", "Optional parent cgroup for the container"),
    Flag::int("cpu-count", "CPU count (Windows only)").os("windows"),
    Flag::int("cpu-percent", "CPU percent (Windows only)").os("windows"),
    Flag::int("cpu-period", "Limit CPU CFS (Completely Fair Scheduler) period"),
    Flag::int("cpu-quota", "Limit CPU CFS (Completely Fair Scheduler) quota"),
    Flag::int("cpu-rt-period", "Limit CPU real-time period in microseconds").since("1.25"),
    Flag::int("cpu-rt-runtime", "Limit CPU real-time runtime in microseconds").since("1.25"),
    Flag::int("cpu-shares", "CPU shares (relative weight)").short('c'),
    Flag::other("cpus", "decimal", check_cpus, "Number of CPUs").since("1.25"),
    Flag::text("cpuset-cpus", "CPUs in which to allow execution (0-3, 0,1)"),
    Flag::text("cpuset-mems", "MEMs in which to allow execution (0-3, 0,1)"),
    devices("device-read-bps", check_bytes_rate, "Limit read rate (bytes per second) from a device"),
    devices("device-read-iops", check_rate, "Limit read rate (IO per second) from a device"),
    devices("device-write-bps", check_bytes_rate, "Limit write rate (bytes per second) to a device"),
    devices("device-write-iops", check_rate, "Limit write rate (IO per second) to a device"),
    bytes("io-maxbandwidth", "Maximum IO bandwidth limit for the system drive (Windows only)").os("windows"),
    Flag::uint("io-maxiops", "Maximum IOps limit for the system drive (Windows only)").os("windows"),
    bytes("kernel-memory", "Kernel memory limit"),
    bytes("memory", "Memory limit").short('m'),
    bytes("memory-reservation", "Memory soft limit"),
    Flag::other(
        "memory-swap",
        "bytes",
        check_swap,
        "Swap limit equal to memory plus swap: '-1' to enable unlimited swap",
    )
    .default("0"),
    Flag::int("memory-swappiness", "Tune container memory swappiness (0 to 100)").default("-1"),
    Flag::switch("oom-kill-disable", "Disable OOM Killer"),
    Flag::int("oom-score-adj", "Tune host's OOM preferences (-1000 to 1000)"),
    Flag::int("pids-limit", "Tune container pids limit (set -1 for unlimited)"),
    bytes("shm-size", "Size of /dev/shm"),
    Flag::other("ulimit", "ulimit", check_ulimit, "Ulimit options").default("[]"),
];

const fn bytes(name: &'static str, help: &'static str) -> Flag {
    Flag::other(name, "bytes", check_size, help).default("0")
}

const fn devices(name: &'static str, check: flags::Check, help: &'static str) -> Flag {
    Flag::other(name, "list", check, help).default("[]")
}

fn check_size(text: &str) -> Result<(), String> {
    units::bytes::parse(text).map(drop).map_err(|error| error.to_string())
}

fn check_swap(text: &str) -> Result<(), String> {
    if text == "-1" { Ok(()) } else { check_size(text) }
}

fn check_cpus(text: &str) -> Result<(), String> {
    units::cpus::parse(text).map(drop).map_err(|error| error.to_string())
}

fn check_weight(text: &str) -> Result<(), String> {
    parse_weight(text).map(drop)
}

fn check_bytes_rate(text: &str) -> Result<(), String> {
    parse_bytes_rate(text).map(drop)
}

fn check_rate(text: &str) -> Result<(), String> {
    parse_rate(text).map(drop)
}

fn check_ulimit(text: &str) -> Result<(), String> {
    parse_ulimit(text).map(drop)
}

fn split_device(text: &str) -> Result<(&str, &str), String> {
    let (path, value) = text.split_once(':').ok_or_else(|| format!("bad format: {text}"))?;
    if path.is_empty() {
        return Err(format!("bad format: {text}"));
    }
    if !path.starts_with("/dev/") {
        return Err(format!("bad format for device path: {text}"));
    }
    Ok((path, value))
}

fn parse_weight(text: &str) -> Result<WeightDevice, String> {
    let (path, value) = split_device(text)?;
    let weight: u16 = value.parse().map_err(|_| format!("invalid weight for device: {text}"))?;
    if weight != 0 && !(10..=1000).contains(&weight) {
        return Err(format!("invalid weight for device: {text}"));
    }
    Ok(WeightDevice { path: path.to_owned(), weight })
}

fn parse_bytes_rate(text: &str) -> Result<ThrottleDevice, String> {
    let (path, value) = split_device(text)?;
    let rate = units::bytes::parse(value).ok().and_then(|rate| u64::try_from(rate).ok()).ok_or_else(|| {
        format!(
            "invalid rate for device: {text}. The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb"
        )
    })?;
    Ok(ThrottleDevice { path: path.to_owned(), rate })
}

fn parse_rate(text: &str) -> Result<ThrottleDevice, String> {
    let (path, value) = split_device(text)?;
    let rate = value.parse().map_err(|_| {
        format!(
            "invalid rate for device: {text}. The correct format is <device-path>:<number>. Number must be a positive integer"
        )
    })?;
    Ok(ThrottleDevice { path: path.to_owned(), rate })
}

const ULIMITS: &[&str] = &[
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

fn parse_ulimit(text: &str) -> Result<Ulimit, String> {
    let (name, limits) = text.split_once('=').ok_or_else(|| format!("invalid ulimit argument: {text}"))?;
    if !ULIMITS.contains(&name) {
        return Err(format!("invalid ulimit type: {name}"));
    }
    let number = |text: &str| text.parse::<i64>().map_err(|_| parse_error(text));
    let (soft, hard) = match limits.split(':').collect::<Vec<_>>().as_slice() {
        [soft] => (number(soft)?, number(soft)?),
        [soft, hard] => {
            let hard = number(hard)?;
            (number(soft)?, hard)
        }
        _ => {
            return Err(format!(
                "too many limit value arguments - {limits}, can only have up to two, `soft[:hard]`"
            ));
        }
    };
    let refused = "ulimit soft limit must be less than or equal to hard limit";
    if hard != -1 && soft == -1 {
        return Err(format!("{refused}: soft: -1 (unlimited), hard: {hard}"));
    }
    if hard != -1 && soft > hard {
        return Err(format!("{refused}: {soft} > {hard}"));
    }
    Ok(Ulimit { name: name.to_owned(), soft, hard })
}

/// Go's words for a text that is no decimal number, or one that is too large.
fn parse_error(text: &str) -> String {
    let digits = text.trim_start_matches(['+', '-']);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let why = if is_number { "value out of range" } else { "invalid syntax" };
    format!("strconv.ParseInt: parsing {}: {why}", flags::quote(text))
}

pub(super) fn apply(typed: &Typed, wish: &mut Wish) -> Result<(), String> {
    let swappiness = typed.int("memory-swappiness");
    if swappiness != -1 && !(0..=100).contains(&swappiness) {
        return Err(format!("invalid value: {swappiness}. Valid memory swappiness range is 0-100"));
    }
    let size = |name: &str| match typed.text(name) {
        "-1" => -1,
        text => units::bytes::parse(text).unwrap_or(0),
    };
    let host = &mut wish.host;
    host.memory = size("memory");
    host.memory_reservation = size("memory-reservation");
    host.memory_swap = size("memory-swap");
    host.memory_swappiness = Some(swappiness);
    host.kernel_memory = size("kernel-memory");
    host.shm_size = size("shm-size");
    host.oom_kill_disable = Some(typed.is_on("oom-kill-disable"));
    host.oom_score_adj = typed.int("oom-score-adj");
    host.pids_limit = Some(typed.int("pids-limit"));
    host.nano_cpus = typed.given("cpus").and_then(|text| units::cpus::parse(text).ok()).unwrap_or(0);
    host.cpu_count = typed.int("cpu-count");
    host.cpu_percent = typed.int("cpu-percent");
    host.cpu_period = typed.int("cpu-period");
    host.cpu_quota = typed.int("cpu-quota");
    host.cpu_realtime_period = typed.int("cpu-rt-period");
    host.cpu_realtime_runtime = typed.int("cpu-rt-runtime");
    host.cpu_shares = typed.int("cpu-shares");
    host.cpuset_cpus = typed.text("cpuset-cpus").to_owned();
    host.cpuset_mems = typed.text("cpuset-mems").to_owned();
    host.cgroup_parent = typed.text("cgroup-parent").to_owned();
    host.io_maximum_iops = typed.uint("io-maxiops");
    host.io_maximum_bandwidth = u64::try_from(size("io-maxbandwidth")).unwrap_or(0);
    host.blkio_weight = u16::try_from(parse_uint(typed.text("blkio-weight"), 16).unwrap_or(0)).unwrap_or(0);
    host.blkio_weight_device = Some(all(typed, "blkio-weight-device", parse_weight)?);
    host.blkio_device_read_bps = Some(all(typed, "device-read-bps", parse_bytes_rate)?);
    host.blkio_device_write_bps = Some(all(typed, "device-write-bps", parse_bytes_rate)?);
    host.blkio_device_read_iops = Some(all(typed, "device-read-iops", parse_rate)?);
    host.blkio_device_write_iops = Some(all(typed, "device-write-iops", parse_rate)?);
    // The last limit of a name counts; the request has them by name.
    let ulimits = all(typed, "ulimit", parse_ulimit)?;
    let by_name: BTreeMap<String, Ulimit> =
        ulimits.into_iter().map(|limit| (limit.name.clone(), limit)).collect();
    host.ulimits = Some(by_name.into_values().collect());
    Ok(())
}

fn all<T>(typed: &Typed, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    typed.all(name).into_iter().map(parse).collect()
}
