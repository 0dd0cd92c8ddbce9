//! `setup`: installs what the tests need and this machine lacks. Debian packages; quick when nothing is missing.

use anyhow::{Result, bail};

use crate::{project, vm};

/// Programs that tests start, and the Debian packages that bring them.
const NEEDS: &[(&str, &str)] = &[
    ("docker", "docker.io"),
    ("docker-registry", "docker-registry"),
    ("runc", "runc"),
    ("busybox", "busybox-static"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("iptables", "iptables"),
    ("ping", "iputils-ping"),
    ("curl", "curl"),
    ("strace", "strace"),
    ("skopeo", "skopeo"),
    ("jq", "jq"),
    ("column", "bsdextrautils"),
    ("capsh", "libcap2-bin"),
    ("setfattr", "attr"),
    ("mkfs.ext4", "e2fsprogs"),
    ("unshare", "util-linux"),
    ("ps", "procps"),
    ("cc", "gcc"),
];

/// What the virtual machine takes (`setup --vm`).
const MACHINE: &[(&str, &str)] =
    &[("qemu-system-x86_64", "qemu-system-x86"), ("debootstrap", "debootstrap"), ("strip", "binutils")];

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    match arguments {
        [] => install(NEEDS),
        [word] if word == "--vm" => {
            install(NEEDS)?;
            install(MACHINE)?;
            vm::ensure_image()
        }
        _ => bail!("usage: cargo xtask setup [--vm]"),
    }
}

fn install(needs: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<&str> =
        needs.iter().filter(|(program, _)| !is_there(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !project::has("apt-get") {
        bail!("install these packages (there is no apt-get here): {}", missing.join(" "));
    }
    println!("installing {}", missing.join(" "));
    let install = ["install", "-y", "-q", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"];
    let arguments: Vec<&str> = install.into_iter().chain(missing).collect();
    let quiet = |arguments: &[&str]| {
        let mut command = project::command("apt-get", arguments);
        project::finish(command.env("DEBIAN_FRONTEND", "noninteractive"))
    };
    // The lists of packages may be old or absent: only a second failure is one.
    quiet(&arguments).or_else(|_| quiet(&["update", "-q"]).and_then(|()| quiet(&arguments)))
}

/// A dynamic busybox cannot run in an empty image, so only the static one counts.
fn is_there(program: &str) -> bool {
    let is_static = || std::path::Path::new("/usr/share/doc/busybox-static").exists();
    project::has(program) && (program != "busybox" || is_static())
}
