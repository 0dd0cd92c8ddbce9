//! What a client of an older API version means by its request: defaults that changed, fields that it cannot know. Pure.

use engine_api::container::{ContainerConfig, HostConfig};
use engine_api::network::{EndpointSettings, NetworkingConfig};
use engine_api::version::ApiVersion;

use super::interface_sysctls;
use crate::error::Error;

/// Adapts a request in place; gives the warnings that Docker adds.
pub(super) fn adapt(
    version: ApiVersion,
    config: &mut ContainerConfig,
    host: &mut HostConfig,
    networking: &mut NetworkingConfig,
) -> Result<Vec<String>, Error> {
    name_default_network(host, networking);
    adapt_host(version, config, host);
    check_mount_options(version, host)?;
    check_endpoints(version, networking)?;
    let mut warnings = Vec::new();
    warnings.extend(ignored_volume_driver(version, host));
    warnings.extend(move_mac_address(version, config, host, networking)?);
    warnings.extend(interface_sysctls::migrate(version, host, networking)?);
    if host.pids_limit.is_some_and(|limit| limit <= 0) {
        host.pids_limit = None;
    }
    Ok(warnings)
}

/// `default` is how clients say "bridge".
fn name_default_network(host: &mut HostConfig, networking: &mut NetworkingConfig) {
    if !host.network_mode.is_empty() && host.network_mode != "default" {
        return;
    }
    "bridge".clone_into(&mut host.network_mode);
    if let Some(endpoints) = &mut networking.endpoints_config
        && let Some(settings) = endpoints.remove("default")
    {
        endpoints.insert("bridge".to_owned(), settings);
    }
}

fn adapt_host(version: ApiVersion, config: &mut ContainerConfig, host: &mut HostConfig) {
    if version.before(25) {
        host.auto_remove = false;
    }
    if version.before(40) {
        host.kernel_memory_tcp = 0;
        if host.ipc_mode.is_empty() {
            "shareable".clone_into(&mut host.ipc_mode);
        }
    }
    if version.before(42) {
        host.console_size = [0, 0];
    } else {
        host.kernel_memory = 0;
    }
    if version.before(43) {
        host.annotations = None;
    }
    if version.before(44)
        && let Some(health) = &mut config.healthcheck
    {
        health.start_interval = 0;
    }
    for mount in host.mounts.iter_mut().flatten() {
        if let Some(bind) = &mut mount.bind_options {
            bind.non_recursive &= !version.before(40);
            bind.create_mountpoint &= !version.before(42);
            bind.read_only_non_recursive |= version.before(44) && mount.read_only;
        }
        if version.before(42) && mount.kind != "volume" {
            mount.volume_options = None;
        }
        if version.before(42) && mount.kind != "tmpfs" {
            mount.tmpfs_options = None;
        }
    }
}

fn check_mount_options(version: ApiVersion, host: &HostConfig) -> Result<(), Error> {
    for mount in host.mounts.iter().flatten() {
        let kind = &mount.kind;
        if !version.before(42) {
            let given = [
                ("VolumeOptions", "volume", mount.volume_options.is_some()),
                ("BindOptions", "bind", mount.bind_options.is_some()),
                ("TmpfsOptions", "tmpfs", mount.tmpfs_options.is_some()),
            ];
            for (options, owner, is_given) in given {
                if is_given && kind != owner {
                    return Err(Error::invalid(format!(
                        "{options} must not be specified on mount type {kind:?}"
                    )));
                }
            }
        }
        let forced = mount.bind_options.as_ref().is_some_and(|bind| bind.read_only_force_recursive);
        if version.before(44) && forced {
            return Err(Error::invalid("BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer"));
        }
        let subpath = mount.volume_options.as_ref().is_some_and(|volume| !volume.subpath.is_empty());
        if version.before(45) && subpath {
            return Err(Error::invalid("VolumeOptions.Subpath needs API v1.45 or newer"));
        }
        if version.before(48) && kind == "image" {
            return Err(Error::invalid("Mount type \"Image\" needs API v1.48 or newer"));
        }
    }
    Ok(())
}

fn check_endpoints(version: ApiVersion, networking: &mut NetworkingConfig) -> Result<(), Error> {
    let Some(endpoints) = &mut networking.endpoints_config else { return Ok(()) };
    if version.before(44) && endpoints.len() > 1 {
        let names: Vec<&str> = endpoints.keys().map(String::as_str).collect();
        let text =
            format!("Container cannot be created with multiple network endpoints: {}", names.join(", "));
        return Err(Error::invalid(text));
    }
    if version.before(48) {
        for settings in endpoints.values_mut().flatten() {
            settings.gw_priority = 0;
        }
    }
    Ok(())
}

fn ignored_volume_driver(version: ApiVersion, host: &HostConfig) -> Option<String> {
    let names_driver = |mount: &engine_api::mount::Mount| {
        let options = mount.volume_options.as_ref();
        options.and_then(|volume| volume.driver_config.as_ref()).is_some_and(|driver| !driver.name.is_empty())
    };
    let mut volumes = host.mounts.iter().flatten().filter(|mount| mount.kind == "volume");
    let ignored = !host.volume_driver.is_empty() && volumes.any(|mount| !names_driver(mount));
    (ignored && !version.before(48)).then(|| {
        "WARNING: the container-wide volume-driver configuration is ignored for volumes specified via 'mount'. \
         Use '--mount type=volume,volume-driver=...' instead"
            .to_owned()
    })
}

/// The MAC address moved from the container to its endpoint with 1.44.
fn move_mac_address(
    version: ApiVersion,
    config: &mut ContainerConfig,
    host: &HostConfig,
    networking: &mut NetworkingConfig,
) -> Result<Option<String>, Error> {
    let own_namespace = !["host", "none"].contains(&host.network_mode.as_str())
        && !host.network_mode.starts_with("container:");
    let endpoints = networking.endpoints_config.get_or_insert_default();
    if version.before(44) {
        if config.mac_address.is_empty() {
            endpoints.values_mut().flatten().for_each(|settings| settings.mac_address.clear());
            return Ok(None);
        }
        if !own_namespace {
            return Err(Error::invalid("conflicting options: mac-address and the network mode"));
        }
    }
    if config.mac_address.is_empty() {
        return Ok(None);
    }
    if own_namespace {
        if endpoints.is_empty() {
            endpoints.insert(host.network_mode.clone(), Some(EndpointSettings::default()));
        }
        let settings = match endpoints.len() {
            1 if version.before(44) => endpoints.values_mut().next(),
            _ => endpoints.get_mut(&host.network_mode),
        };
        let Some(settings) = settings else {
            return Err(Error::invalid(
                "unable to migrate container-wide MAC address to a specific network: HostConfig.NetworkMode must match the identity of a network in NetworkSettings.Networks",
            ));
        };
        let settings = settings.get_or_insert_default();
        if !version.before(44)
            && !settings.mac_address.is_empty()
            && settings.mac_address != config.mac_address
        {
            return Err(Error::invalid(
                "the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty",
            ));
        }
        settings.mac_address.clone_from(&config.mac_address);
    }
    if version.before(44) {
        return Ok(None);
    }
    config.mac_address.clear();
    Ok(Some(
        "The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead."
            .to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapted(minor: u16, host: HostConfig) -> (HostConfig, Vec<String>) {
        let (mut config, mut host, mut networking) =
            (ContainerConfig::default(), host, NetworkingConfig::default());
        let warnings = adapt(ApiVersion::v1(minor), &mut config, &mut host, &mut networking).unwrap();
        (host, warnings)
    }

    #[test]
    fn an_old_client_gets_what_was_usual_then() {
        let wish = HostConfig { auto_remove: true, console_size: [24, 80], ..HostConfig::default() };
        let (old, _) = adapted(24, wish.clone());
        assert_eq!((old.auto_remove, old.ipc_mode.as_str(), old.console_size), (false, "shareable", [0, 0]));
        let (new, _) = adapted(51, wish);
        assert_eq!((new.auto_remove, new.ipc_mode.as_str(), new.console_size), (true, "", [24, 80]));
        assert_eq!(new.network_mode, "bridge");
    }

    #[test]
    fn the_containers_mac_address_goes_to_its_endpoint() {
        let mut config =
            ContainerConfig { mac_address: "02:42:ac:11:00:09".into(), ..ContainerConfig::default() };
        let (mut host, mut networking) = (HostConfig::default(), NetworkingConfig::default());
        let warnings = adapt(ApiVersion::v1(51), &mut config, &mut host, &mut networking).unwrap();
        assert_eq!(warnings.len(), 1);
        let endpoints = networking.endpoints_config.unwrap();
        assert_eq!(endpoints["bridge"].as_ref().unwrap().mac_address, "02:42:ac:11:00:09");
        assert_eq!(config.mac_address, "");
    }
}
