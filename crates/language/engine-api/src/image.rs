//! Images: inspect, list, history, delete.
#![expect(missing_docs, reason = "the fields are those of the Engine API document, which describes them")]

use crate::container::{DriverData, HealthConfig, StrSlice};
use crate::{Descriptor, StringMap, StringSet, is_empty, is_zero};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;

/// What an image says about running it. Engine API `ImageConfig`; also the `config` member of an OCI image
/// configuration with Docker's additions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageConfig {
    #[serde(skip_serializing_if = "is_zero")]
    pub user: String,
    #[serde(skip_serializing_if = "is_empty")]
    pub exposed_ports: Option<StringSet>,
    #[serde(skip_serializing_if = "is_empty")]
    pub env: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<StrSlice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd: Option<StrSlice>,
    #[serde(skip_serializing_if = "is_empty")]
    pub volumes: Option<StringSet>,
    #[serde(skip_serializing_if = "is_zero")]
    pub working_dir: String,
    #[serde(skip_serializing_if = "is_empty")]
    pub labels: Option<StringMap>,
    #[serde(skip_serializing_if = "is_zero")]
    pub stop_signal: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub args_escaped: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthConfig>,
    #[serde(skip_serializing_if = "is_empty")]
    pub on_build: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<StrSlice>,
}

/// Engine API `ImageInspect.RootFS`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RootFs {
    #[serde(rename = "Type")]
    pub kind: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub layers: Vec<String>,
}

/// Engine API `ImageInspect.Metadata`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageMetadata {
    pub last_tag_time: String,
}

/// Engine API `ImageInspect`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageInspect {
    pub id: String,
    pub repo_tags: Vec<String>,
    pub repo_digests: Vec<String>,
    pub parent: String,
    pub comment: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub created: String,
    pub docker_version: String,
    pub author: String,
    pub architecture: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub variant: String,
    pub os: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub os_version: String,
    pub size: i64,
    pub graph_driver: DriverData,
    #[serde(rename = "RootFS")]
    pub root_fs: RootFs,
    pub metadata: ImageMetadata,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<Descriptor>,
    #[serde(serialize_with = "write_inspected_config")]
    pub config: ImageConfig,
}

/// Writes an inspected image's configuration with the members that Docker shows even when they are not set.
fn write_inspected_config<S: Serializer>(config: &ImageConfig, to: S) -> Result<S::Ok, S::Error> {
    use serde::ser::Error;
    let mut members = BTreeMap::from([("User", Value::from("")), ("WorkingDir", Value::from(""))]);
    for name in ["Cmd", "Entrypoint", "Env", "Labels", "OnBuild", "Volumes"] {
        members.insert(name, Value::Null);
    }
    let written = serde_json::to_value(config).map_err(S::Error::custom)?;
    for (name, value) in written.as_object().into_iter().flatten() {
        members.insert(name, value.clone());
    }
    members.serialize(to)
}

/// Engine API `ImageSummary`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageSummary {
    pub containers: i64,
    pub created: i64,
    pub id: String,
    pub labels: Option<StringMap>,
    pub parent_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<Descriptor>,
    pub repo_digests: Vec<String>,
    pub repo_tags: Vec<String>,
    pub shared_size: i64,
    pub size: i64,
}

/// Engine API `ImageHistoryResponseItem`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HistoryItem {
    pub comment: String,
    pub created: i64,
    pub created_by: String,
    pub id: String,
    pub size: i64,
    pub tags: Option<Vec<String>>,
}

/// Engine API `ImageDeleteResponseItem`: one of the two is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageDeleteItem {
    #[serde(skip_serializing_if = "is_zero")]
    pub deleted: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub untagged: String,
}

/// The answer of `POST /images/prune`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImagePruneResponse {
    pub images_deleted: Option<Vec<ImageDeleteItem>>,
    pub space_reclaimed: u64,
}
