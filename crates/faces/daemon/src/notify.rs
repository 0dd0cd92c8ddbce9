//! Talking to an init system: `sd_notify(3)` and `sd_listen_fds(3)`, by their protocol.

use std::io;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Says `state` (`READY=1`, `STOPPING=1`) to whoever started the daemon and wants to know. Nobody wants to: nothing.
pub(crate) fn tell(state: &str) {
    if let Some(path) = std::env::var_os("NOTIFY_SOCKET")
        && let Err(cause) = send(&path.to_string_lossy(), state)
    {
        tracing::warn!(%cause, "cannot tell the init system about the state");
    }
}

fn send(path: &str, state: &str) -> io::Result<()> {
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(path)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(drop)
}

/// The listening sockets that the init system opened for this process, with their names.
pub(crate) fn inherited_sockets() -> io::Result<Vec<(String, OwnedFd)>> {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    if variable("LISTEN_PID") != std::process::id().to_string() {
        return Ok(Vec::new());
    }
    let count: u32 = variable("LISTEN_FDS").parse().unwrap_or(0);
    let names = variable("LISTEN_FDNAMES");
    let mut names = names.split(':');
    let take = |number: u32| Ok((names.next().unwrap_or_default().to_owned(), sys::inherit::take(number)?));
    (3..3 + count.min(64)).map(take).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_init_system_hears_the_state() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let ear = UnixDatagram::bind(&path).unwrap();
        send(path.to_str().unwrap(), "READY=1").unwrap();
        let mut heard = [0; 16];
        let count = ear.recv(&mut heard).unwrap();
        assert_eq!(&heard[..count], b"READY=1");
    }
}
