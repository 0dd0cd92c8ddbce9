//! The body of `POST /containers/create`.

use super::is_user_defined;
use crate::error::ApiError;
use engine_api::container::{ContainerConfig, ContainerCreateRequest, HostConfig};
use engine_api::mount::Mount;
use engine_api::network::EndpointSettings;
use engine_api::version::ApiVersion;
use std::collections::BTreeMap;

type Endpoints = BTreeMap<String, Option<EndpointSettings>>;

/// Brings a request of `version` into the shape of the newest version; gives warnings for the answer.
pub(crate) fn create_request(
    version: ApiVersion,
    request: &mut ContainerCreateRequest,
) -> Result<Vec<String>, ApiError> {
    let host = request.host_config.get_or_insert_default();
    let networking = request.networking_config.get_or_insert_default();
    let endpoints = networking.endpoints_config.get_or_insert_default();
    name_default_network(host, endpoints);
    drop_unknown_fields(version, &mut request.config, host, endpoints);
    for mount in host.mounts.iter_mut().flatten() {
        check_mount(version, mount)?;
    }
    if version.before(44) && endpoints.len() > 1 {
        let names: Vec<&str> = endpoints.keys().map(String::as_str).collect();
        let names = names.join(", ");
        let message = format!("Container cannot be created with multiple network endpoints: {names}");
        return Err(ApiError::bad_request(message));
    }
    let mut warnings = Vec::new();
    warnings.extend(volume_driver_warning(version, host));
    warnings.extend(move_mac_address(version, &mut request.config, host, endpoints)?);
    warnings.extend(move_interface_sysctls(version, host, endpoints)?);
    // 0 and every negative number are "no limit".
    host.pids_limit = host.pids_limit.filter(|limit| *limit > 0);
    Ok(warnings)
}

/// "default" is the bridge on this system.
fn name_default_network(host: &mut HostConfig, endpoints: &mut Endpoints) {
    if !matches!(host.network_mode.as_str(), "" | "default") {
        return;
    }
    "bridge".clone_into(&mut host.network_mode);
    if let Some(settings) = endpoints.remove("default") {
        endpoints.insert("bridge".to_owned(), settings);
    }
}

fn drop_unknown_fields(
    version: ApiVersion,
    config: &mut ContainerConfig,
    host: &mut HostConfig,
    endpoints: &mut Endpoints,
) {
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
        && let Some(check) = &mut config.healthcheck
    {
        check.start_interval = 0;
    }
    if version.before(48) {
        for settings in endpoints.values_mut().flatten() {
            settings.gw_priority = 0;
        }
    }
}

/// Drops or refuses what a mount of that version cannot have.
fn check_mount(version: ApiVersion, mount: &mut Mount) -> Result<(), ApiError> {
    let refuse = |message: String| Err(ApiError::bad_request(message));
    let kind = mount.kind.clone();
    if let Some(bind) = &mut mount.bind_options {
        bind.non_recursive &= !version.before(40);
        bind.create_mountpoint &= !version.before(42);
        if version.before(44) && kind == "bind" && bind.read_only_force_recursive {
            return refuse("BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer".to_owned());
        }
    }
    if version.before(42) {
        mount.volume_options = mount.volume_options.take().filter(|_| kind == "volume");
        mount.tmpfs_options = mount.tmpfs_options.take().filter(|_| kind == "tmpfs");
    } else {
        for (name, given, wanted) in [
            ("VolumeOptions", mount.volume_options.is_some(), "volume"),
            ("BindOptions", mount.bind_options.is_some(), "bind"),
            ("TmpfsOptions", mount.tmpfs_options.is_some(), "tmpfs"),
        ] {
            if given && kind != wanted {
                return refuse(format!("{name} must not be specified on mount type {kind:?}"));
            }
        }
    }
    if version.before(45) && mount.volume_options.as_ref().is_some_and(|volume| !volume.subpath.is_empty()) {
        return refuse("VolumeOptions.Subpath needs API v1.45 or newer".to_owned());
    }
    if version.before(48) && kind == "image" {
        return refuse("Mount type \"Image\" needs API v1.48 or newer".to_owned());
    }
    Ok(())
}

/// A driver for all volumes does not hold for mounts, which name their own.
fn volume_driver_warning(version: ApiVersion, host: &HostConfig) -> Option<String> {
    if host.volume_driver.is_empty() || version.before(48) {
        return None;
    }
    let names_driver = |mount: &Mount| {
        let options = mount.volume_options.as_ref();
        options
            .and_then(|options| options.driver_config.as_ref())
            .is_some_and(|driver| !driver.name.is_empty())
    };
    let mut mounts = host.mounts.iter().flatten();
    mounts.any(|mount| mount.kind == "volume" && !names_driver(mount)).then(|| {
        "WARNING: the container-wide volume-driver configuration is ignored for volumes specified via 'mount'. \
         Use '--mount type=volume,volume-driver=...' instead"
            .to_owned()
    })
}

/// The container's MAC address became one of its main endpoint in 1.44.
fn move_mac_address(
    version: ApiVersion,
    config: &mut ContainerConfig,
    host: &HostConfig,
    endpoints: &mut Endpoints,
) -> Result<Option<String>, ApiError> {
    let has_endpoint = host.network_mode == "bridge" || is_user_defined(&host.network_mode);
    let wanted = config.mac_address.clone();
    if wanted.is_empty() {
        if version.before(44) {
            for settings in endpoints.values_mut().flatten() {
                settings.mac_address.clear();
            }
        }
        return Ok(None);
    }
    if version.before(44) {
        if !has_endpoint {
            let message = "conflicting options: mac-address and the network mode";
            return Err(ApiError::bad_request(message));
        }
        main_endpoint(version, host, endpoints)?.mac_address = wanted;
        return Ok(None);
    }
    if has_endpoint {
        let endpoint = main_endpoint(version, host, endpoints).map_err(|mut error| {
            let message = &error.body.message;
            error.body.message =
                format!("unable to migrate container-wide MAC address to a specific network: {message}");
            error
        })?;
        if endpoint.mac_address.is_empty() {
            endpoint.mac_address = wanted;
        } else if endpoint.mac_address != wanted {
            return Err(ApiError::bad_request(
                "the container-wide MAC address must match the endpoint-specific MAC address for the main \
                 network, or be left empty",
            ));
        }
    }
    config.mac_address.clear();
    let warning = "The container-wide MacAddress field is now deprecated. It should be specified in \
                   EndpointsConfig instead.";
    Ok(Some(warning.to_owned()))
}

/// The option of an endpoint that holds its sysctls.
const ENDPOINT_SYSCTLS: &str = "com.docker.network.endpoint.sysctls";

/// Sysctls of an interface cannot be set before it exists: they belong to its endpoint.
fn move_interface_sysctls(
    version: ApiVersion,
    host: &mut HostConfig,
    endpoints: &mut Endpoints,
) -> Result<Option<String>, ApiError> {
    if host.network_mode == "host" || host.network_mode.starts_with("container:") {
        return Ok(None);
    }
    let Some(sysctls) = &mut host.sysctls else { return Ok(None) };
    let names: Vec<String> = sysctls.keys().filter(|name| interface_of(name).is_some()).cloned().collect();
    let Some(first) = names.first() else { return Ok(None) };
    let internal = |message| ApiError::new(http::StatusCode::INTERNAL_SERVER_ERROR, message);
    if !version.before(48) {
        return Err(internal(format!(
            "interface specific sysctl setting {first:?} must be supplied using driver option \
             '{ENDPOINT_SYSCTLS}'"
        )));
    }
    let mut moved = Vec::new();
    for name in &names {
        if interface_of(name) != Some("eth0") {
            return Err(internal(format!(
                "unable to determine network endpoint for sysctl {name}, use driver option \
                 '{ENDPOINT_SYSCTLS}' to set per-interface sysctls"
            )));
        }
        let value = sysctls.remove(name).unwrap_or_default();
        moved.push(format!("{}={value}", name.replacen("eth0", "IFNAME", 1)));
    }
    let mut option = moved.join(",");
    let warning =
        format!("Migrated sysctl {:?} to DriverOpts{{{ENDPOINT_SYSCTLS:?}:{option:?}}}.", names.join(","));
    let options = main_endpoint(version, host, endpoints)?.driver_opts.get_or_insert_default();
    if let Some(before) = options.get(ENDPOINT_SYSCTLS) {
        option = format!("{option},{before}");
    }
    options.insert(ENDPOINT_SYSCTLS.to_owned(), option);
    Ok(Some(warning))
}

/// `net.ipv4.conf.eth0.forwarding` → `eth0`.
fn interface_of(sysctl: &str) -> Option<&str> {
    let parts: Vec<&str> = sysctl.splitn(5, '.').collect();
    match parts[..] {
        ["net", _, _, interface, _] if interface.starts_with("eth") => Some(interface),
        _ => None,
    }
}

/// The settings of the network that `NetworkMode` names.
fn main_endpoint<'a>(
    version: ApiVersion,
    host: &HostConfig,
    endpoints: &'a mut Endpoints,
) -> Result<&'a mut EndpointSettings, ApiError> {
    let name = &host.network_mode;
    let key = if endpoints.is_empty() || endpoints.contains_key(name) {
        name.clone()
    } else if version.before(44) {
        endpoints.keys().next().cloned().unwrap_or_default()
    } else {
        let message =
            "HostConfig.NetworkMode must match the identity of a network in NetworkSettings.Networks";
        return Err(ApiError::bad_request(message));
    };
    Ok(endpoints.entry(key).or_default().get_or_insert_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine_api::json;
    use engine_api::version::MAX;

    fn request(text: &str) -> ContainerCreateRequest {
        json::decode(text.as_bytes()).unwrap()
    }

    fn refusal(minor: u16, text: &str) -> String {
        create_request(ApiVersion::v1(minor), &mut request(text)).unwrap_err().body.message
    }

    #[test]
    fn the_default_network_gets_its_name() {
        let mut body = request(
            r#"{"Image":"a","HostConfig":{"NetworkMode":"default"},
                "NetworkingConfig":{"EndpointsConfig":{"default":{"Aliases":["x"]}}}}"#,
        );
        create_request(MAX, &mut body).unwrap();
        assert_eq!(body.host_config.unwrap().network_mode, "bridge");
        let endpoints = body.networking_config.unwrap().endpoints_config.unwrap();
        assert_eq!(endpoints["bridge"].as_ref().unwrap().aliases, Some(vec!["x".to_owned()]));
    }

    #[test]
    fn fields_from_after_the_version_are_dropped() {
        let text = r#"{"Image":"a","Healthcheck":{"StartInterval":5},"HostConfig":{"AutoRemove":true,
            "ConsoleSize":[1,2],"Annotations":{"a":"b"},"PidsLimit":-1,
            "Mounts":[{"Type":"bind","BindOptions":{"NonRecursive":true,"CreateMountpoint":true}}]}}"#;
        let mut old = request(text);
        create_request(ApiVersion::v1(24), &mut old).unwrap();
        let host = old.host_config.unwrap();
        assert!(!host.auto_remove && host.annotations.is_none() && host.console_size == [0, 0]);
        assert_eq!((host.ipc_mode.as_str(), host.pids_limit), ("shareable", None));
        let bind = host.mounts.unwrap().remove(0).bind_options.unwrap();
        assert!(!bind.non_recursive && !bind.create_mountpoint);
        assert_eq!(old.config.healthcheck.unwrap().start_interval, 0);
        let mut new = request(text);
        create_request(MAX, &mut new).unwrap();
        assert!(new.host_config.unwrap().auto_remove);
    }

    #[test]
    fn what_a_version_cannot_do_is_refused_in_dockers_words() {
        for (minor, mount, words) in [
            (
                51,
                r#"{"Type":"bind","VolumeOptions":{}}"#,
                "VolumeOptions must not be specified on mount type \"bind\"",
            ),
            (
                51,
                r#"{"Type":"volume","TmpfsOptions":{}}"#,
                "TmpfsOptions must not be specified on mount type \"volume\"",
            ),
            (47, r#"{"Type":"image"}"#, "Mount type \"Image\" needs API v1.48 or newer"),
            (
                44,
                r#"{"Type":"volume","VolumeOptions":{"Subpath":"x"}}"#,
                "VolumeOptions.Subpath needs API v1.45 or newer",
            ),
            (
                43,
                r#"{"Type":"bind","BindOptions":{"ReadOnlyForceRecursive":true}}"#,
                "BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer",
            ),
        ] {
            let body = format!(r#"{{"Image":"a","HostConfig":{{"Mounts":[{mount}]}}}}"#);
            assert_eq!(refusal(minor, &body), words);
        }
    }

    #[test]
    fn the_mac_address_moves_to_its_endpoint() {
        let mut body = request(r#"{"Image":"a","MacAddress":"02:00:00:00:00:01"}"#);
        let warnings = create_request(MAX, &mut body).unwrap();
        assert!(warnings[0].starts_with("The container-wide MacAddress field is now deprecated"));
        let endpoints = body.networking_config.unwrap().endpoints_config.unwrap();
        assert_eq!(endpoints["bridge"].as_ref().unwrap().mac_address, "02:00:00:00:00:01");
        assert_eq!(body.config.mac_address, "");
    }

    #[test]
    fn interface_sysctls_move_to_their_endpoint() {
        let text = r#"{"Image":"a","HostConfig":{"Sysctls":{"net.ipv4.conf.eth0.forwarding":"1","net.core.somaxconn":"9"}}}"#;
        let mut body = request(text);
        let warnings = create_request(ApiVersion::v1(47), &mut body).unwrap();
        assert!(warnings[0].starts_with("Migrated sysctl"));
        let endpoints = body.networking_config.unwrap().endpoints_config.unwrap();
        let options = endpoints["bridge"].as_ref().unwrap().driver_opts.clone().unwrap();
        assert_eq!(options[ENDPOINT_SYSCTLS], "net.ipv4.conf.IFNAME.forwarding=1");
        assert_eq!(body.host_config.unwrap().sysctls.unwrap().len(), 1);
        assert!(refusal(48, text).starts_with("interface specific sysctl setting"));
    }
}
