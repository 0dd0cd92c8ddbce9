//! Descriptors and the two documents made of them. OCI image-spec: descriptor, manifest, index;
//! distribution: schema 2 manifests and manifest lists, which have the same shape.

use std::collections::BTreeMap;

use reference::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Platform;

/// The media types of images, of Docker's first and of OCI's later form.
pub mod media_type {
    /// A list of manifests by platform, Docker's.
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// A manifest, Docker's second schema.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// A manifest of Docker's first schema, no longer read.
    pub const DOCKER_SCHEMA1: &str = "application/vnd.docker.distribution.manifest.v1+json";
    /// The same with a signature, no longer read.
    pub const DOCKER_SCHEMA1_SIGNED: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    /// An image's config, Docker's.
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    /// A gzip layer, Docker's.
    pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    /// A gzip layer that may only be fetched from the URLs that its descriptor names.
    pub const DOCKER_FOREIGN_LAYER: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    /// A list of manifests by platform.
    pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// A manifest.
    pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// An image's config.
    pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// A plain layer.
    pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
}

/// Points at content: what it is, its digest and its length in bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Descriptor {
    /// The content's media type.
    #[serde(rename = "mediaType", default)]
    pub media_type: String,
    /// The content's digest.
    pub digest: Digest,
    /// The content's length in bytes.
    pub size: u64,
    /// Other places that hold the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub urls: Option<Vec<String>>,
    /// Facts about the content, such as `org.opencontainers.image.ref.name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// What the content runs on, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

impl Descriptor {
    /// One of the descriptor's annotations.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(name).map(String::as_str)
    }
}

/// One image for one platform: its config and its layers, lowest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// 2 in every document that this type reads.
    #[serde(rename = "schemaVersion")]
    pub schema_version: u32,
    /// The document's own media type; OCI documents may leave it out.
    #[serde(rename = "mediaType", default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What the manifest is, if it is no image.
    #[serde(rename = "artifactType", default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The image's config.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
    /// Facts about the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// Several manifests, usually one per platform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// 2 in every document that this type reads.
    #[serde(rename = "schemaVersion")]
    pub schema_version: u32,
    /// The document's own media type; OCI documents may leave it out.
    #[serde(rename = "mediaType", default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The manifests, in order of preference.
    #[serde(default)]
    pub manifests: Vec<Descriptor>,
    /// Facts about the index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_keeps_what_it_does_not_know() {
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"c","digest":"sha256:{a}","size":3,"data":"e30="}},
               "layers":[{{"mediaType":"l","digest":"sha256:{a}","size":4,"annotations":{{"k":"v"}}}}],"subject":{{"x":1}}}}"#,
            media_type::OCI_MANIFEST,
            a = "ab".repeat(32),
        );
        let manifest: Manifest = serde_json::from_str(&text).unwrap();
        assert_eq!(manifest.layers[0].annotation("k"), Some("v"));
        assert_eq!(manifest.config.unknown["data"], "e30=");
        let again = serde_json::to_value(&manifest).unwrap();
        assert_eq!(again, serde_json::from_str::<Value>(&text).unwrap());
    }
}
