//! Priorities, CPUs and memory nodes by name, in the form the kernel takes.

use oci_spec::runtime::{CpuAffinity, IoPriority, MemoryPolicy, Process, Scheduler};
use rustix::thread::CpuSet;
use sys::scheduling::{IoClass, SchedulerAttributes};

use crate::error::CreateError;
use crate::options::Affinity;

/// When and where a process runs; all of it empty mostly.
#[derive(Debug, Default)]
pub(crate) struct SchedulingPlan {
    pub(crate) scheduler: Option<SchedulerAttributes>,
    pub(crate) io_priority: Option<(IoClass, u8)>,
    /// Mode with its flags, and a mask of nodes.
    pub(crate) memory: Option<(u32, Vec<u64>)>,
    /// Before it enters its cgroup.
    pub(crate) first_cpus: Option<CpuSet>,
    /// Afterwards.
    pub(crate) last_cpus: Option<CpuSet>,
}

impl SchedulingPlan {
    /// Computes the plan of a process; CPUs are an exec's only. Pure.
    pub(crate) fn new(process: &Process) -> Result<Self, CreateError> {
        Ok(Self {
            scheduler: process.scheduler.as_ref().map(scheduler).transpose()?,
            io_priority: process.io_priority.as_ref().map(io_priority).transpose()?,
            ..Self::default()
        })
    }

    /// Adds where an exec runs: what its own document says, else the reset that its caller asks for.
    pub(crate) fn add_cpus(
        &mut self,
        wish: Option<&CpuAffinity>,
        otherwise: Affinity,
    ) -> Result<(), CreateError> {
        let set = |field: &str, text: &str| -> Result<Option<CpuSet>, CreateError> {
            let field = format!("process.execCPUAffinity.{field}");
            Ok(list(&field, text, CpuSet::MAX_CPU)?.filter(|cpus| !cpus.is_empty()).map(|cpus| {
                let mut set = CpuSet::new();
                cpus.into_iter().for_each(|cpu| set.set(cpu));
                set
            }))
        };
        match wish {
            Some(wish) => {
                self.first_cpus = set("initial", &wish.initial)?;
                self.last_cpus = set("final", &wish.last)?;
            }
            None => self.reset_cpus(otherwise),
        }
        Ok(())
    }

    /// Lets it run wherever its cgroup allows, when that is asked for.
    pub(crate) fn reset_cpus(&mut self, affinity: Affinity) {
        if affinity == Affinity::Reset {
            let mut all = CpuSet::new();
            (0..CpuSet::MAX_CPU).for_each(|cpu| all.set(cpu));
            self.last_cpus = Some(all);
        }
    }

    /// Adds where its memory comes from.
    pub(crate) fn add_memory(&mut self, policy: Option<&MemoryPolicy>) -> Result<(), CreateError> {
        self.memory = policy.map(memory).transpose()?;
        Ok(())
    }
}

fn invalid(field: &str, value: &dyn std::fmt::Display) -> CreateError {
    CreateError::Invalid(format!("invalid {field}: {value}"))
}

fn scheduler(wish: &Scheduler) -> Result<SchedulerAttributes, CreateError> {
    let policies =
        ["SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH", "SCHED_ISO", "SCHED_IDLE", "SCHED_DEADLINE"];
    let flags = [
        "SCHED_FLAG_RESET_ON_FORK",
        "SCHED_FLAG_RECLAIM",
        "SCHED_FLAG_DL_OVERRUN",
        "SCHED_FLAG_KEEP_POLICY",
        "SCHED_FLAG_KEEP_PARAMS",
        "SCHED_FLAG_UTIL_CLAMP_MIN",
        "SCHED_FLAG_UTIL_CLAMP_MAX",
    ];
    let name = wish.policy.as_str();
    if name.is_empty() {
        return Err(CreateError::Invalid("scheduler policy is required".to_owned()));
    }
    let policy = number(&policies, name).ok_or_else(|| invalid("scheduler.policy", &format!("{name:?}")))?;
    let nice = wish.nice.unwrap_or(0);
    if matches!(name, "SCHED_OTHER" | "SCHED_BATCH") && !(-20..=19).contains(&nice) {
        let text = format!("invalid scheduler.nice: {nice} when scheduler.policy is {name}");
        return Err(CreateError::Invalid(text));
    }
    let priority = wish.priority.unwrap_or(0);
    if priority != 0 && !matches!(name, "SCHED_FIFO" | "SCHED_RR") {
        let text = "scheduler.priority can only be specified for SchedFIFO or SchedRR policy";
        return Err(CreateError::Invalid(text.to_owned()));
    }
    let times = [wish.runtime, wish.deadline, wish.period].map(Option::unwrap_or_default);
    if times != [0; 3] && name != "SCHED_DEADLINE" {
        let text = "scheduler runtime/deadline/period can only be specified for SchedDeadline policy";
        return Err(CreateError::Invalid(text.to_owned()));
    }
    let mut bits = 0;
    for flag in &wish.flags {
        let place = number(&flags, flag).ok_or_else(|| invalid("scheduler.flags", &format!("{flag:?}")))?;
        bits |= 1 << place;
    }
    let [runtime, deadline, period] = times;
    Ok(SchedulerAttributes {
        policy,
        flags: bits,
        nice,
        priority: u32::try_from(priority).map_err(|_| invalid("scheduler.priority", &priority))?,
        runtime,
        deadline,
        period,
        ..SchedulerAttributes::default()
    })
}

fn io_priority(wish: &IoPriority) -> Result<(IoClass, u8), CreateError> {
    let class = match wish.class.as_str() {
        "IOPRIO_CLASS_RT" => IoClass::RealTime,
        "IOPRIO_CLASS_BE" => IoClass::BestEffort,
        "IOPRIO_CLASS_IDLE" => IoClass::Idle,
        other => return Err(invalid("ioPriority.Class", &format!("{other:?}"))),
    };
    let priority = u8::try_from(wish.priority).ok().filter(|priority| *priority < 8);
    Ok((class, priority.ok_or_else(|| invalid("ioPriority.Priority", &wish.priority))?))
}

fn memory(wish: &MemoryPolicy) -> Result<(u32, Vec<u64>), CreateError> {
    let modes = [
        "MPOL_DEFAULT",
        "MPOL_PREFERRED",
        "MPOL_BIND",
        "MPOL_INTERLEAVE",
        "MPOL_LOCAL",
        "MPOL_PREFERRED_MANY",
        "MPOL_WEIGHTED_INTERLEAVE",
    ];
    let flags = ["MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"];
    let mode = number(&modes, &wish.mode);
    let mut mode = mode.ok_or_else(|| invalid("linux.memoryPolicy.mode", &format!("{:?}", wish.mode)))?;
    for flag in &wish.flags {
        let place = number(&flags, flag);
        let place = place.ok_or_else(|| invalid("linux.memoryPolicy.flags", &format!("{flag:?}")))?;
        mode |= 1 << (13 + place);
    }
    let mut mask = Vec::new();
    for node in list("linux.memoryPolicy.nodes", &wish.nodes, 1024)?.unwrap_or_default() {
        mask.resize(mask.len().max(node / 64 + 1), 0_u64);
        if let Some(word) = mask.get_mut(node / 64) {
            *word |= 1 << (node % 64);
        }
    }
    Ok((mode, mask))
}

fn number(names: &[&str], name: &str) -> Option<u32> {
    names.iter().position(|known| *known == name).and_then(|place| u32::try_from(place).ok())
}

/// A list like `0-3,7`; nothing for an empty text.
fn list(field: &str, text: &str, end: usize) -> Result<Option<Vec<usize>>, CreateError> {
    let wrong = || invalid(field, &format!("{text:?}"));
    if text.is_empty() {
        return Ok(None);
    }
    let mut all = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let parse = |text: &str| text.trim().parse::<usize>().ok().filter(|number| *number < end);
        let (first, last) = (parse(first).ok_or_else(wrong)?, parse(last).ok_or_else(wrong)?);
        if first > last {
            return Err(wrong());
        }
        all.extend(first..=last);
    }
    Ok(Some(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(json: &str) -> Result<SchedulingPlan, String> {
        let json = format!(r#"{{"cwd": "/", {json}}}"#);
        SchedulingPlan::new(&serde_json::from_str(&json).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn names_have_the_kernels_numbers() {
        let plan = planned(
            r#""scheduler": {"policy": "SCHED_DEADLINE", "flags": ["SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_DL_OVERRUN"],
                "runtime": 1, "deadline": 2, "period": 3}, "ioPriority": {"class": "IOPRIO_CLASS_IDLE", "priority": 7}"#,
        );
        let plan = plan.unwrap();
        let attributes = plan.scheduler.unwrap();
        assert_eq!((attributes.policy, attributes.flags), (6, 5));
        assert_eq!((attributes.runtime, attributes.deadline, attributes.period), (1, 2, 3));
        assert_eq!(plan.io_priority, Some((IoClass::Idle, 7)));
        let wish = MemoryPolicy {
            mode: "MPOL_BIND".to_owned(),
            nodes: "0-1,65".to_owned(),
            flags: vec!["MPOL_F_STATIC_NODES".to_owned()],
        };
        assert_eq!(memory(&wish).unwrap(), (2 | 1 << 15, vec![3, 2]));
    }

    #[test]
    fn cpus_are_lists_with_ranges() {
        let wish = |initial: &str| CpuAffinity { initial: initial.to_owned(), last: "7".to_owned() };
        let mut plan = SchedulingPlan::default();
        plan.add_cpus(Some(&wish("0-2,5")), Affinity::Reset).unwrap();
        let (first, last) = (plan.first_cpus.unwrap(), plan.last_cpus.unwrap());
        assert_eq!(first.count(), 4);
        assert!(first.is_set(5) && !first.is_set(4) && last.is_set(7) && last.count() == 1);
        for nonsense in ["x", "3-1", "1024", "-", "1-"] {
            let text = plan.add_cpus(Some(&wish(nonsense)), Affinity::Inherit).unwrap_err().to_string();
            assert_eq!(text, format!("invalid process.execCPUAffinity.initial: {nonsense:?}"));
        }
        plan.add_cpus(None, Affinity::Reset).unwrap();
        assert_eq!(plan.last_cpus.unwrap().count(), 1024);
    }

    #[test]
    fn nonsense_is_refused_in_runcs_words() {
        let refused = |json: &str| planned(json).unwrap_err();
        assert_eq!(refused(r#""scheduler": {"policy": ""}"#), "scheduler policy is required");
        assert_eq!(refused(r#""scheduler": {"policy": "FAST"}"#), r#"invalid scheduler.policy: "FAST""#);
        assert_eq!(
            refused(r#""scheduler": {"policy": "SCHED_BATCH", "nice": 20}"#),
            "invalid scheduler.nice: 20 when scheduler.policy is SCHED_BATCH"
        );
        assert!(refused(r#""scheduler": {"policy": "SCHED_OTHER", "priority": 1}"#).contains("SchedFIFO"));
        assert!(refused(r#""scheduler": {"policy": "SCHED_OTHER", "period": 1}"#).contains("SchedDeadline"));
        assert_eq!(
            refused(r#""ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 8}"#),
            "invalid ioPriority.Priority: 8"
        );
        assert_eq!(refused(r#""ioPriority": {"class": "x"}"#), r#"invalid ioPriority.Class: "x""#);
    }
}
