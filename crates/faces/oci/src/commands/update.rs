//! `update`.

use std::fs;
use std::io::Read;

use oci_spec::runtime::{BlockIo, Cpu, Memory, Pids, Resources};
use runtime::error::reason;

use super::{Arguments, Command, name};
use crate::Failure;
use crate::globals::Globals;
use crate::grammar::{Asked, Flag, Grammar, number, text};
use crate::log::Log;

const FLAGS: &[Flag] = &[
    text(
        &["resources", "r"],
        "path to the file containing the resources to update or '-' to read from the standard input; all other options are ignored then",
    ),
    number(&["blkio-weight"], "specifies per cgroup weight, range is from 10 to 1000"),
    text(&["cpu-period"], "CPU CFS period to be used for hardcapping (in usecs). 0 to use system default"),
    text(&["cpu-quota"], "CPU CFS hardcap limit (in usecs). Allowed cpu time in a given period"),
    text(&["cpu-burst"], "CPU CFS hardcap burst limit (in usecs)"),
    text(&["cpu-share"], "CPU shares (relative weight vs. other containers)"),
    text(&["cpu-rt-period"], "CPU realtime period to be used for hardcapping (in usecs)"),
    text(&["cpu-rt-runtime"], "CPU realtime hardcap limit (in usecs)"),
    text(&["cpuset-cpus"], "CPU(s) to use"),
    text(&["cpuset-mems"], "memory node(s) to use"),
    text(&["kernel-memory"], ""),
    text(&["kernel-memory-tcp"], ""),
    text(&["memory"], "memory limit (in bytes)"),
    text(&["cpu-idle"], "set cgroup SCHED_IDLE or not, 0: default behavior, 1: SCHED_IDLE"),
    text(&["memory-reservation"], "memory reservation or soft_limit (in bytes)"),
    text(&["memory-swap"], "total memory usage (memory + swap); set '-1' to enable unlimited swap"),
    number(&["pids-limit"], "maximum number of pids allowed in the container"),
    text(&["l3-cache-schema"], "the string of Intel RDT/CAT L3 cache schema"),
    text(&["mem-bw-schema"], "the string of Intel RDT/MBA memory bandwidth schema"),
];

pub(crate) static COMMAND: Command = Command {
    name: "update",
    help: "update container resource constraints",
    usage: "<container-id>",
    grammar: Grammar { flags: FLAGS, stops_at_word: false },
    arguments: Arguments::Exactly(1),
    run: update,
};

fn update(globals: &Globals, asked: &Asked, log: &mut Log) -> Result<u8, Failure> {
    let container = globals.home().find(name(asked)?)?;
    let resources = match asked.text("resources") {
        Some(path) => read(path)?,
        None => gather(asked)?,
    };
    let memory = resources.memory.as_ref();
    if memory.is_some_and(|memory| memory.kernel.is_some() || memory.kernel_tcp.is_some()) {
        log.warn("Kernel memory settings are ignored and will be removed");
    }
    if asked.text("l3-cache-schema").is_some() {
        return Err(Failure::new("Intel RDT/CAT: l3 cache schema is not enabled"));
    }
    if asked.text("mem-bw-schema").is_some() {
        return Err(Failure::new("Intel RDT/MBA: memory bandwidth schema is not enabled"));
    }
    container.update(&resources)?;
    Ok(0)
}

fn read(path: &str) -> Result<Resources, Failure> {
    let text = if path == "-" {
        let mut text = Vec::new();
        std::io::stdin().lock().take(1 << 20).read_to_end(&mut text)?;
        text
    } else {
        fs::read(path).map_err(|cause| Failure::new(format!("open {path}: {}", reason(&cause))))?
    };
    serde_json::from_slice(&text).map_err(|cause| Failure::new(format!("resources: {cause}")))
}

/// What the options say.
fn gather(asked: &Asked) -> Result<Resources, Failure> {
    fn parsed<N: std::str::FromStr>(asked: &Asked, name: &str) -> Result<Option<N>, Failure> {
        let Some(text) = asked.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            Failure::new(format!("invalid value for {name}: strconv.Parse: parsing {text:?}: invalid syntax"))
        })
    }
    let size = |name: &str| match asked.text(name) {
        None => Ok(None),
        Some("-1") => Ok(Some(-1)),
        Some(text) => match units::bytes::parse(text) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(cause) => Err(Failure::new(format!("invalid value for {name}: {cause}"))),
        },
    };
    let weight = asked.number("blkio-weight");
    let weight = match weight {
        0 => None,
        other => Some(other.try_into().map_err(|_| Failure::new("invalid value for blkio-weight"))?),
    };
    let limit = asked.number("pids-limit");
    Ok(Resources {
        memory: Some(Memory {
            limit: size("memory")?,
            reservation: size("memory-reservation")?,
            swap: size("memory-swap")?,
            kernel: size("kernel-memory")?,
            kernel_tcp: size("kernel-memory-tcp")?,
            ..Memory::default()
        }),
        cpu: Some(Cpu {
            shares: parsed(asked, "cpu-share")?,
            quota: parsed(asked, "cpu-quota")?,
            burst: parsed(asked, "cpu-burst")?,
            period: parsed(asked, "cpu-period")?,
            realtime_runtime: parsed(asked, "cpu-rt-runtime")?,
            realtime_period: parsed(asked, "cpu-rt-period")?,
            cpus: asked.text("cpuset-cpus").unwrap_or_default().to_owned(),
            mems: asked.text("cpuset-mems").unwrap_or_default().to_owned(),
            idle: parsed(asked, "cpu-idle")?,
        }),
        block_io: weight.map(|weight| BlockIo { weight: Some(weight), ..BlockIo::default() }),
        pids: (limit != 0).then_some(Pids { limit }),
        ..Resources::default()
    })
}
