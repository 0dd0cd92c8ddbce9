//! Addresses of the two schemes that registries use.

use std::fmt;

/// `scheme://host[:port]/path?query`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) is_secure: bool,
    /// As written, a port included; IPv6 in brackets.
    pub(crate) authority: String,
    /// With its query, beginning with a slash.
    pub(crate) path: String,
}

impl Url {
    pub(crate) fn new(is_secure: bool, authority: &str, path: &str) -> Url {
        Url { is_secure, authority: authority.to_owned(), path: path.to_owned() }
    }

    /// Parses an absolute address; a user before the host is refused.
    pub(crate) fn parse(text: &str) -> Option<Url> {
        let uri: http::Uri = text.parse().ok()?;
        let is_secure = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?.as_str();
        if authority.contains('@') || authority.is_empty() {
            return None;
        }
        let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        Some(Url::new(is_secure, authority, if path.starts_with('/') { path } else { "/" }))
    }

    /// Where a `Location` points, seen from here.
    pub(crate) fn join(&self, location: &str) -> Option<Url> {
        if location.starts_with("//") {
            return Url::parse(&format!("{}:{location}", self.scheme()));
        }
        if location.starts_with('/') {
            location.parse::<http::uri::PathAndQuery>().ok()?;
            return Some(Url { path: location.to_owned(), ..self.clone() });
        }
        if location.contains("://") {
            return Url::parse(location);
        }
        let folder =
            self.path.split('?').next().unwrap_or("/").rsplit_once('/').map_or("", |(folder, _)| folder);
        let path = format!("{folder}/{location}");
        path.parse::<http::uri::PathAndQuery>().ok()?;
        Some(Url { path, ..self.clone() })
    }

    pub(crate) fn scheme(&self) -> &'static str {
        if self.is_secure { "https" } else { "http" }
    }

    /// The host without port and brackets.
    pub(crate) fn host(&self) -> &str {
        split_port(&self.authority).0
    }

    pub(crate) fn port(&self) -> u16 {
        split_port(&self.authority).1.unwrap_or(if self.is_secure { 443 } else { 80 })
    }

    /// True if both lead to the same server, so that it may see the same proofs.
    pub(crate) fn is_same_server(&self, other: &Url) -> bool {
        self.is_secure == other.is_secure
            && self.host().eq_ignore_ascii_case(other.host())
            && self.port() == other.port()
    }
}

/// Host and port of an authority.
pub(crate) fn split_port(authority: &str) -> (&str, Option<u16>) {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').unwrap_or((rest, ""));
        return (host, rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, port.parse().ok()),
        _ => (authority, None),
    }
}

impl fmt::Display for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}{}", self.scheme(), self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_joined() {
        let base = Url::parse("http://localhost:5000/v2/x/blobs/1?a=b").unwrap();
        for (location, expected) in [
            ("https://cdn.example/y?z=1", "https://cdn.example/y?z=1"),
            ("/other", "http://localhost:5000/other"),
            ("2", "http://localhost:5000/v2/x/blobs/2"),
            ("//cdn.example/y", "http://cdn.example/y"),
        ] {
            assert_eq!(base.join(location).unwrap().to_string(), expected);
        }
        assert_eq!(base.join("ftp://x/y"), None);
        assert_eq!(Url::parse("https://user:secret@host/"), None);
    }

    #[test]
    fn ports_have_defaults() {
        for (text, host, port) in [
            ("https://a", "a", 443),
            ("http://a:81/", "a", 81),
            ("http://[::1]:82/x", "::1", 82),
            ("https://[::1]/", "::1", 443),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.host(), url.port()), (host, port));
        }
    }
}
