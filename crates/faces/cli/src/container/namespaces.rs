//! Which namespaces it shares.

use super::Wish;
use flags::{Flag, Typed};

pub(super) const FLAGS: &[Flag] = &[
    Flag::text(
        "cgroupns",
        "Cgroup namespace to use (host|private)\n\
'host':    Run the container in the Docker host's cgroup namespace\n\
'private': Run the container in its own private cgroup namespace\n\
'':        Use the cgroup namespace as configured by the\n           default-cgroupns-mode option on the daemon (default)",
    )
    .since("1.41"),
    Flag::text("ipc", "IPC mode to use"),
    Flag::text("isolation", "Container isolation technology"),
    Flag::text("pid", "PID namespace to use"),
    Flag::text("userns", "User namespace to use"),
    Flag::text("uts", "UTS namespace to use"),
];

pub(super) fn apply(typed: &Typed, wish: &mut Wish) -> Result<(), String> {
    let (pid, uts, userns) = (typed.text("pid"), typed.text("uts"), typed.text("userns"));
    let cgroupns = typed.text("cgroupns");
    let joins = pid.strip_prefix("container:").is_some_and(|container| !container.is_empty());
    if !matches!(pid, "" | "host") && !joins {
        return Err("--pid: invalid PID mode".to_owned());
    }
    if !matches!(uts, "" | "host") {
        return Err("--uts: invalid UTS mode".to_owned());
    }
    if !matches!(userns, "" | "host") {
        return Err("--userns: invalid USER mode".to_owned());
    }
    if !matches!(cgroupns, "" | "host" | "private") {
        return Err("--cgroupns: invalid CGROUP mode".to_owned());
    }
    let host = &mut wish.host;
    host.pid_mode = pid.to_owned();
    host.uts_mode = uts.to_owned();
    host.userns_mode = userns.to_owned();
    host.cgroupns_mode = cgroupns.to_owned();
    host.ipc_mode = typed.text("ipc").to_owned();
    host.isolation = typed.text("isolation").to_owned();
    Ok(())
}
