//! Grammars of values, checked as they are typed. The texts are Docker's.

use crate::address;
use std::net::IpAddr;

/// `key=value`, outside the reserved names.
pub(crate) fn label(text: &str) -> Result<(), String> {
    if !text.contains('=') {
        return Err(format!("bad attribute format: {text}"));
    }
    let lower = text.to_ascii_lowercase();
    if ["com.docker.", "io.docker.", "org.dockerproject."].iter().any(|prefix| lower.starts_with(prefix)) {
        return Err(format!(
            "label {text} is not allowed: the namespaces com.docker.*, io.docker.*, and org.dockerproject.* are \
             reserved for internal use"
        ));
    }
    Ok(())
}

/// An address to listen on.
pub(crate) fn host(text: &str) -> Result<(), String> {
    address::parse(text).map(drop).map_err(|cause| cause.to_string())
}

/// An IP address.
pub(crate) fn ip(text: &str) -> Result<(), String> {
    match text.trim().parse::<IpAddr>() {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("failed to parse IP: {text:?}")),
    }
}

/// An address that `host-gateway` stands for.
pub(crate) fn gateway(text: &str) -> Result<(), String> {
    text.parse::<IpAddr>().map(drop).map_err(|_| format!("ParseAddr({text:?}): unable to parse IP"))
}

/// At most one address of each family.
pub(crate) fn gateways(addresses: &[String]) -> Result<(), String> {
    let count = |v6: bool| {
        let of_family = |text: &&String| text.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6() == v6);
        addresses.iter().filter(of_family).count()
    };
    for (family, count) in [("IPv4", count(false)), ("IPv6", count(true))] {
        if count > 1 {
            return Err(format!("only one {family} host gateway IP address can be specified"));
        }
    }
    Ok(())
}

/// IP addresses between commas.
pub(crate) fn ips(text: &str) -> Result<(), String> {
    for part in text.split(',') {
        if part.trim().parse::<IpAddr>().is_err() {
            return Err(format!("invalid string being converted to IP address: {part}"));
        }
    }
    Ok(())
}

/// A domain to search, or `.` for none.
pub(crate) fn dns_search(text: &str) -> Result<(), String> {
    let domain = text.trim_matches(' ');
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let has_letter = domain.bytes().any(|byte| byte.is_ascii_alphabetic());
    let trimmed = domain.strip_suffix('.').unwrap_or(domain);
    let well_formed = domain == "." || (has_letter && trimmed.split('.').all(label) && domain.len() < 255);
    if well_formed { Ok(()) } else { Err(format!("{domain} is not a valid domain")) }
}

/// A size such as `64M`.
pub(crate) fn bytes(text: &str) -> Result<(), String> {
    units::bytes::parse(text).map(drop).map_err(|cause| cause.to_string())
}

/// `name=path`; the stock runtime's name is taken.
pub(crate) fn runtime(text: &str) -> Result<(), String> {
    let Some((name, path)) = text.split_once('=') else {
        return Err(format!("invalid runtime argument: {text}"));
    };
    let (name, path) = (name.trim().to_ascii_lowercase(), path.trim());
    if name.is_empty() || path.is_empty() {
        return Err(format!("invalid runtime argument: {text}"));
    }
    if name == "runc" {
        return Err(format!("runtime name '{name}' is reserved"));
    }
    Ok(())
}

/// `name=soft[:hard]`.
pub(crate) fn ulimit(text: &str) -> Result<(), String> {
    parse_ulimit(text).map(drop)
}

/// The limits that a process has. `setrlimit(2)`.
const LIMITS: &[&str] = &[
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// Name, soft limit, hard limit.
pub(crate) fn parse_ulimit(text: &str) -> Result<(String, i64, i64), String> {
    let (name, limits) = text.split_once('=').ok_or_else(|| format!("invalid ulimit argument: {text}"))?;
    if !LIMITS.contains(&name) {
        return Err(format!("invalid ulimit type: {name}"));
    }
    let (soft, hard) = match limits.split_once(':') {
        Some((_, hard)) if hard.contains(':') => {
            return Err(format!(
                "too many limit value arguments - {limits}, can only have up to two, `soft[:hard]`"
            ));
        }
        Some((soft, hard)) => (soft, hard),
        None => (limits, limits),
    };
    let soft = flags::parse_int(soft)?;
    let hard = flags::parse_int(hard)?;
    if hard != -1 && (soft == -1 || soft > hard) {
        let shown = if soft == -1 { "-1 (unlimited)".to_owned() } else { soft.to_string() };
        return Err(format!("ulimit soft limit must be less than or equal to hard limit: {shown} > {hard}"));
    }
    Ok((name.to_owned(), soft, hard))
}

/// `base=10.0.0.0/8,size=24`.
pub(crate) fn address_pool(text: &str) -> Result<(), String> {
    parse_address_pool(text).map(drop)
}

/// Base and size.
pub(crate) fn parse_address_pool(text: &str) -> Result<(String, u8), String> {
    let (mut base, mut size) = (String::new(), None);
    for field in flags::split_csv(text)? {
        let Some((key, value)) = field.split_once('=') else {
            return Err(format!("invalid field '{field}' must be a key=value pair"));
        };
        match key.to_ascii_lowercase().as_str() {
            "base" => {
                let number = |(address, length): (&str, &str)| {
                    let address: IpAddr = address.parse().ok()?;
                    let length: u8 = length.parse().ok()?;
                    (length <= if address.is_ipv4() { 32 } else { 128 }).then_some(())
                };
                if !value.contains('/') {
                    return Err(format!(
                        "invalid base prefix {value:?}: netip.ParsePrefix({value:?}): no '/'"
                    ));
                }
                value
                    .split_once('/')
                    .and_then(number)
                    .ok_or_else(|| format!("invalid base prefix {value:?}"))?;
                base = value.to_owned();
            }
            "size" => {
                let refuse = |_| {
                    let cause = format!("strconv.Atoi: parsing {value:?}: invalid syntax");
                    format!("invalid size value: {text:?} (must be integer): {cause}")
                };
                size = Some(value.parse().map_err(refuse)?);
            }
            _ => return Err(format!("unexpected key '{key}' in '{field}'")),
        }
    }
    Ok((base, size.unwrap_or(0)))
}

/// `name` or `name=true`.
pub(crate) fn feature(text: &str) -> Result<(), String> {
    let (name, value) = text.split_once('=').unwrap_or((text, "true"));
    if name.is_empty() {
        return Err(format!("invalid option name: {text}"));
    }
    flags::parse_bool(value).map(drop)
}

/// `driver=option=value`.
pub(crate) fn map_of_maps(text: &str) -> Result<(), String> {
    match text.split_once('=') {
        Some((key, rest)) if !key.is_empty() && rest.contains('=') => Ok(()),
        _ => Err(format!("invalid value {text:?} for map option, should be root-key=key=value")),
    }
}

/// `name=value`.
pub(crate) fn generic_resource(text: &str) -> Result<(), String> {
    if text.contains('=') {
        return Ok(());
    }
    Err(format!("invalid node-generic-resource format `{text}` expected `name=value`"))
}

/// A registry's URL without path, query or user.
pub(crate) fn mirror(text: &str) -> Result<(), String> {
    let refuse = |why: String| Err(format!("invalid mirror: {why}"));
    let Some((scheme, rest)) = text.split_once("://") else {
        return refuse(format!("no scheme specified for {text:?}: must use either 'https://' or 'http://'"));
    };
    if !matches!(scheme, "http" | "https") {
        let must = "must use either 'https://' or 'http://'";
        return refuse(format!("unsupported scheme {scheme:?} in {text:?}: {must}"));
    }
    if rest.contains(['?', '#']) {
        return refuse(format!("query or fragment at end of the URI {text:?}"));
    }
    if let Some((user, host)) = rest.split_once('@') {
        let user = user.split(':').next().unwrap_or_default();
        return refuse(format!("username/password not allowed in URI \"{scheme}://{user}:xxxxx@{host}\""));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_values_are_refused_in_dockers_words() {
        type Check = fn(&str) -> Result<(), String>;
        let cases: &[(Check, &str, &str)] = &[
            (label, " ", "bad attribute format:  "),
            (ips, "x", "invalid string being converted to IP address: x"),
            (ulimit, "x", "invalid ulimit argument: x"),
            (address_pool, "base=1,size=5", "invalid base prefix \"1\": netip.ParsePrefix(\"1\"): no '/'"),
            (dns_search, "x_y!", "x_y! is not a valid domain"),
            (
                mirror,
                "ftp://x",
                "invalid mirror: unsupported scheme \"ftp\" in \"ftp://x\": must use either 'https://' or 'http://'",
            ),
            (host, "foo://x", "invalid bind address (foo://x): unsupported proto 'foo'"),
        ];
        for (check, value, words) in cases {
            assert_eq!(check(value).unwrap_err(), *words);
        }
    }

    #[test]
    fn right_values_pass() {
        assert_eq!(parse_ulimit("nofile=10:20"), Ok(("nofile".to_owned(), 10, 20)));
        assert_eq!(parse_address_pool("base=10.0.0.0/8,size=24"), Ok(("10.0.0.0/8".to_owned(), 24)));
        for domain in [".", "example.com", "a.b.", "under_score.org"] {
            assert_eq!(dns_search(domain), Ok(()), "{domain}");
        }
        assert_eq!(mirror("https://mirror.example:5000/"), Ok(()));
        assert_eq!(feature("cdi=false"), Ok(()));
    }
}
