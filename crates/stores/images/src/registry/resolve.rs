//! Names to addresses: `/etc/hosts`, then the servers of `/etc/resolv.conf`. hosts(5), resolv.conf(5), RFC 1035.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// Why a name has no address. The words are those of Go's resolver, which Docker's users know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ResolveError {
    #[error("lookup {host} on {server}: no such host")]
    NoSuchHost { host: String, server: SocketAddr },
    #[error("lookup {host}: no such host")]
    NotAName { host: String },
    #[error("lookup {host} on {server}: server misbehaving")]
    Misbehaving { host: String, server: SocketAddr },
    #[error("lookup {host} on {server}: {cause}")]
    NoAnswer { host: String, server: SocketAddr, cause: String },
}

/// What resolv.conf(5) says.
#[derive(Debug, PartialEq, Eq)]
struct Settings {
    servers: Vec<SocketAddr>,
    search: Vec<String>,
    /// A name with at least that many dots is tried as it is first.
    dots: usize,
    wait: Duration,
    attempts: usize,
}

/// The addresses of a host, IPv4 first.
pub(crate) async fn resolve(host: &str) -> Result<Vec<IpAddr>, ResolveError> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let found = in_hosts(&hosts, host);
    if !found.is_empty() {
        return Ok(found);
    }
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(vec![Ipv4Addr::LOCALHOST.into()]);
    }
    let settings = parse_settings(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default());
    let mut last = ResolveError::NotAName { host: host.to_owned() };
    for name in candidates(host, &settings) {
        match ask_all(&name, host, &settings).await {
            Ok(found) => return Ok(found),
            Err(error @ ResolveError::NoSuchHost { .. }) => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

/// Both kinds of addresses of one full name.
async fn ask_all(name: &Name, host: &str, settings: &Settings) -> Result<Vec<IpAddr>, ResolveError> {
    let (four, six) =
        tokio::join!(ask(name, RecordType::A, host, settings), ask(name, RecordType::AAAA, host, settings));
    match (four, six) {
        (Ok(mut four), six) => {
            four.extend(six.unwrap_or_default());
            if four.is_empty() {
                let server = settings.servers[0];
                return Err(ResolveError::NoSuchHost { host: host.to_owned(), server });
            }
            Ok(four)
        }
        (Err(_), Ok(six)) if !six.is_empty() => Ok(six),
        (Err(error), _) => Err(error),
    }
}

async fn ask(
    name: &Name,
    kind: RecordType,
    host: &str,
    settings: &Settings,
) -> Result<Vec<IpAddr>, ResolveError> {
    let mut last = ResolveError::NotAName { host: host.to_owned() };
    for _ in 0..settings.attempts {
        for server in &settings.servers {
            let host = host.to_owned();
            last = match timeout(settings.wait, query(name, kind, *server)).await {
                Ok(Ok(answer)) => match answer.metadata.response_code {
                    ResponseCode::NoError => return Ok(addresses(&answer)),
                    ResponseCode::NXDomain => return Err(ResolveError::NoSuchHost { host, server: *server }),
                    _ => ResolveError::Misbehaving { host, server: *server },
                },
                Ok(Err(cause)) => ResolveError::NoAnswer { host, server: *server, cause: cause.to_string() },
                Err(_) => ResolveError::NoAnswer { host, server: *server, cause: "i/o timeout".to_owned() },
            };
        }
    }
    Err(last)
}

async fn query(name: &Name, kind: RecordType, server: SocketAddr) -> std::io::Result<Message> {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    let id = u16::from_ne_bytes(bytes);
    let mut question = Message::new(id, MessageType::Query, OpCode::Query);
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(name.clone(), kind));
    let question = question.to_vec().map_err(std::io::Error::other)?;

    let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(&question).await?;
    let mut buffer = vec![0; 4096];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let answer = Message::from_vec(&buffer[..length]);
        // Anything else is someone else's, or an attempt to slip in.
        let Some(answer) = answer.ok().filter(|answer| is_answer(answer, id, name, kind)) else { continue };
        return match answer.metadata.truncation {
            true => over_tcp(&question, server, id, name, kind).await,
            false => Ok(answer),
        };
    }
}

async fn over_tcp(
    question: &[u8],
    server: SocketAddr,
    id: u16,
    name: &Name,
    kind: RecordType,
) -> std::io::Result<Message> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.len()).map_err(std::io::Error::other)?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(question).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    let answer = Message::from_vec(&answer).map_err(std::io::Error::other)?;
    match is_answer(&answer, id, name, kind) {
        true => Ok(answer),
        false => Err(std::io::Error::other("the answer is for another question")),
    }
}

fn is_answer(answer: &Message, id: u16, name: &Name, kind: RecordType) -> bool {
    answer.metadata.id == id
        && answer.metadata.message_type == MessageType::Response
        && answer.queries.first().is_some_and(|asked| asked.name() == name && asked.query_type() == kind)
}

fn addresses(answer: &Message) -> Vec<IpAddr> {
    let address = |data: &RData| match data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    };
    answer.answers.iter().filter_map(|record| address(&record.data)).collect()
}

fn candidates(host: &str, settings: &Settings) -> Vec<Name> {
    let plain = host.trim_end_matches('.');
    let mut list: Vec<String> = Vec::new();
    if !host.ends_with('.') {
        list.extend(settings.search.iter().map(|domain| format!("{plain}.{domain}.")));
    }
    let as_it_is = format!("{plain}.");
    match plain.matches('.').count() >= settings.dots {
        true => list.insert(0, as_it_is),
        false => list.push(as_it_is),
    }
    list.iter().filter_map(|name| Name::from_ascii(name).ok()).collect()
}

fn in_hosts(text: &str, host: &str) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split('#').next()?.split_whitespace();
            let address = words.next()?.parse().ok()?;
            words.any(|name| name.eq_ignore_ascii_case(host)).then_some(address)
        })
        .collect();
    found.sort_by_key(IpAddr::is_ipv6);
    found
}

fn parse_settings(text: &str) -> Settings {
    let mut settings = Settings {
        servers: Vec::new(),
        search: Vec::new(),
        dots: 1,
        wait: Duration::from_secs(5),
        attempts: 2,
    };
    for line in text.lines() {
        let mut words = line.split(['#', ';']).next().unwrap_or_default().split_whitespace();
        match words.next() {
            Some("nameserver") => {
                // A zone after % names an interface and is left out.
                let address = words.next().and_then(|text| text.split('%').next()?.parse::<IpAddr>().ok());
                settings.servers.extend(address.map(|address| SocketAddr::new(address, 53)));
            }
            Some("search" | "domain") => {
                settings.search = words
                    .map(|domain| domain.trim_matches('.').to_owned())
                    .filter(|domain| !domain.is_empty())
                    .collect();
            }
            Some("options") => words.for_each(|option| set_option(&mut settings, option)),
            _ => {}
        }
    }
    settings.servers.truncate(3);
    if settings.servers.is_empty() {
        settings.servers.push((Ipv4Addr::LOCALHOST, 53).into());
    }
    settings
}

fn set_option(settings: &mut Settings, option: &str) {
    let Some((name, value)) = option.split_once(':') else { return };
    let Ok(value) = value.parse::<u8>() else { return };
    match name {
        "ndots" => settings.dots = usize::from(value.min(15)),
        "timeout" => settings.wait = Duration::from_secs(u64::from(value.clamp(1, 30))),
        "attempts" => settings.attempts = usize::from(value.clamp(1, 5)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_looked_up_by_any_of_their_names() {
        let text = "::1 localhost ip6\n127.0.0.1 localhost # me\n# 1.2.3.4 x\n10.0.0.1\tA.example a\n";
        let four: Vec<IpAddr> = vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
        assert_eq!(in_hosts(text, "localhost"), four);
        assert_eq!(in_hosts(text, "a.EXAMPLE").len(), 1);
        assert_eq!(in_hosts(text, "x"), Vec::<IpAddr>::new());
    }

    #[test]
    fn settings_are_read_and_bounded() {
        let settings = parse_settings(
            "search one.example. two\nnameserver 10.0.0.1\nnameserver fe80::1%eth0 # x\noptions ndots:2 timeout:99 attempts:0\n",
        );
        assert_eq!(
            settings.servers,
            ["10.0.0.1:53".parse().unwrap(), "[fe80::1]:53".parse::<SocketAddr>().unwrap()]
        );
        assert_eq!((settings.dots, settings.wait.as_secs(), settings.attempts), (2, 30, 1));
        let names = |host| candidates(host, &settings).iter().map(Name::to_string).collect::<Vec<_>>();
        assert_eq!(names("a.b"), ["a.b.one.example.", "a.b.two.", "a.b."]);
        assert_eq!(names("a.b.c"), ["a.b.c.", "a.b.c.one.example.", "a.b.c.two."]);
        assert_eq!(names("a."), ["a."]);
        assert_eq!(parse_settings("").servers, ["127.0.0.1:53".parse().unwrap()]);
    }
}
