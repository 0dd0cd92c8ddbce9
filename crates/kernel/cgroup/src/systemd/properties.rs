//! Limits as properties of a unit (systemd.resource-control(5)).

use oci_spec::runtime::{Cpu, Resources};

use super::Place;
use super::scale::{PERIOD, bits_of_ranges, per_second};
use crate::devices::{DeviceKind, DevicePolicy, Exception};
use crate::error::CgroupError;
use crate::layout::Version;
use crate::v2::{swap_alone, weight_of_shares};

/// One property of a unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: PropertyValue,
    /// The first version of systemd that knows it.
    pub since: u32,
}

/// A value of D-Bus, as far as properties need them.
#[derive(Debug, Clone, PartialEq)]
pub enum PropertyValue {
    /// `b`
    Bool(bool),
    /// `y`
    Byte(u8),
    /// `n`
    I16(i16),
    /// `q`
    U16(u16),
    /// `i`
    I32(i32),
    /// `u`
    U32(u32),
    /// `x`
    I64(i64),
    /// `t`
    U64(u64),
    /// `d`
    F64(f64),
    /// `s`
    Text(String),
    /// `ay`
    Bytes(Vec<u8>),
    /// `au`
    Numbers(Vec<u32>),
    /// `as`
    Texts(Vec<String>),
    /// `a(ss)`
    Pairs(Vec<(String, String)>),
}

impl Property {
    pub(crate) fn new(name: impl Into<String>, value: PropertyValue) -> Self {
        Self { name: name.into(), value, since: 0 }
    }

    fn number(name: &str, value: u64) -> Self {
        Self::new(name, PropertyValue::U64(value))
    }

    fn since(self, since: u32) -> Self {
        Self { since, ..self }
    }
}

/// What every unit of a container is.
pub(super) fn of_unit(version: Version, place: &Place) -> Vec<Property> {
    let text = |text: &str| PropertyValue::Text(text.to_owned());
    let mut all = vec![Property::new("Description", text(&format!("libcontainer container {}", place.name)))];
    if place.unit.ends_with(".slice") {
        all.push(Property::new("Wants", PropertyValue::Texts(vec![place.slice.clone()])));
    } else {
        all.push(Property::new("Slice", text(&place.slice)));
        all.push(Property::new("Delegate", PropertyValue::Bool(true)));
    }
    let io = match version {
        Version::V1 => "BlockIOAccounting",
        Version::V2 => "IOAccounting",
    };
    for accounting in ["MemoryAccounting", "CPUAccounting", io, "TasksAccounting"] {
        all.push(Property::new(accounting, PropertyValue::Bool(true)));
    }
    all.push(Property::new("DefaultDependencies", PropertyValue::Bool(false)));
    all
}

/// What limits say; those that systemd has no word for are written into the group's files only.
pub(super) fn of_resources(version: Version, resources: &Resources) -> Result<Vec<Property>, CgroupError> {
    let mut all = devices(&DevicePolicy::from_rules(&resources.devices)?);
    match version {
        Version::V1 => of_v1(resources, &mut all),
        Version::V2 => of_v2(resources, &mut all)?,
    }
    if let Some(limit @ (-1 | 1..)) = resources.pids.map(|pids| pids.limit) {
        all.push(Property::number("TasksMax", limit.cast_unsigned()));
    }
    if let Some(cpu) = &resources.cpu {
        quota(cpu, &mut all);
        for (name, list, what) in
            [("AllowedCPUs", &cpu.cpus, "Cpus"), ("AllowedMemoryNodes", &cpu.mems, "Mems")]
        {
            if !list.is_empty() {
                let bits = bits_of_ranges(list).map_err(|why| {
                    CgroupError::Unsupported(format!("resources.CPU.{what}={list:?} conversion error: {why}"))
                })?;
                all.push(Property::new(name, PropertyValue::Bytes(bits)).since(244));
            }
        }
    }
    if version == Version::V2 {
        unified(resources, &mut all)?;
    }
    Ok(all)
}

fn of_v1(resources: &Resources, all: &mut Vec<Property>) {
    let mut add = |name, value: Option<u64>| {
        all.extend(value.filter(|value| *value != 0).map(|value| Property::number(name, value)));
    };
    let memory = resources.memory.as_ref();
    add("MemoryLimit", memory.and_then(|memory| memory.limit).map(i64::cast_unsigned));
    add("CPUShares", resources.cpu.as_ref().and_then(|cpu| cpu.shares));
    add("BlockIOWeight", resources.block_io.as_ref().and_then(|io| io.weight).map(u64::from));
}

fn of_v2(resources: &Resources, all: &mut Vec<Property>) -> Result<(), CgroupError> {
    if let Some(memory) = &resources.memory {
        let mut add = |name, value: Option<i64>| {
            all.extend(value.map(|value| Property::number(name, value.cast_unsigned())));
        };
        add("MemoryMax", memory.limit.filter(|value| *value != 0));
        add("MemoryLow", memory.reservation.filter(|value| *value != 0));
        add("MemorySwapMax", swap_alone(memory)?);
    }
    if let Some(cpu) = &resources.cpu {
        if cpu.idle == Some(1) {
            // No weight at all is systemd's word for an idle group.
            all.push(Property::number("CPUWeight", 0).since(252));
        } else if let Some(shares) = cpu.shares.filter(|shares| *shares != 0) {
            all.push(Property::number("CPUWeight", weight_of_shares(shares)));
        }
    }
    Ok(())
}

fn quota(cpu: &Cpu, all: &mut Vec<Property>) {
    let period = cpu.period.filter(|period| *period != 0);
    let quota = cpu.quota.filter(|quota| *quota != 0);
    if let Some(period) = period {
        all.push(Property::number("CPUQuotaPeriodUSec", period).since(242));
    }
    if quota.is_some() || period.is_some() {
        let per_second = quota.and_then(|quota| per_second(quota, period.unwrap_or(PERIOD)));
        all.push(Property::number("CPUQuotaPerSecUSec", per_second.unwrap_or(u64::MAX)));
    }
}

fn unified(resources: &Resources, all: &mut Vec<Property>) -> Result<(), CgroupError> {
    for (file, value) in &resources.unified {
        let refuse =
            |why: &str| CgroupError::Unsupported(format!("unified resource {file:?} value {value:?}: {why}"));
        let value = value.trim();
        let number = match value {
            "max" => Ok(u64::MAX),
            value => value.parse::<u64>().map_err(|_| refuse("not a number")),
        };
        let name = match file.as_str() {
            "cpu.weight" => "CPUWeight",
            "memory.high" => "MemoryHigh",
            "memory.low" => "MemoryLow",
            "memory.min" => "MemoryMin",
            "memory.max" => "MemoryMax",
            "memory.swap.max" => "MemorySwapMax",
            "pids.max" => "TasksMax",
            "cpu.max" => {
                let mut words = value.split_ascii_whitespace();
                let parse = |word: Option<&str>| word.map(str::parse).transpose();
                let quota = words.next().filter(|word| *word != "max");
                let (Ok(quota), Ok(period), None) = (parse(quota), parse(words.next()), words.next()) else {
                    return Err(refuse("not a quota and a period"));
                };
                let period = period.and_then(|period: i64| u64::try_from(period).ok());
                let period = Some(period.unwrap_or(PERIOD));
                self::quota(&Cpu { quota, period, ..Cpu::default() }, all);
                continue;
            }
            "cpu.idle" => {
                if value == "1" {
                    all.push(Property::number("CPUWeight", 0).since(252));
                }
                continue;
            }
            "cpuset.cpus" | "cpuset.mems" => {
                let bits = bits_of_ranges(value).map_err(refuse)?;
                let name = if file == "cpuset.cpus" { "AllowedCPUs" } else { "AllowedMemoryNodes" };
                all.push(Property::new(name, PropertyValue::Bytes(bits)).since(244));
                continue;
            }
            _ => continue,
        };
        all.push(Property::number(name, number?));
    }
    Ok(())
}

/// systemd's own filter. It knows no deny lists and no single minors of any major: what it lacks is in the filter of
/// the group itself, so that here it only must not be stricter than that.
fn devices(policy: &DevicePolicy) -> Vec<Property> {
    let clear = Property::new("DeviceAllow", PropertyValue::Pairs(Vec::new()));
    let mode = |mode: &str| Property::new("DevicePolicy", PropertyValue::Text(mode.to_owned()));
    match policy {
        DevicePolicy::AllowBut(_) => vec![clear, mode("auto")],
        DevicePolicy::DenyBut(exceptions) => {
            let allowed = exceptions.iter().filter_map(device).collect();
            vec![clear, mode("strict"), Property::new("DeviceAllow", PropertyValue::Pairs(allowed))]
        }
    }
}

fn device(exception: &Exception) -> Option<(String, String)> {
    let kind = match exception.kind {
        DeviceKind::Block => "block",
        DeviceKind::Char => "char",
    };
    let path = match (exception.major, exception.minor) {
        (None, None) => format!("{kind}-*"),
        (None, Some(_)) => return None,
        (Some(major), None) => format!("{kind}-{major}"),
        (Some(major), Some(minor)) => format!("/dev/{kind}/{major}:{minor}"),
    };
    Some((path, exception.access.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(version: Version, json: &str) -> Vec<(String, u64)> {
        let all = of_resources(version, &serde_json::from_str(json).unwrap()).unwrap();
        let number = |property: Property| match property.value {
            PropertyValue::U64(number) => Some((property.name, number)),
            _ => None,
        };
        all.into_iter().filter_map(number).collect()
    }

    fn is(found: &[(String, u64)], expected: &[(&str, u64)]) {
        let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn limits_become_properties() {
        let json = r#"{"cpu": {"shares": 1024, "quota": 50000, "period": 100000}, "pids": {"limit": 9},
            "memory": {"limit": 4096, "reservation": 2048, "swap": 8192}, "blockIO": {"weight": 300}}"#;
        is(
            &numbers(Version::V2, json),
            &[
                ("MemoryMax", 4096),
                ("MemoryLow", 2048),
                ("MemorySwapMax", 4096),
                ("CPUWeight", 100),
                ("TasksMax", 9),
                ("CPUQuotaPeriodUSec", 100_000),
                ("CPUQuotaPerSecUSec", 500_000),
            ],
        );
        is(
            &numbers(Version::V1, json),
            &[
                ("MemoryLimit", 4096),
                ("CPUShares", 1024),
                ("BlockIOWeight", 300),
                ("TasksMax", 9),
                ("CPUQuotaPeriodUSec", 100_000),
                ("CPUQuotaPerSecUSec", 500_000),
            ],
        );
    }

    #[test]
    fn no_limit_is_the_largest_number() {
        let json = r#"{"cpu": {"quota": -1}, "memory": {"limit": -1}, "pids": {"limit": -1}}"#;
        is(
            &numbers(Version::V2, json),
            &[
                ("MemoryMax", u64::MAX),
                ("MemorySwapMax", u64::MAX),
                ("TasksMax", u64::MAX),
                ("CPUQuotaPerSecUSec", u64::MAX),
            ],
        );
        is(&numbers(Version::V2, "{}"), &[]);
    }

    #[test]
    fn files_of_v2_become_properties_where_there_are_some() {
        let json = r#"{"unified": {"memory.high": "max", "pids.max": "7", "cpu.max": "30000 60000",
            "io.max": "8:0 rbps=1", "cpu.weight": "50"}}"#;
        is(
            &numbers(Version::V2, json),
            &[
                ("CPUQuotaPeriodUSec", 60_000),
                ("CPUQuotaPerSecUSec", 500_000),
                ("CPUWeight", 50),
                ("MemoryHigh", u64::MAX),
                ("TasksMax", 7),
            ],
        );
        let refused = |json: &str| of_resources(Version::V2, &serde_json::from_str(json).unwrap()).is_err();
        assert!(refused(r#"{"unified": {"pids.max": "many"}}"#));
        assert!(refused(r#"{"unified": {"cpu.max": "1 2 3"}}"#));
        assert!(refused(r#"{"cpu": {"cpus": "5-1"}}"#));
    }

    #[test]
    fn devices_are_named_by_paths_and_groups() {
        let policy = DevicePolicy::from_rules(&[]).unwrap();
        let all = devices(&policy);
        let PropertyValue::Pairs(pairs) = &all[2].value else { panic!("{all:?}") };
        let pair = |path: &str, access: &str| (path.to_owned(), access.to_owned());
        assert_eq!(pairs[..3], [pair("block-*", "m"), pair("char-*", "m"), pair("/dev/char/1:3", "rwm")]);
        assert!(pairs.contains(&pair("char-136", "rwm")));
        let open = devices(&DevicePolicy::AllowBut(Vec::new()));
        assert_eq!(open[1].value, PropertyValue::Text("auto".to_owned()));
    }
}
