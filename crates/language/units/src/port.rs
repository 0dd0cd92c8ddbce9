//! Ports as `-p` and `--expose` write them: `8080:80`, `127.0.0.1::53/udp`, `8000-8010:80`.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// Reads a protocol name in any case; an empty one is TCP.
    #[must_use]
    pub fn parse(text: &str) -> Option<Protocol> {
        match text.to_ascii_lowercase().as_str() {
            "" | "tcp" => Some(Protocol::Tcp),
            "udp" => Some(Protocol::Udp),
            "sctp" => Some(Protocol::Sctp),
            _ => None,
        }
    }

    /// The protocol's name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// One port of a container: `80/tcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    /// Its number; 0 is read, as Docker does, and refused where it would be used.
    pub number: u16,
    /// Its protocol.
    pub protocol: Protocol,
}

impl Port {
    /// Reads `80`, `80/tcp`, `53/UDP`.
    ///
    /// # Errors
    /// [`PortError`], in Docker's words.
    pub fn parse(text: &str) -> Result<Port, PortError> {
        let (number, protocol) = text.split_once('/').unwrap_or((text, ""));
        let protocol = Protocol::parse(protocol).ok_or_else(|| PortError::Protocol(protocol.to_owned()))?;
        let number = number.parse().map_err(|_| PortError::Container(number.to_owned()))?;
        Ok(Port { number, protocol })
    }
}

impl fmt::Display for Port {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.number, self.protocol)
    }
}

/// One publication: a container's port, and where on the host it shall answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The container's port.
    pub container: Port,
    /// The host's address, empty for all.
    pub host_address: String,
    /// The host's port, empty for any free one; `8000-8010` for any free one of these.
    pub host_port: String,
}

/// Why a port specification was not understood. The text is Docker's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// No container port.
    #[error("No port specified: {0}<empty>")]
    Missing(String),
    /// The container's port.
    #[error("Invalid containerPort: {0}")]
    Container(String),
    /// The host's port.
    #[error("Invalid hostPort: {0}")]
    Host(String),
    /// The protocol.
    #[error("Invalid proto: {0}")]
    Protocol(String),
    /// The host's address.
    #[error("Invalid ip address: {0}")]
    Address(String),
    /// The host's address, which is not even split from its port.
    #[error("Invalid ip address {0}: address {0}:: {1}")]
    Splitting(String, &'static str),
    /// Ranges of different lengths.
    #[error("Invalid ranges specified for container and host Ports: {container} and {host}")]
    Ranges {
        /// The container's range.
        container: String,
        /// The host's range.
        host: String,
    },
}

/// Reads one `-p` value: `[[address:][host port]:]container port[/protocol]`, ports or ranges.
///
/// # Errors
/// [`PortError`], in Docker's words.
pub fn parse_publications(text: &str) -> Result<Vec<Publication>, PortError> {
    let (address, host, container) = split(text);
    let address = parse_address(address)?;
    let (container, protocol) = container.split_once('/').unwrap_or((container, ""));
    if container.is_empty() {
        let before = text.strip_suffix(container).unwrap_or(text);
        return Err(PortError::Missing(before.to_owned()));
    }
    let ports = range(container).ok_or_else(|| PortError::Container(container.to_owned()))?;
    let host_ports = match host {
        "" => None,
        host => Some(range(host).ok_or_else(|| PortError::Host(host.to_owned()))?),
    };
    // One container port may take any of a range of host ports; otherwise the ranges go pairwise.
    let any_of = ports.len() == 1 && host_ports.as_ref().is_some_and(|hosts| hosts.len() > 1);
    if !any_of && host_ports.as_ref().is_some_and(|hosts| hosts.len() != ports.len()) {
        return Err(PortError::Ranges { container: container.to_owned(), host: host.to_owned() });
    }
    let protocol = Protocol::parse(protocol).ok_or_else(|| PortError::Protocol(protocol.to_owned()))?;
    let publications = ports.enumerate().map(|(index, number)| Publication {
        container: Port { number, protocol },
        host_address: address.clone(),
        host_port: match &host_ports {
            None => String::new(),
            Some(_) if any_of => host.to_owned(),
            Some(hosts) => hosts.clone().nth(index).map(|port| port.to_string()).unwrap_or_default(),
        },
    });
    Ok(publications.collect())
}

/// Reads one `--expose` value: a port or range with an optional protocol.
///
/// # Errors
/// The text in the words that Docker's client uses.
pub fn parse_exposed(text: &str) -> Result<Vec<Port>, PortError> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, ""));
    let protocol = Protocol::parse(protocol).ok_or_else(|| PortError::Protocol(protocol.to_owned()))?;
    let ports = range(ports).ok_or_else(|| PortError::Container(ports.to_owned()))?;
    Ok(ports.map(|number| Port { number, protocol }).collect())
}

/// Reads `80` or `8000-8010`.
#[must_use]
pub fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let number = |text: &str| text.parse().ok().filter(|_| !text.starts_with('+'));
    let (first, last): (u16, u16) = match text.split_once('-') {
        None => (number(text)?, number(text)?),
        Some((first, last)) => (number(first)?, number(last)?),
    };
    (first <= last).then_some(first..=last)
}

/// Splits into address, host port, container port: the last two colons count, since an address may hold some.
fn split(text: &str) -> (&str, &str, &str) {
    let Some((before, container)) = text.rsplit_once(':') else { return ("", "", text) };
    match before.rsplit_once(':') {
        None => ("", before, container),
        Some((address, host)) => (address, host, container),
    }
}

fn parse_address(text: &str) -> Result<String, PortError> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest
            .strip_suffix(']')
            .ok_or_else(|| PortError::Splitting(text.to_owned(), "missing ']' in address"))?,
        None if text.contains(':') => {
            return Err(PortError::Splitting(text.to_owned(), "too many colons in address"));
        }
        None => text,
    };
    bare.parse::<IpAddr>().map_err(|_| PortError::Address(text.to_owned()))?;
    Ok(bare.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let publications = parse_publications(text).unwrap();
        publications.iter().map(|p| format!("{}|{}|{}", p.host_address, p.host_port, p.container)).collect()
    }

    #[test]
    fn publications_are_read_as_docker_reads_them() {
        for (text, expected) in [
            ("80", vec!["||80/tcp"]),
            (":80", vec!["||80/tcp"]),
            ("8080:80", vec!["|8080|80/tcp"]),
            ("53:53/UDP", vec!["|53|53/udp"]),
            ("80/", vec!["||80/tcp"]),
            ("1.2.3.4::80", vec!["1.2.3.4||80/tcp"]),
            ("[::1]:8080:80", vec!["::1|8080|80/tcp"]),
            ("8000-8001:80-81", vec!["|8000|80/tcp", "|8001|81/tcp"]),
            ("8000-8010:80", vec!["|8000-8010|80/tcp"]),
            ("80-81", vec!["||80/tcp", "||81/tcp"]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn refusals_have_dockers_words() {
        for (text, message) in [
            ("abc", "Invalid containerPort: abc"),
            ("80:x", "Invalid containerPort: x"),
            ("x:80", "Invalid hostPort: x"),
            ("80/foo", "Invalid proto: foo"),
            ("1.2.3:80:80", "Invalid ip address: 1.2.3"),
            ("[::1:80:80", "Invalid ip address [::1: address [::1:: missing ']' in address"),
            ("::1:80:80", "Invalid ip address ::1: address ::1:: too many colons in address"),
            ("80:80:80:80", "Invalid ip address 80:80: address 80:80:: too many colons in address"),
            ("8000-8002:80-81", "Invalid ranges specified for container and host Ports: 80-81 and 8000-8002"),
            ("80-79", "Invalid containerPort: 80-79"),
            ("70000:80", "Invalid hostPort: 70000"),
            ("80:70000", "Invalid containerPort: 70000"),
            ("", "No port specified: <empty>"),
            (":", "No port specified: :<empty>"),
            ("80:", "No port specified: 80:<empty>"),
            ("1.2.3.4:80", "Invalid hostPort: 1.2.3.4"),
        ] {
            assert_eq!(parse_publications(text).unwrap_err().to_string(), message);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_publication_or_a_refusal(text in "[0-9a-z:./\\[\\]-]{0,20}") {
            let _ = parse_publications(&text);
        }
    }
}
