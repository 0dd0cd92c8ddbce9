//! Where a repository is asked for, in order. Pure but for the resolving of a host's name.

use std::net::IpAddr;

use super::RegistryConfig;
use super::resolve::resolve;
use super::url::{Url, split_port};

/// Docker Hub's registry, whatever its images' names say.
const HUB: &str = "registry-1.docker.io";

/// A mirror of Docker Hub: the beginning of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror(String);

/// Why a text is no mirror. The words are Docker's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MirrorError {
    /// No `://`.
    #[error("invalid mirror: no scheme specified for \"{0}\": must use either 'https://' or 'http://'")]
    NoScheme(String),
    /// Another scheme.
    #[error(
        "invalid mirror: unsupported scheme \"{scheme}\" in \"{mirror}\": must use either 'https://' or 'http://'"
    )]
    Scheme {
        /// The scheme.
        scheme: String,
        /// The whole.
        mirror: String,
    },
    /// A query or fragment.
    #[error("invalid mirror: query or fragment at end of the URI \"{0}\"")]
    Query(String),
    /// Not an address.
    #[error("invalid mirror: \"{0}\" is not a valid URI")]
    Address(String),
}

impl Mirror {
    /// Parses `http[s]://host[:port][/path]`.
    pub fn parse(text: &str) -> Result<Mirror, MirrorError> {
        let Some((scheme, _)) = text.split_once("://").filter(|(scheme, _)| !scheme.is_empty()) else {
            return Err(MirrorError::NoScheme(text.to_owned()));
        };
        if !matches!(scheme, "http" | "https") {
            return Err(MirrorError::Scheme { scheme: scheme.to_owned(), mirror: text.to_owned() });
        }
        if text.contains(['?', '#']) {
            return Err(MirrorError::Query(text.to_owned()));
        }
        let text = text.trim_end_matches('/');
        Url::parse(text).map(|_| Mirror(text.to_owned())).ok_or_else(|| MirrorError::Address(text.to_owned()))
    }

    /// The address, with the slash that `docker info` shows.
    pub fn address(&self) -> String {
        format!("{}/", self.0)
    }
}

/// One server to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// What stands before `/v2/`.
    pub(crate) base: Url,
    /// Any certificate will do.
    pub(crate) is_insecure: bool,
    /// It only repeats what another one has; its refusals are not final.
    pub(crate) is_mirror: bool,
}

/// The servers for a domain, best first.
pub(crate) async fn endpoints(domain: &str, config: &RegistryConfig) -> Vec<Endpoint> {
    let mut list = Vec::new();
    if domain == reference::DEFAULT_DOMAIN {
        for mirror in &config.mirrors {
            if let Some(base) = Url::parse(&mirror.0) {
                let is_insecure = is_insecure(&base.authority, config).await;
                list.push(Endpoint { base: trimmed(base), is_insecure, is_mirror: true });
            }
        }
        list.push(Endpoint { base: Url::new(true, HUB, ""), is_insecure: false, is_mirror: false });
        return list;
    }
    let is_insecure = is_insecure(domain, config).await;
    list.push(Endpoint { base: Url::new(true, domain, ""), is_insecure, is_mirror: false });
    if is_insecure {
        list.push(Endpoint { base: Url::new(false, domain, ""), is_insecure, is_mirror: false });
    }
    list
}

fn trimmed(url: Url) -> Url {
    let path = url.path.trim_end_matches('/').to_owned();
    Url { path, ..url }
}

async fn is_insecure(authority: &str, config: &RegistryConfig) -> bool {
    if config.insecure.iter().any(|entry| without_scheme(entry) == authority) {
        return true;
    }
    let networks: Vec<Network> = ["127.0.0.0/8", "::1/128"]
        .into_iter()
        .chain(config.insecure.iter().map(String::as_str))
        .filter_map(Network::parse)
        .collect();
    let (host, _) = split_port(authority);
    let addresses = match host.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) => resolve(host).await.unwrap_or_default(),
    };
    addresses.iter().any(|address| networks.iter().any(|network| network.contains(*address)))
}

fn without_scheme(entry: &str) -> &str {
    entry.strip_prefix("http://").or_else(|| entry.strip_prefix("https://")).unwrap_or(entry)
}

/// An IP network.
#[derive(Debug, Clone, Copy)]
struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Network> {
        let (address, bits) = text.split_once('/')?;
        let (address, bits): (IpAddr, u32) = (address.parse().ok()?, bits.parse().ok()?);
        let most = if address.is_ipv4() { 32 } else { 128 };
        (bits <= most).then_some(Network { address, bits })
    }

    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let difference = network.to_bits() ^ address.to_bits();
                difference.leading_zeros() >= self.bits
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let difference = network.to_bits() ^ address.to_bits();
                difference.leading_zeros() >= self.bits
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_addresses() {
        let is_in = |network: &str, address: &str| {
            Network::parse(network).unwrap().contains(address.parse().unwrap())
        };
        assert!(is_in("127.0.0.0/8", "127.1.2.3"));
        assert!(is_in("127.0.0.0/8", "::ffff:127.0.0.1"));
        assert!(!is_in("127.0.0.0/8", "128.0.0.1"));
        assert!(is_in("0.0.0.0/0", "8.8.8.8"));
        assert!(is_in("::1/128", "::1"));
        assert!(!is_in("::1/128", "::2"));
        assert!(Network::parse("10.0.0.0/33").is_none());
    }

    #[test]
    fn mirrors_are_checked_in_dockers_words() {
        assert_eq!(Mirror::parse("https://m.example/").unwrap().address(), "https://m.example/");
        for (text, expected) in [
            (
                "m.example",
                "invalid mirror: no scheme specified for \"m.example\": must use either 'https://' or 'http://'",
            ),
            (
                "ftp://m",
                "invalid mirror: unsupported scheme \"ftp\" in \"ftp://m\": must use either 'https://' or 'http://'",
            ),
            ("http://m/?q", "invalid mirror: query or fragment at end of the URI \"http://m/?q\""),
        ] {
            assert_eq!(Mirror::parse(text).unwrap_err().to_string(), expected);
        }
    }

    #[tokio::test]
    async fn loopback_may_answer_without_tls_and_others_may_not() {
        let config = RegistryConfig {
            insecure: vec!["plain.example:5000".to_owned(), "10.0.0.0/8".to_owned()],
            ..RegistryConfig::default()
        };
        for (domain, expected) in [
            ("127.0.0.1:5000", &["https://127.0.0.1:5000", "http://127.0.0.1:5000"][..]),
            ("10.1.2.3", &["https://10.1.2.3", "http://10.1.2.3"]),
            ("plain.example:5000", &["https://plain.example:5000", "http://plain.example:5000"]),
            ("192.0.2.1:5000", &["https://192.0.2.1:5000"]),
            ("docker.io", &["https://registry-1.docker.io"]),
        ] {
            let list: Vec<String> =
                endpoints(domain, &config).await.iter().map(|endpoint| endpoint.base.to_string()).collect();
            assert_eq!(list, expected);
        }
    }
}
