//! What is mounted into a container, in order: the kernel's file systems, the user's mounts, the name files. Pure.

use oci_spec::runtime::Mount;

use super::Facts;
use crate::container::intent::{Intent, MountIntent, MountSource};
use crate::container::security::Security;

/// A tmpfs option that none is. The text is Docker's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid tmpfs option [{0:?}]")]
pub(crate) struct TmpfsError(String);

/// Files that the engine writes for each container.
const NAME_FILES: [&str; 3] = ["resolv.conf", "hostname", "hosts"];

pub(super) fn plan(
    intent: &Intent,
    facts: &Facts<'_>,
    security: &Security,
) -> Result<Vec<Mount>, TmpfsError> {
    let mut own: Vec<Mount> = intent.mounts.iter().map(plan_one).collect::<Result<_, _>>()?;
    for (target, options) in intent.host_config.tmpfs.iter().flatten() {
        own.push(tmpfs(&crate::container::mounts::clean(target), options)?);
    }
    // Outer folders before inner ones.
    own.sort_by_key(|mount| mount.destination.matches('/').count());
    let mut all = plan_kernel(intent, facts, security, &own);
    let files = plan_name_files(intent, facts, &own);
    all.extend(own);
    all.extend(files);
    Ok(all)
}

/// `shared` and `slave` mounts only work below a root that passes events on.
pub(super) fn root_propagation(intent: &Intent) -> String {
    let wanted = intent.mounts.iter().filter_map(|mount| match &mount.what {
        MountSource::Bind(bind) => Some(bind.propagation.as_str()),
        _ => None,
    });
    let mut root = "";
    for propagation in wanted {
        match propagation {
            "shared" | "rshared" => root = "shared",
            "slave" | "rslave" if root.is_empty() => root = "rslave",
            _ => {}
        }
    }
    root.to_owned()
}

fn plan_kernel(intent: &Intent, facts: &Facts<'_>, security: &Security, own: &[Mount]) -> Vec<Mount> {
    let host_config = &intent.host_config;
    let writable_cgroups = security.writable_cgroups.unwrap_or(host_config.privileged);
    let access = |writable: bool| if writable { "rw" } else { "ro" };
    let covered = |target: &str| {
        own.iter().any(|mount| mount.destination == target)
            || (target.starts_with("/dev/") && own.iter().any(|mount| mount.destination == "/dev"))
    };
    let mut all = vec![
        mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", access(host_config.privileged)]),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &[access(writable_cgroups), "nosuid", "noexec", "nodev"]),
        mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
    ];
    all.extend(shared_memory(intent, facts));
    all.retain(|mount| !covered(&mount.destination));
    all
}

fn shared_memory(intent: &Intent, facts: &Facts<'_>) -> Option<Mount> {
    let target = "/dev/shm";
    match (intent.host_config.ipc_mode.as_str(), facts.shared_memory) {
        ("none", _) => None,
        (_, Some(folder)) => Some(mount(
            target,
            "bind",
            &folder.to_string_lossy(),
            &["rbind", "rprivate", "nosuid", "noexec", "nodev"],
        )),
        _ => {
            let size = format!("size={}", intent.host_config.shm_size);
            Some(mount(target, "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", &size]))
        }
    }
}

fn plan_name_files(intent: &Intent, facts: &Facts<'_>, own: &[Mount]) -> Vec<Mount> {
    let access = if intent.host_config.readonly_rootfs { "ro" } else { "rw" };
    let files = NAME_FILES.iter().filter_map(|file| {
        let target = format!("/etc/{file}");
        let covered = own.iter().any(|mount| mount.destination == target);
        let source = facts.name_files.join(file);
        (!covered).then(|| mount(&target, "bind", &source.to_string_lossy(), &["rbind", "rprivate", access]))
    });
    files.collect()
}

fn plan_one(wanted: &MountIntent) -> Result<Mount, TmpfsError> {
    let target = &wanted.destination;
    let read_only = |shallow: bool| match (wanted.writable, shallow) {
        (true, _) => "rw",
        (false, true) => "ro",
        (false, false) => "rro",
    };
    Ok(match &wanted.what {
        MountSource::Tmpfs(options) => tmpfs(target, options)?,
        MountSource::Bind(bind) => {
            let how = if bind.non_recursive { "bind" } else { "rbind" };
            mount(target, "bind", &bind.source, &[how, &bind.propagation, read_only(bind.shallow_read_only)])
        }
        MountSource::Volume(volume) => {
            mount(target, "bind", &volume.source, &["rbind", "rprivate", read_only(false)])
        }
    })
}

fn tmpfs(target: &str, options: &str) -> Result<Mount, TmpfsError> {
    let mut words = vec!["noexec", "nosuid", "nodev", "rprivate"];
    for word in options.split(',').filter(|word| !word.is_empty()) {
        check_tmpfs_option(word)?;
        words.push(word);
    }
    Ok(mount(target, "tmpfs", "tmpfs", &words))
}

fn check_tmpfs_option(word: &str) -> Result<(), TmpfsError> {
    const FLAGS: [&str; 31] = [
        "ro",
        "rw",
        "suid",
        "nosuid",
        "dev",
        "nodev",
        "exec",
        "noexec",
        "sync",
        "async",
        "dirsync",
        "remount",
        "mand",
        "nomand",
        "atime",
        "noatime",
        "diratime",
        "nodiratime",
        "bind",
        "rbind",
        "unbindable",
        "runbindable",
        "private",
        "rprivate",
        "shared",
        "rshared",
        "slave",
        "rslave",
        "relatime",
        "norelatime",
        "strictatime",
    ];
    const VALUES: [&str; 7] = ["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"];
    let known = match word.split_once('=') {
        Some((name, _)) => VALUES.contains(&name),
        None => FLAGS.contains(&word) || ["defaults", "nostrictatime"].contains(&word),
    };
    if known { Ok(()) } else { Err(TmpfsError(word.to_owned())) }
}

fn mount(target: &str, kind: &str, source: &str, options: &[&str]) -> Mount {
    Mount {
        destination: target.to_owned(),
        kind: kind.to_owned(),
        source: source.to_owned(),
        options: options.iter().filter(|word| !word.is_empty()).map(|&word| word.to_owned()).collect(),
        ..Mount::default()
    }
}
