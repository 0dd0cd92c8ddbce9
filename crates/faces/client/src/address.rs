//! Where a daemon listens: `unix:///run/gantry/gantry.sock`, `tcp://host:2375`.

use std::fmt;
use std::path::PathBuf;

const DEFAULT_UNIX: &str = "/var/run/docker.sock";
const DEFAULT_HOST: &str = "localhost";
const DEFAULT_PORT: u16 = 2375;

/// A daemon's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A socket in the file system.
    Unix(PathBuf),
    /// A TCP port.
    Tcp {
        /// A name or an IP address, without brackets.
        host: String,
        /// The port.
        port: u16,
        /// What stands before every path of the API; empty or `/x`.
        prefix: String,
    },
}

/// An address that cannot be used, in Docker's words where Docker has them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No known form.
    #[error("invalid bind address format: {0}")]
    Format(String),
    /// `unix://tcp://…`.
    #[error("invalid proto, expected {expected}: {text}")]
    Protocol {
        /// The protocol that was named first.
        expected: &'static str,
        /// What was typed.
        text: String,
    },
    /// A port that is no number.
    #[error("parse \"tcp://{text}\": invalid port \"{port}\" after host")]
    Port {
        /// What was typed, without the protocol.
        text: String,
        /// The colon and the port.
        port: String,
    },
    /// A protocol that is known, and not spoken.
    #[error("cannot connect to {text}: {protocol}:// is not supported yet")]
    Unsupported {
        /// The protocol.
        protocol: &'static str,
        /// What was typed.
        text: String,
    },
}

impl Address {
    /// Reads `unix://PATH`, `tcp://HOST:PORT`, `HOST:PORT`; parts left out get Docker's defaults.
    ///
    /// # Errors
    /// Any other form, and protocols that this client does not speak.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        let text = text.trim();
        let (protocol, rest) = text.split_once("://").unwrap_or(("tcp", text));
        match protocol {
            "unix" | "tcp" if rest.contains("://") => Err(AddressError::Protocol {
                expected: if protocol == "unix" { "unix" } else { "tcp" },
                text: rest.to_owned(),
            }),
            "unix" => Ok(Address::Unix(PathBuf::from(if rest.is_empty() { DEFAULT_UNIX } else { rest }))),
            "tcp" => parse_tcp(rest).ok_or_else(|| match bad_port(rest) {
                Some(port) => AddressError::Port { text: rest.to_owned(), port: port.to_owned() },
                None => AddressError::Format(text.to_owned()),
            }),
            "ssh" => Err(AddressError::Unsupported { protocol: "ssh", text: text.to_owned() }),
            "npipe" => Err(AddressError::Unsupported { protocol: "npipe", text: text.to_owned() }),
            "fd" => Err(AddressError::Unsupported { protocol: "fd", text: text.to_owned() }),
            _ => Err(AddressError::Format(text.to_owned())),
        }
    }

    /// The address as it stands in a URL: `%2Frun%2Fgantry%2Fgantry.sock`, `host:2375`.
    pub(crate) fn authority(&self) -> String {
        match self {
            Address::Unix(path) => percent_encoding::utf8_percent_encode(
                &path.to_string_lossy(),
                percent_encoding::NON_ALPHANUMERIC,
            )
            .to_string()
            .replace("%2E", ".")
            .replace("%2D", "-")
            .replace("%5F", "_"),
            Address::Tcp { host, port, .. } => join(host, *port),
        }
    }

    pub(crate) fn prefix(&self) -> &str {
        match self {
            Address::Unix(_) => "",
            Address::Tcp { prefix, .. } => prefix.trim_end_matches('/'),
        }
    }
}

fn join(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The last colon and what follows it, if that is no number.
fn bad_port(rest: &str) -> Option<&str> {
    let authority = &rest[..rest.find('/').unwrap_or(rest.len())];
    let port = &authority[authority.rfind(':')?..];
    port[1..].bytes().any(|byte| !byte.is_ascii_digit()).then_some(port)
}

fn parse_tcp(rest: &str) -> Option<Address> {
    let (authority, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = match authority.strip_prefix('[') {
        Some(bracketed) => {
            let (host, after) = bracketed.split_once(']')?;
            (host, after.strip_prefix(':').or(after.is_empty().then_some(""))?)
        }
        None => match authority.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') => (host, port),
            Some(_) => return None,
            None => (authority, ""),
        },
    };
    let host = if host.is_empty() { DEFAULT_HOST } else { host };
    let port = if port.is_empty() { DEFAULT_PORT } else { port.parse().ok()? };
    Some(Address::Tcp { host: host.to_owned(), port, prefix: prefix.to_owned() })
}

impl fmt::Display for Address {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(to, "unix://{}", path.display()),
            Address::Tcp { host, port, prefix } => write!(to, "tcp://{}{prefix}", join(host, *port)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16, prefix: &str) -> Result<Address, AddressError> {
        Ok(Address::Tcp { host: host.to_owned(), port, prefix: prefix.to_owned() })
    }

    #[test]
    fn the_usual_forms_are_read() {
        assert_eq!(Address::parse("unix:///tmp/x.sock"), Ok(Address::Unix("/tmp/x.sock".into())));
        assert_eq!(Address::parse("unix://"), Ok(Address::Unix(DEFAULT_UNIX.into())));
        assert_eq!(Address::parse("tcp://10.0.0.1:99"), tcp("10.0.0.1", 99, ""));
        assert_eq!(Address::parse("tcp://"), tcp("localhost", 2375, ""));
        assert_eq!(Address::parse("10.0.0.1"), tcp("10.0.0.1", 2375, ""));
        assert_eq!(Address::parse(" :7777 "), tcp("localhost", 7777, ""));
        assert_eq!(Address::parse("tcp://[::1]:5/p/q"), tcp("::1", 5, "/p/q"));
        assert_eq!(Address::parse("tcp://[::1]").unwrap().to_string(), "tcp://[::1]:2375");
    }

    #[test]
    fn other_forms_are_refused() {
        for bad in ["udp://x", "tcp://a:b", "tcp://a:99999", "tcp://a:b:c", "tcp://unix:///x", "ssh://host"] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(
            Address::parse("ssh://host").unwrap_err().to_string(),
            "cannot connect to ssh://host: ssh:// is not supported yet"
        );
    }

    proptest::proptest! {
        #[test]
        fn what_is_printed_is_read_back(text in "(unix:///[a-z/.]{1,9}|tcp://[a-z.]{1,9}:[1-9][0-9]{0,3}(/[a-z]{0,5})?)") {
            let address = Address::parse(&text).unwrap();
            proptest::prop_assert_eq!(Address::parse(&address.to_string()), Ok(address));
        }
    }
}
