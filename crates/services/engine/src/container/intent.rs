//! What a container is meant to be: the record in table `containers`, and the record of its life in table `lives`.

use std::collections::BTreeMap;
use std::time::SystemTime;

use engine_api::container::{ContainerConfig, HostConfig};
use engine_api::network::EndpointSettings;
use serde::{Deserialize, Serialize};
use units::restart::RestartPolicy;

use super::life::{Past, Phase, Rules};
use crate::network::Reservation;

/// Table of [`Intent`], by id.
pub(crate) const CONTAINERS: &str = "containers";
/// Table of [`LifeRecord`], by id.
pub(crate) const LIVES: &str = "lives";

/// A container as it was asked for, with every default filled in and everything validated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Intent {
    /// 64 hexadecimal digits.
    pub(crate) id: String,
    /// Without the slash.
    pub(crate) name: String,
    pub(crate) created: SystemTime,
    /// `sha256:…` of the image's config; empty for a container without image.
    pub(crate) image_id: String,
    /// Program and arguments: entrypoint and command put together.
    pub(crate) command: Vec<String>,
    /// As `inspect` shows it.
    pub(crate) config: ContainerConfig,
    /// As `inspect` shows it.
    pub(crate) host_config: HostConfig,
    /// `NetworkingConfig` as asked for, by network name.
    pub(crate) endpoints: BTreeMap<String, EndpointSettings>,
    pub(crate) mounts: Vec<MountIntent>,
}

/// Something that is mounted into a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MountIntent {
    /// Clean and absolute, inside the container.
    pub(crate) destination: String,
    pub(crate) writable: bool,
    /// The third part of `-v`, as `inspect` shows it.
    #[serde(default)]
    pub(crate) mode: String,
    pub(crate) what: MountSource,
}

/// Where its content comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MountSource {
    Bind(BindMount),
    Volume(VolumeMount),
    /// With mount options, joined by commas.
    Tmpfs(String),
}

/// A folder or file of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BindMount {
    pub(crate) source: String,
    /// `rprivate`, `rslave`, …
    pub(crate) propagation: String,
    /// Whether a missing source is made, as `-v` does and `--mount` does not.
    pub(crate) create_source: bool,
    /// Without what is mounted below the source.
    #[serde(default)]
    pub(crate) non_recursive: bool,
    /// Read-only for the mount itself only.
    #[serde(default)]
    pub(crate) shallow_read_only: bool,
}

/// A named or anonymous volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VolumeMount {
    pub(crate) name: String,
    pub(crate) driver: String,
    /// Where its data lies on the host.
    pub(crate) source: String,
    pub(crate) propagation: String,
    /// Whether it was made for this container alone and goes with it.
    pub(crate) anonymous: bool,
    /// Whether it takes over what the image has at the destination.
    pub(crate) copy: bool,
    /// Only this folder of it.
    #[serde(default)]
    pub(crate) subpath: String,
}

/// What must survive of a life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LifeRecord {
    pub(crate) wanted: Wanted,
    pub(crate) past: Past,
    /// What it has of the network while it runs, so that a restarted daemon can show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) network: Option<Reservation>,
}

/// What the container shall be doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Wanted {
    /// Nothing yet: it was never started.
    Created,
    /// Run: a launch was begun, or the policy is about to begin one.
    Running,
    /// Nothing any more.
    Stopped,
}

impl LifeRecord {
    pub(crate) fn new(phase: &Phase, past: &Past, network: &Reservation) -> Self {
        let wanted = match phase {
            Phase::Created => Wanted::Created,
            Phase::Starting { .. }
            | Phase::Running(_)
            | Phase::Paused(_)
            | Phase::Waiting
            | Phase::Unknown { process: Some(_), .. } => Wanted::Running,
            Phase::Exited
            | Phase::Removing
            | Phase::Dead
            | Phase::Removed
            | Phase::Unknown { process: None, .. } => Wanted::Stopped,
        };
        let network = (wanted == Wanted::Running).then(|| network.clone());
        Self { wanted, past: past.clone(), network }
    }
}

impl Intent {
    /// The first twelve digits, as `ps` and host names show them.
    pub(crate) fn short_id(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }

    pub(crate) fn has_terminal(&self) -> bool {
        self.config.tty
    }

    /// What its settings say about its ends.
    pub(crate) fn rules(&self) -> Rules {
        let policy = &self.host_config.restart_policy;
        let restart = RestartPolicy::from_wire(&policy.name, policy.maximum_retry_count).unwrap_or_default();
        Rules { restart, auto_remove: self.host_config.auto_remove }
    }

    /// Names of the volumes it mounts.
    pub(crate) fn volumes(&self) -> impl Iterator<Item = &VolumeMount> {
        self.mounts.iter().filter_map(|mount| match &mount.what {
            MountSource::Volume(volume) => Some(volume),
            _ => None,
        })
    }
}
