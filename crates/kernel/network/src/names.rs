//! The text of `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf` inside a container. Pure.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What `/etc/hosts` of a container says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hosts<'a> {
    /// Whether the loopback interface has an IPv6 address: false on a kernel without IPv6.
    pub ipv6: bool,
    /// `--add-host`, already resolved: name and address.
    pub extra: &'a [(String, IpAddr)],
    /// The container's own address; none in modes `none` and `host`.
    pub address: Option<Ipv4Addr>,
    /// The container's host name, perhaps with its domain.
    pub hostname: &'a str,
    /// The container's domain, perhaps empty.
    pub domain: &'a str,
}

/// The text of `/etc/hosts`: Docker's fixed lines, `--add-host`, the container itself.
pub fn hosts(wanted: &Hosts<'_>) -> String {
    let mut text = "127.0.0.1\tlocalhost\n".to_owned();
    if wanted.ipv6 {
        text.push_str(
            "::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\n\
             ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n",
        );
    }
    for (name, address) in wanted.extra {
        if wanted.ipv6 || address.is_ipv4() {
            let _ = writeln!(text, "{address}\t{name}");
        }
    }
    if let Some(address) = wanted.address {
        let full = match wanted.domain {
            "" => wanted.hostname.to_owned(),
            domain => format!("{}.{domain}", wanted.hostname),
        };
        // The bare name follows the full one.
        match full.split_once('.') {
            Some((bare, _)) => {
                let _ = writeln!(text, "{address}\t{full} {bare}");
            }
            None => {
                let _ = writeln!(text, "{address}\t{full}");
            }
        }
    }
    text
}

/// The text of `/etc/hostname`.
pub fn hostname(name: &str) -> String {
    format!("{name}\n")
}

/// `--dns`, `--dns-search` and `--dns-option`; each replaces the host's when it is not empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DnsWish {
    /// Name servers.
    pub servers: Vec<IpAddr>,
    /// Search domains; `.` stands for none.
    pub search: Vec<String>,
    /// Options, such as `ndots:2`.
    pub options: Vec<String>,
}

/// Where the container's name servers must be reachable from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsPlace {
    /// The host's own network: loopback servers work.
    Host,
    /// A namespace of its own: loopback servers of the host do not work.
    Own,
}

/// The host's file.
pub const RESOLV_CONF: &str = "/etc/resolv.conf";
/// The file with the real name servers where systemd-resolved has its own address in the first.
const SYSTEMD_RESOLV_CONF: &str = "/run/systemd/resolve/resolv.conf";
const SYSTEMD_SERVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 53);

/// Used when the host's file names no server that works inside.
const FALLBACK_SERVERS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8)), IpAddr::V4(Ipv4Addr::new(8, 8, 4, 4))];

/// Which of the host's files a container's is made from, given the text of [`RESOLV_CONF`].
pub fn resolv_conf_path(etc: &str, place: DnsPlace) -> &'static str {
    match (place, name_servers(etc).as_slice()) {
        (DnsPlace::Own, [IpAddr::V4(only)]) if *only == SYSTEMD_SERVER => SYSTEMD_RESOLV_CONF,
        _ => RESOLV_CONF,
    }
}

/// The name servers in a `resolv.conf`, unreadable ones left out.
pub fn name_servers(text: &str) -> Vec<IpAddr> {
    Resolver::parse(text).servers
}

/// A `resolv.conf`, taken apart.
#[derive(Debug, Default)]
struct Resolver<'a> {
    servers: Vec<IpAddr>,
    invalid: Vec<&'a str>,
    search: Vec<&'a str>,
    options: Vec<&'a str>,
    /// Lines with other directives, as they are.
    other: Vec<&'a str>,
}

impl<'a> Resolver<'a> {
    fn parse(text: &'a str) -> Resolver<'a> {
        let mut found = Resolver::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let Some(directive) = words.next() else { continue };
            let rest: Vec<&str> = words.collect();
            match (directive, rest.as_slice()) {
                (comment, _) if comment.starts_with(['#', ';']) => {}
                ("nameserver", [server, ..]) => match parse_server(server) {
                    Some(address) => found.servers.push(address),
                    None => found.invalid.push(server),
                },
                // Only the last list of domains counts; options add up.
                ("domain" | "search", [_, ..]) => found.search = rest,
                ("options", [_, ..]) => found.options.extend(rest),
                ("nameserver" | "domain" | "search" | "options", []) => {}
                _ => found.other.push(line),
            }
        }
        found
    }
}

/// An address, whose IPv6 form may name an interface behind `%`.
fn parse_server(text: &str) -> Option<IpAddr> {
    match text.split_once('%') {
        Some((address, zone)) if !zone.is_empty() => address.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => text.parse().ok(),
    }
}

/// The text of `/etc/resolv.conf`, made from the host's file at `path` and the wishes, with Docker's notes
/// about what was changed.
pub fn resolv_conf(path: &str, host: &str, wish: &DnsWish, place: DnsPlace) -> String {
    let mut found = Resolver::parse(host);
    let mut overrides = Vec::new();
    if !wish.servers.is_empty() {
        found.servers.clone_from(&wish.servers);
        overrides.push("nameservers");
    }
    if !wish.search.is_empty() {
        found.search = wish.search.iter().map(String::as_str).filter(|domain| *domain != ".").collect();
        overrides.push("search");
    }
    let mut ndots_from = has_ndots(&found.options).then_some("host");
    if !wish.options.is_empty() {
        found.options = wish.options.iter().map(String::as_str).collect();
        overrides.push("options");
        ndots_from = has_ndots(&found.options).then_some("override");
    }
    let is_fallback = place == DnsPlace::Own && wish.servers.is_empty() && {
        found.servers.retain(|server| server.is_ipv4() && !server.is_loopback());
        found.servers.is_empty()
    };
    if is_fallback {
        found.servers = FALLBACK_SERVERS.to_vec();
    }
    let mut text = "# Generated by Gantry.\n\
                    # This file can be edited; Gantry will not make further changes once it\n\
                    # has been modified.\n\n"
        .to_owned();
    let mut line = |words: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{words}");
    };
    for server in &found.servers {
        line(format_args!("nameserver {server}"));
    }
    for (directive, words) in [("search", &found.search), ("options", &found.options)] {
        if !words.is_empty() {
            line(format_args!("{directive} {}", words.join(" ")));
        }
    }
    for other in &found.other {
        line(format_args!("{other}"));
    }
    let transform = if place == DnsPlace::Own { " (legacy)" } else { "" };
    line(format_args!("\n# Based on host file: '{path}'{transform}"));
    if is_fallback {
        line(format_args!("# Used default nameservers."));
    }
    if !found.invalid.is_empty() {
        line(format_args!("# Invalid nameservers: [{}]", found.invalid.join(" ")));
    }
    line(format_args!("# Overrides: [{}]", overrides.join(" ")));
    if let Some(source) = ndots_from {
        line(format_args!("# Option ndots from: {source}"));
    }
    text
}

fn has_ndots(options: &[&str]) -> bool {
    options.iter().any(|option| option.split(':').next() == Some("ndots"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXED: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n\
                         ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";

    #[test]
    fn hosts_has_the_fixed_lines_the_extra_ones_and_the_container() {
        let extra =
            [("db".to_owned(), "10.0.0.9".parse().unwrap()), ("v6".to_owned(), "fd00::1".parse().unwrap())];
        let wanted = Hosts {
            ipv6: true,
            extra: &extra,
            address: Some(Ipv4Addr::new(172, 17, 0, 2)),
            hostname: "web",
            domain: "",
        };
        assert_eq!(hosts(&wanted), format!("{FIXED}10.0.0.9\tdb\nfd00::1\tv6\n172.17.0.2\tweb\n"));
        let domain = Hosts { domain: "example.org", extra: &[], ..wanted };
        assert_eq!(hosts(&domain), format!("{FIXED}172.17.0.2\tweb.example.org web\n"));
        let ipv4_only = Hosts { ipv6: false, address: None, ..wanted };
        assert_eq!(hosts(&ipv4_only), "127.0.0.1\tlocalhost\n10.0.0.9\tdb\n");
    }

    fn own(host: &str, wish: &DnsWish) -> String {
        let text = resolv_conf(RESOLV_CONF, host, wish, DnsPlace::Own);
        text.split_once("\n\n").unwrap().1.to_owned()
    }

    #[test]
    fn servers_that_do_not_work_inside_are_left_out() {
        let host =
            "# mine\nnameserver 127.0.0.1\nnameserver 10.0.0.1\nnameserver fd00::1\nsearch a b\nsearch c d\n";
        assert_eq!(
            own(host, &DnsWish::default()),
            "nameserver 10.0.0.1\nsearch c d\n\n# Based on host file: '/etc/resolv.conf' (legacy)\n# Overrides: []\n"
        );
    }

    #[test]
    fn without_servers_the_default_ones_are_used() {
        assert_eq!(
            own("nameserver ::1\nnameserver nope\nsortlist 1.2.3.4\n", &DnsWish::default()),
            "nameserver 8.8.8.8\nnameserver 8.8.4.4\nsortlist 1.2.3.4\n\n\
             # Based on host file: '/etc/resolv.conf' (legacy)\n# Used default nameservers.\n\
             # Invalid nameservers: [nope]\n# Overrides: []\n"
        );
    }

    #[test]
    fn wishes_replace_what_the_host_says() {
        let wish = DnsWish {
            servers: vec!["127.0.0.1".parse().unwrap(), "1.1.1.1".parse().unwrap()],
            search: vec![".".to_owned()],
            options: vec!["ndots:2".to_owned(), "debug".to_owned()],
        };
        assert_eq!(
            own("nameserver 10.0.0.1\nsearch a\noptions ndots:9\n", &wish),
            "nameserver 127.0.0.1\nnameserver 1.1.1.1\noptions ndots:2 debug\n\n\
             # Based on host file: '/etc/resolv.conf' (legacy)\n# Overrides: [nameservers search options]\n\
             # Option ndots from: override\n"
        );
    }

    #[test]
    fn the_hosts_own_network_keeps_its_servers() {
        let text = resolv_conf(RESOLV_CONF, "nameserver 127.0.0.53\n", &DnsWish::default(), DnsPlace::Host);
        assert!(text.ends_with(
            "\nnameserver 127.0.0.53\n\n# Based on host file: '/etc/resolv.conf'\n# Overrides: []\n"
        ));
    }

    #[test]
    fn systemds_own_server_is_looked_through() {
        let stub = "nameserver 127.0.0.53\noptions edns0\n";
        assert_eq!(resolv_conf_path(stub, DnsPlace::Own), SYSTEMD_RESOLV_CONF);
        assert_eq!(resolv_conf_path(stub, DnsPlace::Host), RESOLV_CONF);
        assert_eq!(resolv_conf_path("nameserver 10.0.0.1\n", DnsPlace::Own), RESOLV_CONF);
    }
}
