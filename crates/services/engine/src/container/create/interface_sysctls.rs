//! Sysctls that name an interface cannot be set before it exists: they belong to its endpoint, where the network sets
//! them. Older clients put them among the container's. Pure.

use engine_api::container::HostConfig;
use engine_api::network::NetworkingConfig;
use engine_api::version::ApiVersion;

use crate::error::Error;

/// The option of an endpoint that holds its sysctls.
const OPTION: &str = "com.docker.network.endpoint.sysctls";

/// Moves `net.*.*.eth0.*` to the endpoint of the container's network; gives the warning that Docker adds.
pub(super) fn migrate(
    version: ApiVersion,
    host: &mut HostConfig,
    networking: &mut NetworkingConfig,
) -> Result<Option<String>, Error> {
    if host.network_mode == "host" || host.network_mode.starts_with("container:") {
        return Ok(None);
    }
    let Some(sysctls) = &mut host.sysctls else { return Ok(None) };
    let names: Vec<String> = sysctls.keys().filter(|name| interface_of(name).is_some()).cloned().collect();
    let Some(first) = names.first() else { return Ok(None) };
    if !version.before(48) {
        return Err(Error::system(format!(
            "interface specific sysctl setting {first:?} must be supplied using driver option '{OPTION}'"
        )));
    }
    let mut moved = Vec::new();
    for name in &names {
        if interface_of(name) != Some("eth0") {
            return Err(Error::system(format!(
                "unable to determine network endpoint for sysctl {name}, use driver option '{OPTION}' to set \
                 per-interface sysctls"
            )));
        }
        let value = sysctls.remove(name).unwrap_or_default();
        moved.push(format!("{}={value}", name.replacen("eth0", "IFNAME", 1)));
    }
    let mut option = moved.join(",");
    let warning = format!("Migrated sysctl {:?} to DriverOpts{{{OPTION:?}:{option:?}}}.", names.join(","));
    let endpoints = networking.endpoints_config.get_or_insert_default();
    let key = match endpoints.keys().next() {
        Some(only) if version.before(44) && !endpoints.contains_key(&host.network_mode) => only.clone(),
        Some(_) if !endpoints.contains_key(&host.network_mode) => {
            return Err(Error::system(format!(
                "unable to find a network for sysctl {first}: HostConfig.NetworkMode must match the identity of a \
                 network in NetworkSettings.Networks"
            )));
        }
        _ => host.network_mode.clone(),
    };
    let settings = endpoints.entry(key).or_default().get_or_insert_default();
    let options = settings.driver_opts.get_or_insert_default();
    if let Some(before) = options.get(OPTION) {
        option = format!("{option},{before}");
    }
    options.insert(OPTION.to_owned(), option);
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

#[cfg(test)]
mod tests {
    use super::*;
    use engine_api::StringMap;

    fn host(sysctl: &str) -> HostConfig {
        let sysctls = [(sysctl, "1"), ("net.core.somaxconn", "9")];
        let sysctls: StringMap = sysctls.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        HostConfig { sysctls: Some(sysctls), network_mode: "bridge".to_owned(), ..HostConfig::default() }
    }

    #[test]
    fn they_move_to_their_endpoint() {
        let (mut host, mut networking) = (host("net.ipv4.conf.eth0.forwarding"), NetworkingConfig::default());
        let warning = migrate(ApiVersion::v1(47), &mut host, &mut networking).unwrap();
        assert!(warning.unwrap().starts_with("Migrated sysctl \"net.ipv4.conf.eth0.forwarding\""));
        let options = networking.endpoints_config.unwrap()["bridge"].clone().unwrap().driver_opts.unwrap();
        assert_eq!(options[OPTION], "net.ipv4.conf.IFNAME.forwarding=1");
        assert_eq!(host.sysctls.unwrap().len(), 1);
    }

    #[test]
    fn newer_clients_and_other_interfaces_are_refused() {
        let refusal = |minor, sysctl| {
            let refused = migrate(ApiVersion::v1(minor), &mut host(sysctl), &mut NetworkingConfig::default());
            refused.unwrap_err().message
        };
        assert!(
            refusal(48, "net.ipv4.conf.eth0.forwarding").starts_with("interface specific sysctl setting")
        );
        assert!(
            refusal(47, "net.ipv4.conf.eth1.forwarding").starts_with("unable to determine network endpoint")
        );
    }
}
