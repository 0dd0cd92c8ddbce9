//! `port`: where a container's ports answer on the host.

use super::check_name;
use crate::command::{Command, Words};
use crate::failure::{Failure, fail};
use crate::format::{host_and_port, natural_order};
use crate::output;
use crate::session::Session;
use engine_api::container::{ContainerInspectResponse, PortBinding, PortMap};
use flags::{Typed, parse_uint};

/// `port`.
pub(crate) static PORT: Command = Command::new(
    "CONTAINER [PRIVATE_PORT[/PROTO]]",
    "List port mappings or a specific mapping for the container",
    Words::Between(1, 2),
    run,
)
.aliases("container port, port");

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let name = &typed.positionals[0];
    let path = format!("/containers/{}/json", check_name("container", name)?);
    let container: ContainerInspectResponse = session.client()?.get(&path).send()?.json()?;
    let ports = &container.network_settings.ports;
    let mut lines = match typed.positionals.get(1) {
        Some(port) if !port.is_empty() => mapping_of(ports, port, name)?,
        _ => all_mappings(ports),
    };
    if !lines.is_empty() {
        lines.sort_by(|one, other| natural_order(one, other));
        output::line(&lines.join("\n"));
    }
    Ok(())
}

fn host(binding: &PortBinding) -> String {
    host_and_port(&binding.host_ip, &binding.host_port)
}

fn mapping_of(ports: &PortMap, wanted: &str, name: &str) -> Result<Vec<String>, Failure> {
    let (port, protocol) = wanted.split_once('/').unwrap_or((wanted, ""));
    let protocol = if protocol.is_empty() { "tcp" } else { protocol };
    parse_uint(port, 16).map_err(|error| fail!("Error: invalid port ({port}): {error}"))?;
    let bindings = ports.get(&format!("{port}/{protocol}")).and_then(Option::as_deref).unwrap_or_default();
    if bindings.is_empty() {
        return Err(fail!("Error: No public port '{wanted}' published for {name}"));
    }
    Ok(bindings.iter().map(host).collect())
}

fn all_mappings(ports: &PortMap) -> Vec<String> {
    let published =
        ports.iter().flat_map(|(port, bindings)| bindings.iter().flatten().map(move |one| (port, one)));
    published.map(|(port, binding)| format!("{port} -> {}", host(binding))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_listed_or_looked_up() {
        let binding = |ip: &str| PortBinding { host_ip: ip.to_owned(), host_port: "8080".to_owned() };
        let ports = PortMap::from([
            ("80/tcp".to_owned(), Some(vec![binding("0.0.0.0"), binding("::")])),
            ("53/udp".to_owned(), None),
        ]);
        assert_eq!(all_mappings(&ports), ["80/tcp -> 0.0.0.0:8080", "80/tcp -> [::]:8080"]);
        assert_eq!(mapping_of(&ports, "80", "web").unwrap(), ["0.0.0.0:8080", "[::]:8080"]);
        let missing = mapping_of(&ports, "53/udp", "web").unwrap_err();
        assert_eq!(missing.text, "Error: No public port '53/udp' published for web");
        let invalid = mapping_of(&ports, "x", "web").unwrap_err();
        assert_eq!(invalid.text, "Error: invalid port (x): strconv.ParseUint: parsing \"x\": invalid syntax");
    }
}
