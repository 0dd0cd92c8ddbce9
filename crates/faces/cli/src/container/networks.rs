//! Which networks it joins, under which names and addresses, and which of its ports are published.

use super::{Wish, list};
use engine_api::container::{PortBinding, PortMap};
use engine_api::network::{EndpointIpamConfig, EndpointSettings};
use engine_api::{Empty, StringMap, StringSet};
use flags::{Flag, Typed, quote, split_csv};
use std::collections::BTreeMap;
use std::net::IpAddr;

pub(super) const FLAGS: &[Flag] = &[
    Flag::list("add-host", "Add a custom host-to-IP mapping (host:ip)").check(check_host),
    Flag::list("dns", "Set custom DNS servers").check(check_address),
    Flag::list("dns-opt", "Set DNS options").hidden(),
    Flag::list("dns-option", "Set DNS options"),
    Flag::list("dns-search", "Set custom DNS search domains").check(check_domain),
    Flag::list("expose", "Expose a port or a range of ports"),
    Flag::text("ip", "IPv4 address (e.g., 172.30.100.104)"),
    Flag::text("ip6", "IPv6 address (e.g., 2001:db8::33)"),
    Flag::list("link", "Add link to another container").check(check_link),
    Flag::list("link-local-ip", "Container IPv4/IPv6 link-local addresses"),
    Flag::text("mac-address", "Container MAC address (e.g., 92:d0:c6:0a:29:33)"),
    Flag::other("net", "network", check_network, "Connect a container to a network").hidden(),
    Flag::list("net-alias", "Add network-scoped alias for the container").hidden(),
    Flag::other("network", "network", check_network, "Connect a container to a network"),
    Flag::list("network-alias", "Add network-scoped alias for the container"),
    Flag::list("publish", "Publish a container's port(s) to the host").short('p'),
    Flag::switch("publish-all", "Publish all exposed ports to random ports").short('P'),
];

fn check_address(text: &str) -> Result<(), String> {
    parse_address(text).map(drop)
}

fn parse_address(text: &str) -> Result<IpAddr, String> {
    text.trim().parse().map_err(|_| format!("IP address is not correctly formatted: {text}"))
}

fn check_domain(text: &str) -> Result<(), String> {
    parse_domain(text).map(drop)
}

/// A search domain, trimmed; `.` is the empty one.
fn parse_domain(text: &str) -> Result<&str, String> {
    let trimmed = text.trim_matches(' ');
    if trimmed == "." {
        return Ok(trimmed);
    }
    let name = trimmed.trim_end();
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        let ends = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
        ends(label.bytes().next())
            && ends(label.bytes().last())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let has_letter = name.bytes().any(|byte| byte.is_ascii_alphabetic());
    if has_letter && name.len() < 255 && name.split('.').all(is_label) {
        return Ok(name);
    }
    Err(format!("{trimmed} is not a valid domain"))
}

fn check_host(text: &str) -> Result<(), String> {
    parse_host(text).map(drop)
}

/// `NAME:ADDRESS` or `NAME=ADDRESS`, brought to the first form.
fn parse_host(text: &str) -> Result<String, String> {
    let split = text.split_once('=').or_else(|| text.split_once(':'));
    let Some((name, address)) = split.filter(|(name, _)| !name.is_empty() && !name.contains(':')) else {
        return Err(format!("bad format for add-host: {}", quote(text)));
    };
    if address == "host-gateway" {
        return Ok(format!("{name}:{address}"));
    }
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    parse_address(bare).map_err(|_| format!("invalid IP address in add-host: {}", quote(bare)))?;
    Ok(format!("{name}:{bare}"))
}

fn check_link(text: &str) -> Result<(), String> {
    match text.split(':').count() {
        _ if text.is_empty() => Err("empty string specified for links".to_owned()),
        1 | 2 => Ok(()),
        _ => Err(format!("bad format for links: {text}")),
    }
}

fn check_network(text: &str) -> Result<(), String> {
    Attachment::parse(text).map(drop)
}

/// What Go's `net.ParseMAC` reads: 6, 8 or 20 bytes as `aa:bb`, `aa-bb` or `aabb.ccdd`.
fn is_mac_address(text: &str) -> bool {
    let text = text.trim();
    let groups = |mark: char, digits: usize| -> Option<usize> {
        let groups: Vec<&str> = text.split(mark).collect();
        let fits = |group: &&str| group.len() == digits && group.bytes().all(|byte| byte.is_ascii_hexdigit());
        groups.iter().all(fits).then_some(groups.len() * digits / 2)
    };
    let sizes = [groups(':', 2), groups('-', 2), groups('.', 4)];
    sizes.into_iter().flatten().any(|size| matches!(size, 6 | 8 | 20))
}

pub(super) fn check_mac_address(text: &str) -> Result<(), String> {
    if text.is_empty() || is_mac_address(text) {
        Ok(())
    } else {
        Err(format!("{text} is not a valid mac address"))
    }
}

/// One `--network`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Attachment {
    target: String,
    aliases: Vec<String>,
    driver_options: StringMap,
    links: Vec<String>,
    ip: String,
    ip6: String,
    link_local: Vec<String>,
    mac_address: String,
    gateway_priority: i64,
}

impl Attachment {
    /// Reads `NAME` or `name=NAME,alias=A,…`.
    fn parse(text: &str) -> Result<Attachment, String> {
        if !is_long(text) {
            return Ok(Attachment { target: text.to_owned(), ..Attachment::default() });
        }
        let mut attachment = Attachment::default();
        for field in split_csv(text)? {
            let lower = field.to_lowercase();
            let Some((key, value)) = lower.split_once('=').filter(|(key, _)| !key.is_empty()) else {
                return Err(format!("invalid field {field}"));
            };
            attachment.set(key.trim(), value.trim())?;
        }
        if attachment.target.is_empty() {
            return Err("network name/id is not specified".to_owned());
        }
        Ok(attachment)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let text = value.to_owned();
        match key {
            "name" => self.target = text,
            "alias" => self.aliases.push(text),
            "ip" => self.ip = text,
            "ip6" => self.ip6 = text,
            "mac-address" => self.mac_address = text,
            "link-local-ip" => self.link_local.push(text),
            "driver-opt" => {
                let pair = value.split_once('=').filter(|(key, _)| !key.is_empty());
                let (key, value) = pair.ok_or("invalid key value pair format in driver options")?;
                self.driver_options.insert(key.trim().to_owned(), value.trim().to_owned());
            }
            "gw-priority" => {
                self.gateway_priority =
                    value.parse().map_err(|_| format!("invalid gw-priority ({value}): invalid syntax"))?;
            }
            _ => return Err(format!("invalid field key {key}")),
        }
        Ok(())
    }

    /// Adds the flags that are about the first network.
    fn add_flags(&mut self, typed: &Typed) -> Result<(), String> {
        let conflict = |flag: &str, own: &str| {
            Err(format!("conflicting options: cannot specify both --{flag} and per-network {own}"))
        };
        let words = |values: Vec<&str>| values.into_iter().map(str::to_owned).collect::<Vec<String>>();
        let aliases = words(typed.all_of(&["network-alias", "net-alias"]));
        let links = words(typed.all("link"));
        let link_local = words(typed.all("link-local-ip"));
        let (ip, ip6, mac_address) = (typed.text("ip"), typed.text("ip6"), typed.text("mac-address"));
        if !aliases.is_empty() && !self.aliases.is_empty() {
            return conflict("network-alias", "alias");
        }
        if !ip.is_empty() && !self.ip.is_empty() {
            return conflict("ip", "IPv4 address");
        }
        if !ip6.is_empty() && !self.ip6.is_empty() {
            return conflict("ip6", "IPv6 address");
        }
        if !mac_address.is_empty() && !self.mac_address.is_empty() {
            return conflict("mac-address", "MAC address");
        }
        if !link_local.is_empty() && !self.link_local.is_empty() {
            return conflict("link-local-ip", "link-local IP addresses");
        }
        if !aliases.is_empty() {
            self.aliases = aliases;
        }
        if is_user_defined(&self.target) && !links.is_empty() {
            self.links = links;
        }
        if !link_local.is_empty() {
            self.link_local = link_local;
        }
        for (own, flag) in [(&mut self.ip, ip), (&mut self.ip6, ip6), (&mut self.mac_address, mac_address)] {
            if !flag.is_empty() {
                *own = flag.to_owned();
            }
        }
        Ok(())
    }

    fn endpoint(&self) -> Result<EndpointSettings, String> {
        if self.target.trim().is_empty() {
            return Err("no name set for network".to_owned());
        }
        if !is_user_defined(&self.target) && !self.aliases.is_empty() {
            return Err("network-scoped aliases are only supported for user-defined networks".to_owned());
        }
        if !is_user_defined(&self.target) && !self.links.is_empty() {
            return Err("links are only supported for user-defined networks".to_owned());
        }
        check_mac_address(&self.mac_address)?;
        let some = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
        let has_address = !self.ip.is_empty() || !self.ip6.is_empty() || !self.link_local.is_empty();
        Ok(EndpointSettings {
            ipam_config: has_address.then(|| EndpointIpamConfig {
                ipv4_address: self.ip.clone(),
                ipv6_address: self.ip6.clone(),
                link_local_ips: some(&self.link_local),
            }),
            links: some(&self.links),
            aliases: some(&self.aliases),
            mac_address: self.mac_address.clone(),
            driver_opts: (!self.driver_options.is_empty()).then(|| self.driver_options.clone()),
            gw_priority: self.gateway_priority,
            ..EndpointSettings::default()
        })
    }
}

/// Whether a `--network` value has the form of fields: a word, `=`, a word.
fn is_long(text: &str) -> bool {
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    text.match_indices('=')
        .any(|(at, _)| is_word(text[..at].chars().last()) && is_word(text[at + 1..].chars().next()))
}

fn is_user_defined(network: &str) -> bool {
    !matches!(network, "default" | "bridge" | "host" | "none" | "nat") && !network.starts_with("container:")
}

/// `published=80,target=81,protocol=udp` in the short form.
fn short_publication(text: &str) -> Result<String, String> {
    if !text.contains('=') {
        return Ok(text.to_owned());
    }
    let mut parts = BTreeMap::from([("protocol", "tcp")]);
    for field in text.split(',') {
        let Some((key, value)) = field.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(format!("invalid publish opts format (should be name=value but got '{field}')"));
        };
        parts.insert(key, value);
    }
    let part = |name: &str| parts.get(name).copied().unwrap_or("");
    Ok(format!("{}:{}/{}", part("published"), part("target"), part("protocol")))
}

/// `80`, `80/udp`, `8000-8010`; the protocol is the daemon's to judge.
fn parse_exposed(text: &str) -> Result<Vec<String>, String> {
    if text.contains(':') {
        return Err(format!("invalid port format for --expose: {text}"));
    }
    let (ports, protocol) = text.split_once('/').unwrap_or((text, ""));
    let protocol = if protocol.is_empty() { "tcp" } else { protocol };
    let invalid = |why: String| format!("invalid range format for --expose: {text}, error: {why}");
    if ports.is_empty() {
        return Err(invalid("empty string specified for ports".to_owned()));
    }
    let range = units::port::range(ports).ok_or_else(|| invalid(range_error(ports)))?;
    Ok(range.map(|port| format!("{port}/{protocol}")).collect())
}

/// Why a range of ports is none, in Go's words.
fn range_error(text: &str) -> String {
    let mut parts = text.split('-').take(2);
    match parts.find_map(|part| flags::parse_uint(part, 16).err()) {
        Some(error) => error,
        None => format!("Invalid range specified for port: {text}"),
    }
}

pub(super) fn apply_ports(typed: &Typed, wish: &mut Wish) -> Result<(), String> {
    let mut exposed = StringSet::new();
    let mut bindings = PortMap::new();
    let short: Vec<String> =
        typed.all("publish").into_iter().map(short_publication).collect::<Result<_, _>>()?;
    for text in &short {
        for publication in units::port::parse_publications(text).map_err(|error| error.to_string())? {
            let port = format!("{}/{}", publication.container.number, publication.container.protocol.name());
            exposed.insert(port.clone(), Empty {});
            let binding = PortBinding { host_ip: publication.host_address, host_port: publication.host_port };
            bindings.entry(port).or_default().get_or_insert_default().push(binding);
        }
    }
    for text in typed.all("expose") {
        exposed.extend(parse_exposed(text)?.into_iter().map(|port| (port, Empty {})));
    }
    wish.config.exposed_ports = Some(exposed);
    wish.host.port_bindings = Some(bindings);
    wish.host.publish_all_ports = typed.is_on("publish-all");
    Ok(())
}

pub(super) fn apply(typed: &Typed, wish: &mut Wish) -> Result<(), String> {
    let normal = |name: &str, parse: fn(&str) -> Result<String, String>| {
        typed.all(name).into_iter().map(parse).collect::<Result<Vec<String>, String>>()
    };
    let host = &mut wish.host;
    host.dns = Some(normal("dns", |text| parse_address(text).map(|ip| ip.to_string()))?);
    host.dns_search = Some(normal("dns-search", |text| parse_domain(text).map(str::to_owned))?);
    let options = typed.all_of(&["dns-option", "dns-opt"]);
    host.dns_options = Some(options.into_iter().map(str::to_owned).collect());
    let hosts = normal("add-host", parse_host)?;
    host.extra_hosts = (!hosts.is_empty()).then_some(hosts);
    host.links = list(typed, "link");
    let named = typed.all_of(&["network", "net"]);
    let attachments = named.into_iter().map(Attachment::parse).collect::<Result<Vec<_>, _>>()?;
    host.network_mode =
        attachments.first().map_or_else(|| "default".to_owned(), |attachment| attachment.target.clone());
    let endpoints = endpoints(typed, attachments)?;
    let main = endpoints.get(&host.network_mode).and_then(Option::as_ref);
    wish.config.mac_address =
        main.map_or_else(|| typed.text("mac-address").to_owned(), |endpoint| endpoint.mac_address.clone());
    wish.networking.endpoints_config = Some(endpoints);
    Ok(())
}

/// The endpoints by network; a single one that says nothing is left to the daemon.
fn endpoints(
    typed: &Typed,
    mut attachments: Vec<Attachment>,
) -> Result<BTreeMap<String, Option<EndpointSettings>>, String> {
    let is_unnamed = attachments.is_empty();
    if is_unnamed {
        attachments.push(Attachment { target: "default".to_owned(), ..Attachment::default() });
    }
    let count = attachments.len();
    let mut endpoints = BTreeMap::new();
    let (mut own, mut built_in) = (false, false);
    for (index, attachment) in attachments.iter_mut().enumerate() {
        if is_user_defined(&attachment.target) {
            own = true;
        } else {
            built_in = true;
        }
        if index == 0 {
            attachment.add_flags(typed)?;
        }
        let endpoint = attachment.endpoint()?;
        if endpoints.contains_key(&attachment.target) {
            return Err(format!("network {} is specified multiple times", quote(&attachment.target)));
        }
        if count == 1 && !is_unnamed && endpoint == EndpointSettings::default() {
            continue;
        }
        endpoints.insert(attachment.target.clone(), Some(endpoint));
    }
    if own && built_in {
        return Err(
            "conflicting options: cannot attach both user-defined and non-user-defined network-modes"
                .to_owned(),
        );
    }
    Ok(endpoints)
}
