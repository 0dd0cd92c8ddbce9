//! The values of `-H`: where to listen.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// A place to listen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Address {
    /// `fd://`: sockets that the init system opened; with a name or number, only that one.
    Inherited(String),
    /// `tcp://host:port`.
    Tcp(SocketAddr),
    /// `unix:///path`.
    Unix(PathBuf),
}

/// Where Docker's clients look.
pub(crate) const DOCKER_SOCKET: &str = "/var/run/docker.sock";
/// Where our own command looks first.
pub(crate) const GANTRY_SOCKET: &str = "/run/gantry/gantry.sock";
const PLAIN_PORT: u16 = 2375;

/// An address that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid bind address ({address}): {cause}")]
pub(crate) struct AddressError {
    address: String,
    cause: String,
}

/// Reads a value of `-H`.
pub(crate) fn parse(text: &str) -> Result<Address, AddressError> {
    let text = text.trim();
    let refuse = |cause: String| AddressError { address: text.to_owned(), cause };
    let (protocol, rest) = match text.split_once("://") {
        Some((protocol, rest)) => (protocol, rest),
        None if text.is_empty() => return Ok(Address::Unix(DOCKER_SOCKET.into())),
        None => ("tcp", text),
    };
    match protocol {
        "unix" if rest.contains("://") => Err(refuse(format!("invalid unix address: {rest}"))),
        "unix" => Ok(Address::Unix(if rest.is_empty() { DOCKER_SOCKET.into() } else { rest.into() })),
        "tcp" => tcp(rest).map(Address::Tcp).map_err(refuse),
        "fd" => Ok(Address::Inherited(rest.trim_start_matches('*').to_owned())),
        _ => Err(refuse(format!("unsupported proto '{protocol}'"))),
    }
}

fn tcp(rest: &str) -> Result<SocketAddr, String> {
    if rest.contains('/') {
        return Err("should not contain a path element".to_owned());
    }
    let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, after)) => (host, after.strip_prefix(':')),
        None => match rest.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        },
    };
    let port = match port {
        None | Some("") => PLAIN_PORT,
        Some(port) => {
            port.parse().ok().filter(|port| *port > 0).ok_or_else(|| format!("invalid port: {port}"))?
        }
    };
    Ok(SocketAddr::new(find_host(host)?, port))
}

/// The address of a host, from its digits or from /etc/hosts: a static program has no resolver of the system's, and
/// the daemon listens only on addresses of its own.
fn find_host(host: &str) -> Result<IpAddr, String> {
    if host.is_empty() || host == "localhost" {
        return Ok(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    if let Ok(address) = host.parse() {
        return Ok(address);
    }
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    for line in hosts.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(Ok(address)) = words.next().map(str::parse) else { continue };
        if words.any(|name| name == host) {
            return Ok(address);
        }
    }
    Err(format!("no address is known for {host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_their_defaults() {
        let socket = |text: &str| Ok(Address::Tcp(text.parse().unwrap()));
        assert_eq!(parse("tcp://127.0.0.1:1234"), socket("127.0.0.1:1234"));
        assert_eq!(parse("tcp://"), socket("127.0.0.1:2375"));
        assert_eq!(parse("localhost:80"), socket("127.0.0.1:80"));
        assert_eq!(parse("0.0.0.0"), socket("0.0.0.0:2375"));
        assert_eq!(parse("tcp://[::1]:5555"), socket("[::1]:5555"));
        assert_eq!(parse("unix:///x/y"), Ok(Address::Unix("/x/y".into())));
        assert_eq!(parse("unix://"), Ok(Address::Unix(DOCKER_SOCKET.into())));
        assert_eq!(parse("fd://"), Ok(Address::Inherited(String::new())));
    }

    #[test]
    fn wrong_addresses_are_refused() {
        for (text, cause) in [
            ("tcp://x:0", "invalid port: 0"),
            ("tcp://127.0.0.1:99999", "invalid port: 99999"),
            ("tcp://127.0.0.1/x", "should not contain a path element"),
            ("udp://x", "unsupported proto 'udp'"),
            ("unix://tcp://x", "invalid unix address: tcp://x"),
        ] {
            assert_eq!(
                parse(text).unwrap_err().to_string(),
                format!("invalid bind address ({text}): {cause}")
            );
        }
    }
}
