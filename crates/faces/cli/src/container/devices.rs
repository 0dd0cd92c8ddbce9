//! Which devices it sees.

use super::{Wish, list};
use crate::keyvalue;
use engine_api::container::{DeviceMapping, DeviceRequest};
use flags::{Flag, Typed, split_csv};

pub(super) const FLAGS: &[Flag] = &[
    Flag::list("device", "Add a host device to the container"),
    Flag::list("device-cgroup-rule", "Add a rule to the cgroup allowed devices list").check(check_rule),
    Flag::other(
        "gpus",
        "gpu-request",
        check_gpus,
        "GPU devices to add to the container ('all' to pass all GPUs)",
    )
    .since("1.40"),
];

/// `TYPE MAJOR:MINOR MODE`
fn check_rule(text: &str) -> Result<(), String> {
    let is_number =
        |text: &str| text == "*" || (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    let fits = match text.split(' ').collect::<Vec<_>>().as_slice() {
        ["a" | "c" | "b", numbers, mode] => {
            numbers.split_once(':').is_some_and(|(major, minor)| is_number(major) && is_number(minor))
                && (1..=3).contains(&mode.len())
                && mode.bytes().all(|byte| b"rwm".contains(&byte))
        }
        _ => false,
    };
    if fits { Ok(()) } else { Err(format!("invalid device cgroup format '{text}'")) }
}

fn check_gpus(text: &str) -> Result<(), String> {
    parse_gpus(text).map(drop)
}

fn parse_count(text: &str) -> Result<i64, String> {
    if text == "all" {
        return Ok(-1);
    }
    text.parse().map_err(|_| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let why = if is_number { "value out of range" } else { "invalid syntax" };
        format!("invalid count ({text}): value must be either \"all\" or an integer: {why}")
    })
}

/// `all`, `2`, `device=0`, `"capabilities=compute,utility",driver=nvidia`
fn parse_gpus(text: &str) -> Result<DeviceRequest, String> {
    let mut request = DeviceRequest::default();
    let mut seen: Vec<&str> = Vec::new();
    let fields = split_csv(text)?;
    for field in &fields {
        let (key, value) =
            field.split_once('=').map_or((field.as_str(), None), |(key, value)| (key, Some(value)));
        if seen.contains(&key) {
            return Err(format!("gpu request key '{key}' can be specified only once"));
        }
        seen.push(key);
        let words = |value: &str| value.split(',').map(str::to_owned).collect::<Vec<_>>();
        match (key, value) {
            (count, None) => {
                seen.push("count");
                request.count = parse_count(count)?;
            }
            ("driver", Some(driver)) => request.driver = driver.to_owned(),
            ("count", Some(count)) => request.count = parse_count(count)?,
            ("device", Some(devices)) => request.device_ids = Some(words(devices)),
            ("capabilities", Some(capabilities)) => {
                let mut capabilities = words(capabilities);
                capabilities.push("gpu".to_owned());
                request.capabilities = Some(vec![capabilities]);
            }
            ("options", Some(options)) => {
                let options =
                    split_csv(options).map_err(|error| format!("failed to read gpu options: {error}"))?;
                request.options = Some(keyvalue::to_map(options));
            }
            (key, Some(_)) => return Err(format!("unexpected key '{key}' in '{field}'")),
        }
    }
    if !seen.contains(&"count") && request.device_ids.is_none() {
        request.count = 1;
    }
    request.options.get_or_insert_default();
    request.capabilities.get_or_insert_with(|| vec![vec!["gpu".to_owned()]]);
    Ok(request)
}

/// `vendor.com/class=name`, as the container device interface names devices.
fn is_interface_name(text: &str) -> bool {
    let Some((kind, name)) = text.split_once('=') else { return false };
    let Some((vendor, class)) = kind.split_once('/') else { return false };
    let fits = |text: &str, inside: &[u8]| {
        let (Some(first), Some(last)) = (text.bytes().next(), text.bytes().last()) else { return false };
        first.is_ascii_alphabetic()
            && last.is_ascii_alphanumeric()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || inside.contains(&byte))
    };
    let is_name = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && name.bytes().last().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte));
    fits(vendor, b"_-.") && fits(class, b"_-") && is_name
}

fn is_mode(text: &str) -> bool {
    let distinct = |byte: u8| text.bytes().filter(|other| *other == byte).count() == 1;
    !text.is_empty() && text.bytes().all(|byte| b"rwm".contains(&byte) && distinct(byte))
}

/// `HOST[:CONTAINER][:MODE]`
fn parse_device(text: &str) -> Result<DeviceMapping, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let bad = || format!("bad format for path: {text}");
    let (host, container, mode) = match parts.as_slice() {
        ["", ..] => return Err(bad()),
        [host] => (*host, *host, "rwm"),
        [host, mode] if is_mode(mode) => (*host, *host, *mode),
        [host, container] => (*host, *container, "rwm"),
        [_, _, mode] if !is_mode(mode) => return Err(format!("bad mode specified: {mode}")),
        [host, container, mode] => (*host, *container, *mode),
        _ => return Err(bad()),
    };
    if !container.starts_with('/') {
        return Err(format!("{container} is not an absolute path"));
    }
    Ok(DeviceMapping {
        path_on_host: host.to_owned(),
        path_in_container: container.to_owned(),
        cgroup_permissions: mode.to_owned(),
    })
}

pub(super) fn apply(typed: &Typed, wish: &mut Wish) -> Result<(), String> {
    let mut mappings = Vec::new();
    let mut named = Vec::new();
    for device in typed.all("device") {
        if is_interface_name(device) {
            named.push(device.to_owned());
        } else {
            mappings.push(parse_device(device)?);
        }
    }
    let mut requests = typed.all("gpus").into_iter().map(parse_gpus).collect::<Result<Vec<_>, _>>()?;
    if !named.is_empty() {
        requests.push(DeviceRequest {
            driver: "cdi".to_owned(),
            device_ids: Some(named),
            ..DeviceRequest::default()
        });
    }
    wish.host.devices = Some(mappings);
    wish.host.device_requests = (!requests.is_empty()).then_some(requests);
    wish.host.device_cgroup_rules = list(typed, "device-cgroup-rule");
    Ok(())
}
