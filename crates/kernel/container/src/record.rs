//! What is written down about a container: `state.json`, with runc's names where others read them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{Linux, State};
use serde::{Deserialize, Serialize};

pub(crate) const STATE: &str = "state.json";
pub(crate) const CONFIG: &str = "config.json";
pub(crate) const GATE: &str = "exec.fifo";

/// The folder that a container sees in `/run/notify`, where its notifications are asked for.
pub const NOTIFY: &str = "notify";

/// What is written down about a container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its name.
    pub id: String,
    /// The first process, in the creator's PID namespace; 0 while there is none yet.
    pub init_process_pid: u32,
    /// Clock ticks since boot at which that began.
    pub init_process_start: u64,
    /// When it was created (RFC 3339, UTC).
    pub created: String,
    /// The version of the specification that its document names.
    pub oci_version: String,
    /// The bundle, absolute.
    pub bundle: PathBuf,
    /// The root file system, absolute.
    pub rootfs: PathBuf,
    /// The annotations of its document.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The folder of its control group by controller (v1), or under the empty name (v2).
    pub cgroup_paths: BTreeMap<String, PathBuf>,
    /// The unit that the group is, where systemd made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup_unit: Option<String>,
    /// What an exec has to know of its document: namespaces, personality and the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linux: Option<Linux>,
    /// Whether it was created to the end; until then its creator is at work, or died at it.
    #[serde(default)]
    pub is_ready: bool,
    /// Whether its processes are in a PID namespace of their own, and so end with the first.
    pub has_own_pid_namespace: bool,
    /// Whether its document has hooks for after its start or its end.
    pub has_late_hooks: bool,
}

/// The document without the long lists that only a create needs: each command reads the record.
pub(crate) fn brief(linux: &Linux) -> Linux {
    let mut brief = Linux {
        sysctl: BTreeMap::new(),
        resources: None,
        devices: Vec::new(),
        net_devices: BTreeMap::new(),
        masked_paths: Vec::new(),
        readonly_paths: Vec::new(),
        ..linux.clone()
    };
    brief.extra.clear();
    // The filter is kept compiled; what remains of it tells of its listener.
    if let Some(seccomp) = &mut brief.seccomp {
        seccomp.syscalls.clear();
        seccomp.architectures.clear();
    }
    brief
}

impl Record {
    /// The state that hooks and others read (OCI runtime-spec, State).
    pub(crate) fn state(&self, status: &str, pid: Option<u32>) -> State {
        State {
            oci_version: self.oci_version.clone(),
            id: self.id.clone(),
            status: status.to_owned(),
            pid,
            bundle: self.bundle.to_string_lossy().into_owned(),
            annotations: self.annotations.clone(),
        }
    }

    /// Writes it beside and renames: readers see the old one or the new one.
    pub(crate) fn write(&self, folder: &Path) -> io::Result<()> {
        let bytes = serde_json::to_vec(self)?;
        let aside = folder.join(".state.json");
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(&bytes)?;
        fs::rename(&aside, folder.join(STATE))
    }
}
