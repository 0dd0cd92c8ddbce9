//! Memory, CPU, block devices, pids: checked against what the host can enforce, and put into OCI's words.
//!
//! Docker corrects some wishes instead of refusing them and says so in warnings; texts are Docker's.

use engine_api::container::{HostConfig, ThrottleDevice};
use oci_spec::runtime::{BlockIo, Cpu, Memory, Pids, Resources, Throttle, WeightDevice};

use crate::system::host::{Host, Numbers};

/// Why limits were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LimitError {
    #[error("{0}")]
    Refused(&'static str),
    #[error("Invalid value: {0}, valid memory swappiness range is 0-100")]
    Swappiness(i64),
    #[error("range of CPUs is from 0.01 to {0}.00, as there are only {0} CPUs available")]
    Cpus(usize),
    #[error("invalid CPU shares ({0}): value must be a positive integer")]
    Shares(i64),
    #[error("Invalid value {value} for cpuset {kind}: {reason}")]
    Cpuset { value: String, kind: &'static str, reason: String },
    #[error("Requested {kind} are not available - requested {wanted}, available: {available}")]
    Unavailable { kind: &'static str, wanted: String, available: String },
}

/// Below this no process fits.
const LEAST_MEMORY: i64 = 6 << 20;

/// Checks the limits in `host_config` and corrects what Docker corrects; gives the warnings.
pub(crate) fn check(wish: &mut HostConfig, host: &Host) -> Result<Vec<String>, LimitError> {
    let mut warnings = Vec::new();
    check_memory(wish, host, &mut warnings)?;
    check_oom_and_pids(wish, host, &mut warnings);
    check_cpu(wish, host, &mut warnings)?;
    check_cpuset(wish, host, &mut warnings)?;
    check_block_io(wish, host, &mut warnings)?;
    Ok(warnings)
}

fn check_memory(wish: &mut HostConfig, host: &Host, warnings: &mut Vec<String>) -> Result<(), LimitError> {
    let can = &host.cgroup;
    let refuse = |text| Err(LimitError::Refused(text));
    // -1 is how clients say "not set".
    if wish.memory_swappiness == Some(-1) {
        wish.memory_swappiness = None;
    }
    if wish.memory != 0 && wish.memory < LEAST_MEMORY {
        return refuse("Minimum memory limit allowed is 6MB");
    }
    if wish.memory > 0 && !can.memory {
        warnings.push("Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.".into());
        wish.memory = 0;
        wish.memory_swap = -1;
    }
    if wish.memory > 0 && wish.memory_swap != -1 && !can.swap {
        warnings.push("Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.".into());
        wish.memory_swap = -1;
    }
    if wish.memory > 0 && wish.memory_swap > 0 && wish.memory_swap < wish.memory {
        return refuse("Minimum memoryswap limit should be larger than memory limit, see usage");
    }
    if wish.memory == 0 && wish.memory_swap > 0 {
        return refuse("You should always set the Memory limit when using Memoryswap limit, see usage");
    }
    if wish.memory_swappiness.is_some() && !can.swappiness {
        warnings.push("Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.".into());
        wish.memory_swappiness = None;
    }
    if let Some(value) = wish.memory_swappiness.filter(|value| !(0..=100).contains(value)) {
        return Err(LimitError::Swappiness(value));
    }
    if wish.memory_reservation > 0 && !can.memory_reservation {
        warnings.push("Your kernel does not support memory soft limit capabilities or the cgroup is not mounted. Limitation discarded.".into());
        wish.memory_reservation = 0;
    }
    if wish.memory_reservation > 0 && wish.memory_reservation < LEAST_MEMORY {
        return refuse("Minimum memory reservation allowed is 6MB");
    }
    if wish.memory > 0 && wish.memory_reservation > 0 && wish.memory < wish.memory_reservation {
        return refuse("Minimum memory limit can not be less than memory reservation limit, see usage");
    }
    if wish.kernel_memory > 0 && !can.kernel_memory {
        warnings.push("Your kernel does not support kernel memory limit capabilities or the cgroup is not mounted. Limitation discarded.".into());
        wish.kernel_memory = 0;
    }
    if wish.kernel_memory > 0 && wish.kernel_memory < LEAST_MEMORY {
        return refuse("Minimum kernel memory limit allowed is 6MB");
    }
    Ok(())
}

fn check_oom_and_pids(wish: &mut HostConfig, host: &Host, warnings: &mut Vec<String>) {
    if wish.oom_kill_disable.is_some() && !host.cgroup.oom_kill_disable {
        if wish.oom_kill_disable == Some(true) {
            warnings.push("Your kernel does not support OomKillDisable. OomKillDisable discarded.".into());
        }
        wish.oom_kill_disable = None;
    }
    if wish.oom_kill_disable == Some(true) && wish.memory == 0 {
        warnings.push("OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.".into());
    }
    if wish.pids_limit.is_some() && !host.cgroup.pids {
        if wish.pids_limit.is_some_and(|limit| limit > 0) {
            warnings.push("Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.".into());
        }
        wish.pids_limit = None;
    }
}

fn check_cpu(wish: &mut HostConfig, host: &Host, warnings: &mut Vec<String>) -> Result<(), LimitError> {
    let can = &host.cgroup;
    let refuse = |text| Err(LimitError::Refused(text));
    if wish.nano_cpus > 0 && wish.cpu_period > 0 {
        return refuse("Conflicting options: Nano CPUs and CPU Period cannot both be set");
    }
    if wish.nano_cpus > 0 && wish.cpu_quota > 0 {
        return refuse("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
    }
    if wish.nano_cpus > 0 && !can.cpu_cfs {
        return refuse(
            "NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted",
        );
    }
    let most = i64::try_from(host.cpus).unwrap_or(i64::MAX).saturating_mul(1_000_000_000);
    if wish.nano_cpus < 0 || wish.nano_cpus > most {
        return Err(LimitError::Cpus(host.cpus));
    }
    if wish.cpu_shares < 0 && can.cpu_shares {
        return Err(LimitError::Shares(wish.cpu_shares));
    }
    if wish.cpu_shares > 0 && !can.cpu_shares {
        warnings.push(
            "Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.".into(),
        );
        wish.cpu_shares = 0;
    }
    if (wish.cpu_period != 0 || wish.cpu_quota != 0) && !can.cpu_cfs {
        warnings.push("Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.".into());
        wish.cpu_period = 0;
        wish.cpu_quota = 0;
    }
    if wish.cpu_period != 0 && !(1000..=1_000_000).contains(&wish.cpu_period) {
        return refuse(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        );
    }
    if wish.cpu_quota > 0 && wish.cpu_quota < 1000 {
        return refuse("CPU cfs quota can not be less than 1ms (i.e. 1000)");
    }
    if (wish.cpu_realtime_period != 0 || wish.cpu_realtime_runtime != 0) && !can.cpu_realtime {
        return refuse("kernel does not support CPU real-time scheduler");
    }
    if wish.cpu_realtime_period != 0 && wish.cpu_realtime_runtime > wish.cpu_realtime_period {
        return refuse("cpu real-time runtime cannot be higher than cpu real-time period");
    }
    if wish.cpu_percent > 0 {
        warnings.push("linux does not support CPU percent. Percent discarded.".into());
        wish.cpu_percent = 0;
    }
    Ok(())
}

fn check_cpuset(wish: &mut HostConfig, host: &Host, warnings: &mut Vec<String>) -> Result<(), LimitError> {
    if (!wish.cpuset_cpus.is_empty() || !wish.cpuset_mems.is_empty()) && !host.cgroup.cpuset {
        warnings.push(
            "Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.".into(),
        );
        wish.cpuset_cpus.clear();
        wish.cpuset_mems.clear();
    }
    check_set(&wish.cpuset_cpus, "cpus", "CPUs", &host.cpuset_cpus)?;
    check_set(&wish.cpuset_mems, "mems", "memory nodes", &host.cpuset_mems)
}

fn check_set(
    text: &str,
    kind: &'static str,
    what: &'static str,
    available: &Numbers,
) -> Result<(), LimitError> {
    let wanted = Numbers::parse(text).map_err(|error| LimitError::Cpuset {
        value: text.to_owned(),
        kind,
        reason: error.to_string(),
    })?;
    if available.contains_all(&wanted) {
        return Ok(());
    }
    let (wanted, available) = (text.to_owned(), available.text.clone());
    Err(LimitError::Unavailable { kind: what, wanted, available })
}

fn check_block_io(wish: &mut HostConfig, host: &Host, warnings: &mut Vec<String>) -> Result<(), LimitError> {
    let can = &host.cgroup;
    if wish.blkio_weight > 0 && !can.blkio_weight {
        warnings.push(
            "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded."
                .into(),
        );
        wish.blkio_weight = 0;
    }
    if wish.blkio_weight > 0 && !(10..=1000).contains(&wish.blkio_weight) {
        return Err(LimitError::Refused("Range of blkio weight is from 10 to 1000"));
    }
    if wish.io_maximum_bandwidth != 0 || wish.io_maximum_iops != 0 {
        return Err(LimitError::Refused(
            "Invalid QoS settings: linux does not support Maximum IO Bandwidth or Maximum IO IOps",
        ));
    }
    if wish.blkio_weight_device.as_ref().is_some_and(|list| !list.is_empty()) && !can.blkio_weight_device {
        warnings.push("Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.".into());
        wish.blkio_weight_device = Some(vec![]);
    }
    if can.blkio_throttle {
        return Ok(());
    }
    let lists = [
        (&mut wish.blkio_device_read_bps, "BPS Block I/O read limit", "Block I/O BPS read limit"),
        (&mut wish.blkio_device_write_bps, "BPS Block I/O write limit", "Block I/O BPS write limit"),
        (&mut wish.blkio_device_read_iops, "IOPS Block read limit", "Block I/O IOPS read limit"),
        (&mut wish.blkio_device_write_iops, "IOPS Block write limit", "Block I/O IOPS write limit"),
    ];
    for (list, feature, limit) in lists {
        if list.as_ref().is_some_and(|list| !list.is_empty()) {
            warnings.push(format!(
                "Your kernel does not support {feature} or the cgroup is not mounted. {limit} discarded."
            ));
            *list = Some(vec![]);
        }
    }
    Ok(())
}

/// Finds a block device's major and minor number by its path.
pub(crate) type FindNumbers<'a, E> = dyn Fn(&str) -> Result<(i64, i64), E> + 'a;

/// The limits of a container in OCI's words, without its devices.
pub(crate) fn plan<E>(wish: &HostConfig, number: &FindNumbers<'_, E>) -> Result<Resources, E> {
    Ok(Resources {
        memory: plan_memory(wish),
        cpu: plan_cpu(wish),
        pids: wish.pids_limit.map(|limit| Pids { limit: if limit <= 0 { -1 } else { limit } }),
        block_io: plan_block_io(wish, number)?,
        ..Resources::default()
    })
}

fn plan_memory(wish: &HostConfig) -> Option<Memory> {
    let positive = |value: i64| (value > 0).then_some(value);
    let memory = Memory {
        limit: positive(wish.memory),
        reservation: positive(wish.memory_reservation),
        // -1 lifts the limit that would else follow the memory's.
        swap: (wish.memory_swap > 0 || (wish.memory_swap == -1 && wish.memory > 0))
            .then_some(wish.memory_swap),
        kernel: positive(wish.kernel_memory),
        kernel_tcp: positive(wish.kernel_memory_tcp),
        swappiness: wish.memory_swappiness.and_then(|value| u64::try_from(value).ok()),
        disable_oom_killer: wish.oom_kill_disable.filter(|&disabled| disabled),
        ..Memory::default()
    };
    (memory != Memory::default()).then_some(memory)
}

fn plan_cpu(wish: &HostConfig) -> Option<Cpu> {
    let unsigned = |value: i64| u64::try_from(value).ok().filter(|value| *value != 0);
    let nonzero = |value: i64| (value != 0).then_some(value);
    const PERIOD: i64 = 100_000;
    let (mut period, mut quota) = (unsigned(wish.cpu_period), nonzero(wish.cpu_quota));
    if wish.nano_cpus > 0 {
        period = unsigned(PERIOD);
        quota = Some(wish.nano_cpus / (1_000_000_000 / PERIOD));
    }
    let cpu = Cpu {
        shares: unsigned(wish.cpu_shares),
        quota,
        period,
        realtime_runtime: nonzero(wish.cpu_realtime_runtime),
        realtime_period: unsigned(wish.cpu_realtime_period),
        cpus: wish.cpuset_cpus.clone(),
        mems: wish.cpuset_mems.clone(),
        ..Cpu::default()
    };
    (cpu != Cpu::default()).then_some(cpu)
}

fn plan_block_io<E>(wish: &HostConfig, number: &FindNumbers<'_, E>) -> Result<Option<BlockIo>, E> {
    let throttle = |list: &Option<Vec<ThrottleDevice>>| {
        let devices = list.iter().flatten().map(|device| {
            let (major, minor) = number(&device.path)?;
            Ok(Throttle { major, minor, rate: device.rate })
        });
        devices.collect::<Result<Vec<_>, E>>()
    };
    let weights = wish.blkio_weight_device.iter().flatten().map(|device| {
        let (major, minor) = number(&device.path)?;
        Ok(WeightDevice { major, minor, weight: Some(device.weight), leaf_weight: None })
    });
    let plan = BlockIo {
        weight: (wish.blkio_weight != 0).then_some(wish.blkio_weight),
        leaf_weight: None,
        weight_device: weights.collect::<Result<Vec<_>, E>>()?,
        throttle_read_bps_device: throttle(&wish.blkio_device_read_bps)?,
        throttle_write_bps_device: throttle(&wish.blkio_device_write_bps)?,
        throttle_read_iops_device: throttle(&wish.blkio_device_read_iops)?,
        throttle_write_iops_device: throttle(&wish.blkio_device_write_iops)?,
    };
    Ok((plan != BlockIo::default()).then_some(plan))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::host::tests::capable;

    fn refused(change: impl Fn(&mut HostConfig)) -> String {
        let mut wish = HostConfig::default();
        change(&mut wish);
        check(&mut wish, &capable()).unwrap_err().to_string()
    }

    #[test]
    fn impossible_limits_are_refused_in_dockers_words() {
        assert_eq!(refused(|wish| wish.memory = 1 << 20), "Minimum memory limit allowed is 6MB");
        assert_eq!(
            refused(|wish| wish.memory_swap = 1 << 30),
            "You should always set the Memory limit when using Memoryswap limit, see usage"
        );
        assert_eq!(
            refused(|wish| wish.nano_cpus = 5_000_000_000),
            "range of CPUs is from 0.01 to 4.00, as there are only 4 CPUs available"
        );
        assert_eq!(
            refused(|wish| wish.cpuset_cpus = "0,9".into()),
            "Requested CPUs are not available - requested 0,9, available: 0-3"
        );
        assert_eq!(
            refused(|wish| wish.cpuset_cpus = "x".into()),
            "Invalid value x for cpuset cpus: invalid format: x"
        );
        assert_eq!(refused(|wish| wish.blkio_weight = 5), "Range of blkio weight is from 10 to 1000");
        assert_eq!(
            refused(|wish| wish.cpu_shares = -1),
            "invalid CPU shares (-1): value must be a positive integer"
        );
    }

    #[test]
    fn what_the_host_cannot_enforce_is_dropped_with_a_warning() {
        let mut host = capable();
        host.cgroup.swap = false;
        host.cgroup.pids = false;
        let mut wish = HostConfig {
            memory: 64 << 20,
            memory_swap: 128 << 20,
            pids_limit: Some(5),
            ..HostConfig::default()
        };
        let warnings = check(&mut wish, &host).unwrap();
        assert_eq!(warnings.len(), 2);
        assert_eq!((wish.memory_swap, wish.pids_limit), (-1, None));
    }

    #[test]
    fn cpus_become_a_quota_of_a_tenth_of_a_second() {
        let wish = HostConfig { nano_cpus: 1_500_000_000, ..HostConfig::default() };
        let cpu = plan_cpu(&wish).unwrap();
        assert_eq!((cpu.period, cpu.quota), (Some(100_000), Some(150_000)));
    }

    #[test]
    fn no_wish_is_no_limit() {
        let mut wish = HostConfig { oom_kill_disable: Some(false), ..HostConfig::default() };
        assert_eq!(check(&mut wish, &capable()), Ok(vec![]));
        let plan: Result<Resources, ()> = plan(&wish, &|_| Err(()));
        assert_eq!(plan, Ok(Resources::default()));
    }
}
