//! Docker 28.5 in Gantry's place: the same rows run against the reference, so that a row which the
//! reference fails is known to be wrong. Asked for by hand, with `GANTRY_REFERENCE` naming the folder that
//! holds its `bin` and `sbin`.

use std::path::PathBuf;
use std::process::Command;

/// Names the reference's folder.
const FOLDER: &str = "GANTRY_REFERENCE";

/// Whether the reference stands in for Gantry in this run.
pub fn is_asked_for() -> bool {
    std::env::var_os(FOLDER).is_some()
}

fn folder() -> PathBuf {
    std::env::var_os(FOLDER).map(PathBuf::from).unwrap_or_default()
}

/// The reference's client.
pub fn client() -> PathBuf {
    folder().join("bin/docker")
}

/// The socket of the reference's daemon.
pub const SOCKET: &str = "/var/run/docker.sock";

/// The reference's daemon with default places; it starts its own supervisor.
pub fn daemon() -> Command {
    let folder = folder();
    let mut command = Command::new(folder.join("sbin/dockerd"));
    let path = format!("{0}/sbin:{0}/bin:/usr/sbin:/usr/bin:/sbin:/bin", folder.display());
    command.env_clear().env("PATH", path);
    command
}
