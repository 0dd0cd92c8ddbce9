//! Opening the places where the daemon listens.

use crate::address::{Address, DOCKER_SOCKET, GANTRY_SOCKET};
use crate::notify;
use crate::settings::Settings;
use api::listen::{Listener, is_answered};
use std::io;
use std::net::SocketAddr;
use std::path::Path;

/// Why the daemon cannot listen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    #[error("failed to load listeners: {address}: {cause}")]
    Open { address: String, cause: io::Error },
    #[error("group {0} not found")]
    NoGroup(String),
    #[error(
        "listening on {0} without TLS would give everyone who reaches it root access to this machine: use a unix \
         socket, an address of the loopback interface, or say --tls=false to do it all the same"
    )]
    Exposed(SocketAddr),
    #[error("no sockets found via socket activation: make sure the service was started by the init system")]
    NothingInherited,
}

/// Opens all places, or the default ones.
pub(crate) async fn open(settings: &Settings) -> Result<Vec<Listener>, ListenError> {
    let group = find_group(&settings.group.0, settings.group.1)?;
    let Some(addresses) = &settings.addresses else { return open_defaults(group) };
    let mut listeners = Vec::new();
    for address in addresses {
        match address {
            Address::Unix(path) => listeners.push(open_unix(path, group)?),
            Address::Tcp(socket) => listeners.push(open_tcp(*socket, settings.open_tcp).await?),
            Address::Inherited(name) => listeners.extend(open_inherited(name)?),
        }
    }
    Ok(listeners)
}

/// Our own socket, and Docker's unless another daemon answers there.
fn open_defaults(group: Option<u32>) -> Result<Vec<Listener>, ListenError> {
    let mut listeners = vec![open_unix(Path::new(GANTRY_SOCKET), group)?];
    let docker = Path::new(DOCKER_SOCKET);
    if is_answered(docker) {
        tracing::info!("{DOCKER_SOCKET} belongs to another daemon; listening on {GANTRY_SOCKET} only");
        return Ok(listeners);
    }
    match open_unix(docker, group) {
        Ok(listener) => listeners.push(listener),
        Err(cause) => tracing::warn!(%cause, "not listening on Docker's socket"),
    }
    Ok(listeners)
}

fn open_unix(path: &Path, group: Option<u32>) -> Result<Listener, ListenError> {
    Listener::unix(path, group)
        .map_err(|cause| ListenError::Open { address: format!("unix://{}", path.display()), cause })
}

async fn open_tcp(address: SocketAddr, said_open: bool) -> Result<Listener, ListenError> {
    if !address.ip().is_loopback() && !said_open {
        return Err(ListenError::Exposed(address));
    }
    tracing::warn!(
        host = %format_args!("tcp://{address}"),
        "Binding to IP address without --tlsverify is insecure and gives root access on this machine to everyone who \
         has access to your network."
    );
    Listener::tcp(address)
        .await
        .map_err(|cause| ListenError::Open { address: format!("tcp://{address}"), cause })
}

/// All sockets of the init system, or those of one name or number.
fn open_inherited(wanted: &str) -> Result<Vec<Listener>, ListenError> {
    let open_error = |cause| ListenError::Open { address: format!("fd://{wanted}"), cause };
    let sockets = notify::inherited_sockets().map_err(open_error)?;
    let mut listeners = Vec::new();
    for (number, (name, socket)) in (3..).zip(sockets) {
        if wanted.is_empty() || wanted == name || wanted == number.to_string() {
            listeners.push(Listener::inherited(socket).map_err(open_error)?);
        }
    }
    if listeners.is_empty() { Err(ListenError::NothingInherited) } else { Ok(listeners) }
}

/// The number of a group. The default group may be missing, as with Docker: the socket is then root's alone.
fn find_group(group: &str, asked_for: bool) -> Result<Option<u32>, ListenError> {
    let table = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let number = group_number(&table, group);
    if number.is_none() && asked_for && !group.is_empty() {
        return Err(ListenError::NoGroup(group.to_owned()));
    }
    Ok(number)
}

fn group_number(table: &str, group: &str) -> Option<u32> {
    let named = table.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(group)).then(|| fields.nth(1)?.parse().ok()).flatten()
    });
    named.or_else(|| group.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_by_name_or_number() {
        let table = "root:x:0:\ndocker:x:998:ann,bob\n";
        assert_eq!(group_number(table, "docker"), Some(998));
        assert_eq!(group_number(table, "1234"), Some(1234));
        assert_eq!(group_number(table, "nobody"), None);
        assert!(find_group("no-such-group", true).is_err());
        assert_eq!(find_group("no-such-group", false).unwrap(), None);
    }

    #[tokio::test]
    async fn other_hosts_get_in_only_when_said_aloud() {
        let everywhere = "0.0.0.0:0".parse().unwrap();
        assert!(matches!(open_tcp(everywhere, false).await, Err(ListenError::Exposed(_))));
        assert!(open_tcp(everywhere, true).await.is_ok());
        assert!(open_tcp("127.0.0.1:0".parse().unwrap(), false).await.is_ok());
    }
}
