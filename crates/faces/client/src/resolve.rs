//! Names to addresses without the C library's resolver, which a static binary cannot use: literal addresses,
//! `/etc/hosts`, then the name servers of `/etc/resolv.conf` (RFC 1035).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

const ANSWER_DEADLINE: Duration = Duration::from_secs(3);
const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;

/// The addresses of `host`, the preferred first.
pub(crate) fn addresses(host: &str) -> io::Result<Vec<IpAddr>> {
    if let Ok(ip) = host.parse() {
        return Ok(vec![ip]);
    }
    let listed = in_hosts(&std::fs::read_to_string("/etc/hosts").unwrap_or_default(), host);
    if !listed.is_empty() {
        return Ok(listed);
    }
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let settings = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let (servers, domains) = read_settings(&settings);
    for name in candidates(host, &domains) {
        for server in &servers {
            let found: Vec<IpAddr> = [TYPE_A, TYPE_AAAA]
                .into_iter()
                .flat_map(|kind| ask(*server, &name, kind).unwrap_or_default())
                .collect();
            if !found.is_empty() {
                return Ok(found);
            }
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, format!("dial tcp: lookup {host}: no such host")))
}

fn in_hosts(text: &str, host: &str) -> Vec<IpAddr> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split('#').next()?.split_whitespace();
            let ip: IpAddr = words.next()?.parse().ok()?;
            words.any(|name| name.eq_ignore_ascii_case(host)).then_some(ip)
        })
        .collect()
}

fn read_settings(text: &str) -> (Vec<IpAddr>, Vec<String>) {
    let mut servers: Vec<IpAddr> = Vec::new();
    let mut domains = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => servers.extend(words.next().and_then(|word| word.parse::<IpAddr>().ok())),
            Some("search" | "domain") => domains = words.map(str::to_owned).collect(),
            _ => {}
        }
    }
    if servers.is_empty() {
        servers.push(Ipv4Addr::LOCALHOST.into());
    }
    (servers, domains)
}

/// A name with a dot is tried as it is first, one without with the search domains first.
fn candidates(host: &str, domains: &[String]) -> Vec<String> {
    let plain = host.trim_end_matches('.').to_owned();
    if host.ends_with('.') {
        return vec![plain];
    }
    let searched = domains.iter().map(|domain| format!("{plain}.{domain}"));
    if plain.contains('.') {
        std::iter::once(plain.clone()).chain(searched).collect()
    } else {
        searched.chain(std::iter::once(plain.clone())).collect()
    }
}

fn ask(server: IpAddr, name: &str, kind: u16) -> io::Result<Vec<IpAddr>> {
    let any: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.set_read_timeout(Some(ANSWER_DEADLINE))?;
    socket.connect(SocketAddr::new(server, 53))?;
    let mut id = [0; 2];
    getrandom::fill(&mut id).map_err(io::Error::other)?;
    let question = encode(id, name, kind).ok_or(io::ErrorKind::InvalidInput)?;
    socket.send(&question)?;
    let mut answer = [0; 1500];
    let size = socket.recv(&mut answer)?;
    Ok(decode(&answer[..size], id, kind).unwrap_or_default())
}

fn encode(id: [u8; 2], name: &str, kind: u16) -> Option<Vec<u8>> {
    let mut message = vec![id[0], id[1], 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        let size = u8::try_from(label.len()).ok().filter(|size| (1..64).contains(size))?;
        message.push(size);
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    Some(message)
}

/// The addresses in an answer to question `id`; `None` for anything that is no such answer.
fn decode(message: &[u8], id: [u8; 2], kind: u16) -> Option<Vec<IpAddr>> {
    let word = |at: usize| Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]));
    if message.get(..2)? != id || message.get(2)? & 0x80 == 0 {
        return None;
    }
    let (questions, answers) = (word(4)?, word(6)?);
    let mut at = 12;
    for _ in 0..questions {
        at = skip_name(message, at)? + 4;
    }
    let mut found = Vec::new();
    for _ in 0..answers {
        at = skip_name(message, at)?;
        let size = usize::from(word(at + 8)?);
        let data = message.get(at + 10..at + 10 + size)?;
        if word(at)? == kind {
            found.extend(<[u8; 4]>::try_from(data).map(IpAddr::from).ok());
            found.extend(<[u8; 16]>::try_from(data).map(IpAddr::from).ok());
        }
        at += 10 + size;
    }
    Some(found)
}

fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            size if size >= 0xc0 => return Some(at + 2),
            size => at += 1 + usize::from(size),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_listed_by_any_of_their_names() {
        let text = "127.0.0.1 localhost\n10.0.0.5\tdb db.local # web\n::1 localhost\n";
        assert_eq!(in_hosts(text, "DB.local"), ["10.0.0.5".parse::<IpAddr>().unwrap()]);
        assert_eq!(in_hosts(text, "localhost").len(), 2);
        assert!(in_hosts(text, "web").is_empty());
    }

    #[test]
    fn an_answer_with_a_pointer_is_read() {
        let mut message = encode([7, 8], "a.bc", TYPE_A).unwrap();
        message[2] = 0x81;
        message[7] = 2;
        message.extend_from_slice(&[0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 2, 0xc0, 12]);
        message.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 1, 2, 3]);
        assert_eq!(decode(&message, [7, 8], TYPE_A), Some(vec!["10.1.2.3".parse().unwrap()]));
        assert_eq!(decode(&message, [7, 9], TYPE_A), None);
    }

    #[test]
    fn search_domains_come_first_for_bare_names() {
        let domains = ["lan".to_owned()];
        assert_eq!(candidates("db", &domains), ["db.lan", "db"]);
        assert_eq!(candidates("db.x", &domains), ["db.x", "db.x.lan"]);
        assert_eq!(candidates("db.", &domains), ["db"]);
    }

    proptest::proptest! {
        #[test]
        fn no_answer_makes_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
            let mut message = vec![7, 8, 0x80];
            message.extend(bytes);
            let _ = decode(&message, [7, 8], TYPE_A);
        }
    }
}
