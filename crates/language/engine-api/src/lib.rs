//! Docker Engine API requests, answers, errors and versions, defined once for daemon, client and tests; knows no HTTP.
//!
//! One module per family of the Engine API document (1.51). Names are the document's; where the document and
//! Docker 28.5 disagree, Docker is followed. What Go writes as `null`, `[]` or `{}` matters to clients, so:
//!
//! - `Option<Vec<_>>` and `Option<BTreeMap<..>>` are Go's slices and maps: `None` is written as `null`;
//! - a plain `Vec` or `BTreeMap` is never `null` in Docker's answers;
//! - fields that Go omits when empty carry `skip_serializing_if`;
//! - unknown fields are ignored, as Go does.
//!
//! Read requests and answers with [`json::decode`], which accepts `null` for every field, matches names without
//! regard to case, and speaks of wrong types in the words of Docker. Write with `serde_json`.

pub mod auth;
pub mod container;
pub mod error;
pub mod event;
pub mod exec;
pub mod filters;
pub mod image;
pub mod json;
pub mod mount;
pub mod network;
pub mod progress;
pub mod system;
pub mod version;
pub mod volume;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Text by text, sorted by key as Go writes maps: labels, options, annotations.
pub type StringMap = BTreeMap<String, String>;

/// A set in Go's clothes, `map[string]struct{}`: exposed ports, volumes.
pub type StringSet = BTreeMap<String, Empty>;

/// `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// True for Go's zero value; what `omitempty` leaves out.
fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// True for an absent or empty list or map: what `omitempty` leaves out.
fn is_empty<T: Sized>(value: &Option<T>) -> bool
where
    for<'a> &'a T: IntoIterator,
{
    value.as_ref().is_none_or(|some| some.into_iter().next().is_none())
}

/// An OCI content descriptor as it appears in image and container answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Descriptor {
    /// Media type of the content.
    pub media_type: String,
    /// Digest of the content.
    pub digest: String,
    /// Size in bytes.
    pub size: i64,
    /// Other places to find the content.
    #[serde(skip_serializing_if = "is_zero")]
    pub urls: Vec<String>,
    /// Free annotations.
    #[serde(skip_serializing_if = "is_zero")]
    pub annotations: StringMap,
    /// The content itself in base64, if embedded.
    #[serde(skip_serializing_if = "is_zero")]
    pub data: String,
    /// The platform of the content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Type of an artefact.
    #[serde(skip_serializing_if = "is_zero")]
    pub artifact_type: String,
}

/// An OCI platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Platform {
    /// `amd64`, `arm64`, …
    pub architecture: String,
    /// `linux`.
    pub os: String,
    /// Version of the operating system.
    #[serde(rename = "os.version", skip_serializing_if = "is_zero")]
    pub os_version: String,
    /// Required features of the operating system.
    #[serde(rename = "os.features", skip_serializing_if = "is_zero")]
    pub os_features: Vec<String>,
    /// Variant of the processor, such as `v7`.
    #[serde(skip_serializing_if = "is_zero")]
    pub variant: String,
}
