//! Settings that a later version brings into effect: refused when they ask for something, never stored in silence.

use engine_api::container::{ContainerConfig, HostConfig};

use crate::error::Error;

/// Refuses what would have no effect yet.
pub(super) fn check(config: &ContainerConfig, host: &HostConfig) -> Result<(), Error> {
    let probes = config.healthcheck.as_ref().is_some_and(|health| {
        !matches!(health.test.as_deref(), None | Some([]))
            && health.test.as_deref() != Some(&["NONE".to_owned()])
    });
    let filled = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
    let asked = [
        ("Healthcheck", probes, "leave out --health-cmd, or pass --no-healthcheck"),
        ("HostConfig.Init", host.init == Some(true), "leave out --init"),
        ("HostConfig.Links", filled(&host.links), "use a network of your own instead of --link"),
        ("HostConfig.Cgroup", !host.cgroup.is_empty(), "leave it empty"),
        (
            "HostConfig.Devices with options",
            host.device_requests
                .as_ref()
                .is_some_and(|list| list.iter().any(|request| !request.driver.is_empty())),
            "name devices with --device",
        ),
    ];
    match asked.iter().find(|(_, is_asked, _)| *is_asked) {
        Some((field, _, advice)) => Err(Error::not_implemented(format!(
            "{field} is not in effect in this version of gantry; a later one brings it"
        ))
        .with_hint(*advice)),
        None => check_storage(host).and_then(|()| check_device_requests(host)),
    }
}

/// Docker's answer on a file system without project quotas.
fn check_storage(host: &HostConfig) -> Result<(), Error> {
    match host.storage_opt.iter().flatten().next() {
        None => Ok(()),
        Some((name, _)) if name == "size" => Err(Error::system(
            "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
        )),
        Some((name, _)) => Err(Error::system(format!("Unknown option {name}"))),
    }
}

/// Docker's answer where no driver knows such devices.
fn check_device_requests(host: &HostConfig) -> Result<(), Error> {
    let Some(request) = host.device_requests.iter().flatten().next() else { return Ok(()) };
    let lists = request.capabilities.iter().flatten().map(|list| format!("[{}]", list.join(" ")));
    let lists: Vec<String> = lists.collect();
    Err(Error::invalid(format!(
        "could not select device driver {:?} with capabilities: [{}]",
        request.driver,
        lists.join(" ")
    )))
}
