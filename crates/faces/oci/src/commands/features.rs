//! `features`: what this runtime can do (OCI runtime-spec, Features), told by the code that does it.

use std::collections::BTreeMap;

use oci_spec::runtime::OCI_VERSION;
use runtime::hooks::HookKind;
use runtime::seccomp::known;
use serde::Serialize;

use super::{Arguments, Command};
use crate::grammar::Grammar;
use crate::{RUNC_VERSION, output};

pub(crate) static COMMAND: Command = Command {
    name: "features",
    help: "show the enabled features",
    usage: "",
    grammar: Grammar { flags: &[], stops_at_word: false },
    arguments: Arguments::Exactly(0),
    run: |_, _, _| {
        let mut text = Vec::new();
        let layout = serde_json::ser::PrettyFormatter::with_indent(b"    ");
        features().serialize(&mut serde_json::Serializer::with_formatter(&mut text, layout))?;
        text.push(b'\n');
        output::text(&String::from_utf8_lossy(&text));
        Ok(0)
    },
};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Features {
    oci_version_min: &'static str,
    oci_version_max: &'static str,
    hooks: Vec<&'static str>,
    mount_options: Vec<&'static str>,
    linux: Linux,
    annotations: BTreeMap<&'static str, &'static str>,
    potentially_unsafe_config_annotations: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Linux {
    namespaces: Vec<&'static str>,
    capabilities: Vec<String>,
    cgroup: Cgroup,
    seccomp: Seccomp,
    apparmor: Enabled,
    selinux: Enabled,
    intel_rdt: Enabled,
    mount_extensions: MountExtensions,
    net_devices: Enabled,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cgroup {
    v1: bool,
    v2: bool,
    systemd: bool,
    systemd_user: bool,
    rdma: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Seccomp {
    enabled: bool,
    actions: &'static [&'static str],
    operators: &'static [&'static str],
    archs: &'static [&'static str],
    known_flags: Vec<&'static str>,
    supported_flags: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct Enabled {
    enabled: bool,
}

#[derive(Debug, Serialize)]
struct MountExtensions {
    idmap: Enabled,
}

fn features() -> Features {
    let yes = || Enabled { enabled: true };
    Features {
        oci_version_min: "1.0.0",
        oci_version_max: OCI_VERSION,
        hooks: HookKind::ALL.into_iter().map(HookKind::name).collect(),
        mount_options: mount::options::WORDS.to_vec(),
        linux: Linux {
            namespaces: vec!["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"],
            capabilities: runtime::capability::names().collect(),
            cgroup: Cgroup { v1: true, v2: true, systemd: true, systemd_user: false, rdma: true },
            seccomp: Seccomp {
                enabled: true,
                actions: known::actions(),
                operators: known::operators(),
                archs: known::archs(),
                known_flags: known::flags(),
                supported_flags: known::supported_flags(),
            },
            apparmor: yes(),
            selinux: yes(),
            intel_rdt: Enabled { enabled: false },
            mount_extensions: MountExtensions { idmap: yes() },
            net_devices: yes(),
        },
        annotations: BTreeMap::from([
            ("org.opencontainers.runc.version", RUNC_VERSION),
            ("org.opencontainers.runc.commit", "gantry"),
            ("org.opencontainers.runc.checkpoint.enabled", "false"),
        ]),
        potentially_unsafe_config_annotations: vec!["bundle", "org.systemd.property."],
    }
}

#[cfg(test)]
mod tests;
