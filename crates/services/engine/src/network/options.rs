//! The bridge driver's options, read as Docker reads them.

use std::net::Ipv4Addr;

use engine_api::StringMap;

use crate::error::Error;

/// What the options say; absent where they say nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct BridgeOptions {
    pub(super) interface: Option<String>,
    pub(super) mtu: Option<u32>,
    pub(super) masquerade: Option<bool>,
    pub(super) inter_container: Option<bool>,
    pub(super) host_binding: Option<Ipv4Addr>,
    pub(super) interface_prefix: Option<String>,
}

pub(super) const BRIDGE_NAME: &str = "com.docker.network.bridge.name";
pub(super) const DEFAULT_BRIDGE: &str = "com.docker.network.bridge.default_bridge";
pub(super) const ENABLE_ICC: &str = "com.docker.network.bridge.enable_icc";
pub(super) const ENABLE_MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";
pub(super) const HOST_BINDING: &str = "com.docker.network.bridge.host_binding_ipv4";
pub(super) const MTU: &str = "com.docker.network.driver.mtu";
const INTERFACE_PREFIX: &str = "com.docker.network.container_iface_prefix";

/// Docker's options whose work comes later, with the values that ask for nothing.
const LATER: [(&str, &[&str]); 8] = [
    ("com.docker.network.bridge.gateway_mode_ipv4", &["", "nat"]),
    ("com.docker.network.bridge.gateway_mode_ipv6", &["", "nat"]),
    ("com.docker.network.bridge.inhibit_ipv4", &["false", "0"]),
    ("com.docker.network.bridge.trusted_host_interfaces", &[""]),
    ("com.docker.network.enable_ipv4", &["true", "1"]),
    ("com.docker.network.enable_ipv6", &["false", "0"]),
    ("com.docker.network.host_ipv4", &[]),
    ("com.docker.network.host_ipv6", &[]),
];

/// Reads the options of a bridge network. Docker accepts and shows what it does not know, and so do we.
pub(super) fn parse(options: &StringMap) -> Result<BridgeOptions, Error> {
    let mut found = BridgeOptions::default();
    for (name, value) in options {
        let fail = |why: &str| Error::invalid(format!("failed to parse {name} value: {value} ({why})"));
        let switch = || {
            parse_bool(value)
                .ok_or_else(|| fail(&format!("strconv.ParseBool: parsing {value:?}: invalid syntax")))
        };
        match name.as_str() {
            BRIDGE_NAME => found.interface = Some(value.clone()).filter(|name| !name.is_empty()),
            MTU => {
                let number: i64 = value
                    .parse()
                    .map_err(|_| fail(&format!("strconv.Atoi: parsing {value:?}: invalid syntax")))?;
                let invalid = |_| Error::invalid(format!("invalid MTU number: {number}"));
                found.mtu = Some(u32::try_from(number).map_err(invalid)?);
            }
            ENABLE_MASQUERADE => found.masquerade = Some(switch()?),
            ENABLE_ICC => found.inter_container = Some(switch()?),
            DEFAULT_BRIDGE => {
                switch()?;
            }
            HOST_BINDING => {
                found.host_binding = match value.parse() {
                    Ok(std::net::IpAddr::V4(address)) => Some(address),
                    Ok(std::net::IpAddr::V6(_)) => return Err(later(name)),
                    Err(_) => return Err(fail("nil ip")),
                };
            }
            INTERFACE_PREFIX => {
                found.interface_prefix = Some(value.clone()).filter(|prefix| !prefix.is_empty())
            }
            _ => {
                let known = LATER.iter().find(|(later, _)| later == name);
                if known.is_some_and(|(_, harmless)| !harmless.contains(&value.as_str())) {
                    return Err(later(name));
                }
            }
        }
    }
    if found.interface.as_ref().is_some_and(|name| name.len() > 15) {
        // What the kernel says to a longer name, in Docker's spelling.
        return Err(Error::system("numerical result out of range"));
    }
    Ok(found)
}

/// Something that the networks of a later version bring.
pub(super) fn later(what: &str) -> Error {
    Error::not_implemented(format!("{what}: not supported by this version of Gantry"))
        .with_hint("leave it out, or use a later version")
}

/// The words that Go takes for yes and no.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn read(pairs: &[(&str, &str)]) -> Result<BridgeOptions, Error> {
        parse(&pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn known_options_are_read_and_unknown_ones_pass() {
        let found = read(&[
            (BRIDGE_NAME, "br-x"),
            (MTU, "1400"),
            (ENABLE_MASQUERADE, "false"),
            (ENABLE_ICC, "0"),
            (HOST_BINDING, "127.0.0.1"),
            (INTERFACE_PREFIX, "net"),
            ("com.example.unknown", "x"),
            ("com.docker.network.bridge.gateway_mode_ipv4", "nat"),
        ]);
        let expected = BridgeOptions {
            interface: Some("br-x".to_owned()),
            mtu: Some(1400),
            masquerade: Some(false),
            inter_container: Some(false),
            host_binding: Some(Ipv4Addr::LOCALHOST),
            interface_prefix: Some("net".to_owned()),
        };
        assert_eq!(found.unwrap(), expected);
    }

    #[test]
    fn wrong_values_are_refused_in_dockers_words() {
        let text = |pair| read(&[pair]).unwrap_err().message;
        assert_eq!(
            text((MTU, "big")),
            "failed to parse com.docker.network.driver.mtu value: big (strconv.Atoi: parsing \"big\": invalid syntax)"
        );
        assert_eq!(
            text((ENABLE_ICC, "maybe")),
            "failed to parse com.docker.network.bridge.enable_icc value: maybe (strconv.ParseBool: parsing \"maybe\": invalid syntax)"
        );
        assert_eq!(
            text((HOST_BINDING, "x")),
            "failed to parse com.docker.network.bridge.host_binding_ipv4 value: x (nil ip)"
        );
        assert_eq!(text((MTU, "-1")), "invalid MTU number: -1");
        assert_eq!(text((BRIDGE_NAME, "a-name-too-long-for-linux")), "numerical result out of range");
        let routed = read(&[("com.docker.network.bridge.gateway_mode_ipv4", "routed")]).unwrap_err();
        assert_eq!(routed.kind, Kind::NotImplemented);
    }
}
