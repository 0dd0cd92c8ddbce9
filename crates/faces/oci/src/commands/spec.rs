//! `spec`: a document to begin with.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use runtime::error::reason;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Arguments, Command};
use crate::grammar::{Asked, Grammar, switch, text};
use crate::{Failure, globals};

pub(crate) static COMMAND: Command = Command {
    name: "spec",
    help: "create a new specification file",
    usage: "",
    grammar: Grammar {
        flags: &[
            text(&["bundle", "b"], "path to the root of the bundle directory"),
            switch(&["rootless"], "generate a configuration for a rootless container"),
        ],
        stops_at_word: false,
    },
    arguments: Arguments::Exactly(0),
    run: |_, asked, _| spec(asked),
};

fn spec(asked: &Asked) -> Result<u8, Failure> {
    let folder = globals::absolute(Path::new(asked.text("bundle").unwrap_or(".")))?;
    let path = folder.join("config.json");
    if path.exists() {
        return Err(Failure::new("File config.json exists. Remove it first"));
    }
    let is_unified = cgroup::Layout::detect()?.version == cgroup::Version::V2;
    let document = if asked.is_on("rootless") {
        let ids = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        rootless(usual(is_unified), ids)
    } else {
        usual(is_unified)
    };
    let mut bytes = Vec::new();
    let layout = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    document.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, layout))?;
    let failed = |cause: std::io::Error| Failure::new(format!("open {}: {}", path.display(), reason(&cause)));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(failed)?;
    file.write_all(&bytes).map_err(failed)?;
    Ok(0)
}

/// What runc writes.
fn usual(is_unified: bool) -> Value {
    let capabilities = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
    let mut namespaces = vec!["pid", "network", "ipc", "uts", "mount"];
    if is_unified {
        namespaces.push("cgroup");
    }
    let namespaces: Vec<_> = namespaces.iter().map(|kind| json!({"type": kind})).collect();
    let mount = |destination: &str, kind: &str, source: &str, options: &[&str]| {
        let mut mount = json!({"destination": destination, "type": kind, "source": source});
        if !options.is_empty() {
            mount["options"] = json!(options);
        }
        mount
    };
    json!({
        "ociVersion": oci_spec::runtime::OCI_VERSION,
        "process": {
            "terminal": true,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {
                "bounding": capabilities, "effective": capabilities, "permitted": capabilities,
            },
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": true,
        },
        "root": {"path": "rootfs", "readonly": true},
        "hostname": "runc",
        "mounts": [
            mount("/proc", "proc", "proc", &[]),
            mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount("/dev/pts", "devpts", "devpts",
                &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
            mount("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
            mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
            mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
            mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]),
        ],
        "linux": {
            "resources": {"devices": [{"allow": false, "access": "rwm"}]},
            "namespaces": namespaces,
            "maskedPaths": ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    })
}

/// The same for a caller without privileges: in a user namespace where it is root, on the host's network.
fn rootless(mut document: Value, (uid, gid): (u32, u32)) -> Value {
    if let Some(mounts) = document["mounts"].as_array_mut() {
        for mount in mounts {
            if mount["destination"] == "/sys" {
                *mount = json!({
                    "destination": "/sys", "type": "none", "source": "/sys",
                    "options": ["rbind", "nosuid", "noexec", "nodev", "ro"],
                });
            } else if let Some(options) = mount.get_mut("options").and_then(Value::as_array_mut) {
                let is_id = |option: &Value| {
                    option.as_str().is_some_and(|text| text.starts_with("gid=") || text.starts_with("uid="))
                };
                options.retain(|option| !is_id(option));
            }
        }
    }
    let linux = &mut document["linux"];
    if let Some(namespaces) = linux["namespaces"].as_array_mut() {
        namespaces.retain(|namespace| namespace["type"] != "network");
        namespaces.push(json!({"type": "user"}));
    }
    let mapping = |id: u32| json!([{"containerID": 0, "hostID": id, "size": 1}]);
    linux["uidMappings"] = mapping(uid);
    linux["gidMappings"] = mapping(gid);
    if let Some(fields) = linux.as_object_mut() {
        fields.shift_remove("resources");
    }
    document
}

#[cfg(test)]
mod tests {
    use container::Bundle;

    use super::*;

    #[test]
    fn what_is_written_can_be_run() {
        for document in [usual(false), usual(true), rootless(usual(true), (1000, 100))] {
            let bundle = Bundle::parse(Path::new("/b"), serde_json::to_vec(&document).unwrap()).unwrap();
            assert!(bundle.spec.extra.is_empty());
            assert_eq!(bundle.rootfs(), Path::new("/b/rootfs"));
        }
    }

    #[test]
    fn without_privileges_there_is_a_user_namespace_and_no_network_namespace() {
        let document = rootless(usual(false), (1000, 100));
        let kinds: Vec<_> = document["linux"]["namespaces"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["type"].clone())
            .collect();
        assert_eq!(kinds, ["pid", "ipc", "uts", "mount", "user"]);
        assert_eq!(document["linux"]["gidMappings"][0]["hostID"], 100);
        assert!(document["linux"].get("resources").is_none());
        assert!(!document.to_string().contains("gid=5"));
    }
}
