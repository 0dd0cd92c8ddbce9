//! The `PORTS` column: published and exposed ports, neighbours joined into ranges.

use crate::format::host_and_port;
use engine_api::container::Port;

/// Shows ports as `docker ps` does: `0.0.0.0:8080->80/tcp, 443/tcp`.
pub(crate) fn display(ports: &[Port]) -> String {
    let mut ports = ports.to_vec();
    ports.sort_by(|a, b| {
        (a.private_port, &a.ip, a.public_port, &a.kind).cmp(&(b.private_port, &b.ip, b.public_port, &b.kind))
    });
    let mut groups: Vec<Group> = Vec::new();
    let mut shown = Vec::new();
    let mut mapped = Vec::new();
    for port in &ports {
        if !port.ip.is_empty() && port.public_port != port.private_port {
            let host = host_and_port(&port.ip, &port.public_port.to_string());
            mapped.push(format!("{host}->{}/{}", port.private_port, port.kind));
            continue;
        }
        let current = port.private_port;
        match groups.iter_mut().find(|group| group.ip == port.ip && group.kind == port.kind) {
            Some(group) if group.last.checked_add(1) == Some(current) => group.last = current,
            Some(group) => {
                shown.push(group.display());
                (group.first, group.last) = (current, current);
            }
            None => groups.push(Group { ip: &port.ip, kind: &port.kind, first: current, last: current }),
        }
    }
    shown.extend(groups.iter().map(Group::display));
    shown.extend(mapped);
    shown.join(", ")
}

/// Neighbouring ports of one address and protocol.
struct Group<'a> {
    ip: &'a str,
    kind: &'a str,
    first: u16,
    last: u16,
}

impl Group<'_> {
    fn display(&self) -> String {
        let range = if self.first == self.last {
            self.first.to_string()
        } else {
            format!("{}-{}", self.first, self.last)
        };
        match self.ip {
            "" => format!("{range}/{}", self.kind),
            ip => format!("{}->{range}/{}", host_and_port(ip, &range), self.kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(ip: &str, public_port: u16, private_port: u16, kind: &str) -> Port {
        Port { ip: ip.to_owned(), private_port, public_port, kind: kind.to_owned() }
    }

    #[test]
    fn neighbours_are_joined_and_mappings_come_last() {
        assert_eq!(
            display(&[port("0.0.0.0", 8080, 80, "tcp"), port("", 0, 443, "tcp")]),
            "443/tcp, 0.0.0.0:8080->80/tcp"
        );
        assert_eq!(
            display(&[port("", 0, 80, "tcp"), port("", 0, 81, "tcp"), port("", 0, 90, "udp")]),
            "80-81/tcp, 90/udp"
        );
        assert_eq!(display(&[port("::", 80, 80, "tcp"), port("::", 81, 81, "tcp")]), "[::]:80-81->80-81/tcp");
        assert_eq!(display(&[port("", 0, 1, "tcp"), port("", 0, 3, "tcp")]), "1/tcp, 3/tcp");
        assert_eq!(display(&[]), "");
    }
}
