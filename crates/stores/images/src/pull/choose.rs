//! What a document of a registry is, and which entry of an index fits. Pure.

use oci_spec::image::{Descriptor, Index, Manifest, Platform, media_type};
use reference::Reference;
use serde_json::Value;

use super::PullError;
use crate::registry::Document;

/// A document, read.
pub(super) enum Content {
    Manifest(Box<Manifest>),
    Index(Index),
}

/// Tells by its media type what a document is, or by its fields if a server says nothing of use.
pub(super) fn read(document: &Document, reference: &Reference) -> Result<Content, PullError> {
    let value: Value = serde_json::from_slice(&document.bytes).map_err(PullError::Document)?;
    let own = value["mediaType"].as_str();
    let kind = match document.media_type.as_str() {
        "" | "application/json" | "application/octet-stream" | "text/plain" => own.unwrap_or_default(),
        told => told,
    };
    match kind {
        media_type::DOCKER_MANIFEST | media_type::OCI_MANIFEST => manifest(value),
        media_type::DOCKER_LIST | media_type::OCI_INDEX => index(value),
        media_type::DOCKER_SCHEMA1 | media_type::DOCKER_SCHEMA1_SIGNED => {
            Err(PullError::TooOld(reference.clone()))
        }
        "" if value.get("fsLayers").is_some() => Err(PullError::TooOld(reference.clone())),
        "" if value.get("manifests").is_some() => index(value),
        "" if value.get("config").is_some() => manifest(value),
        "" => Err(PullError::Format),
        other => Err(PullError::MediaType(other.to_owned())),
    }
}

fn manifest(value: Value) -> Result<Content, PullError> {
    // What calls itself a manifest and lists manifests would be two things at once.
    if value.get("manifests").is_some() || value.get("fsLayers").is_some() {
        return Err(PullError::Format);
    }
    let manifest: Manifest = serde_json::from_value(value).map_err(PullError::Document)?;
    match manifest.schema_version {
        2 => Ok(Content::Manifest(Box::new(manifest))),
        _ => Err(PullError::Format),
    }
}

fn index(value: Value) -> Result<Content, PullError> {
    if value.get("config").is_some() || value.get("layers").is_some() || value.get("fsLayers").is_some() {
        return Err(PullError::Format);
    }
    serde_json::from_value(value).map(Content::Index).map_err(PullError::Document)
}

/// The entry that fits a platform best; of equals the first.
pub(super) fn best<'a>(index: &'a Index, wanted: &Platform) -> Option<&'a Descriptor> {
    index
        .manifests
        .iter()
        .filter(|entry| {
            matches!(
                entry.media_type.as_str(),
                media_type::DOCKER_MANIFEST
                    | media_type::OCI_MANIFEST
                    | media_type::DOCKER_LIST
                    | media_type::OCI_INDEX
            )
        })
        .filter_map(|entry| Some((wanted.rank(entry.platform.as_ref()?)?, entry)))
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, entry)| entry)
}

/// Refuses a config that is no image's.
pub(super) fn check_config_type(media_type: &str) -> Result<(), PullError> {
    match media_type {
        media_type::DOCKER_CONFIG
        | media_type::OCI_CONFIG
        | "application/octet-stream"
        | "application/json"
        | "text/html"
        | "" => Ok(()),
        "application/vnd.docker.plugin.v1+json" => {
            Err(PullError::Class { media_type: media_type.to_owned(), class: "plugin" })
        }
        // Of OCI's kinds Docker looks at the prefix only, later.
        other => check_media_type(other),
    }
}

/// Refuses what belongs to no image.
pub(super) fn check_media_type(media_type: &str) -> Result<(), PullError> {
    let lower = media_type.to_ascii_lowercase();
    if lower.starts_with("application/vnd.docker.ai.") {
        return Err(PullError::Model);
    }
    let is_image = |prefix: &str| {
        lower == prefix || lower.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.'))
    };
    let is_plain =
        matches!(lower.as_str(), "" | "application/octet-stream" | "application/json" | "text/html");
    match is_plain || is_image("application/vnd.oci.image") || is_image("application/vnd.docker") {
        true => Ok(()),
        false => Err(PullError::MediaType(media_type.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(media_type: &str, text: &str) -> Document {
        Document { media_type: media_type.to_owned(), bytes: text.as_bytes().to_vec() }
    }

    fn outcome(media_type: &str, text: &str) -> String {
        match read(&document(media_type, text), &Reference::parse("x:1").unwrap()) {
            Ok(Content::Manifest(_)) => "manifest".to_owned(),
            Ok(Content::Index(_)) => "index".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn documents_are_told_apart() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let manifest =
            format!(r#"{{"schemaVersion":2,"config":{{"digest":"{digest}","size":1}},"layers":[]}}"#);
        assert_eq!(outcome(media_type::OCI_MANIFEST, &manifest), "manifest");
        assert_eq!(outcome("", &manifest), "manifest");
        assert_eq!(outcome("application/json", r#"{"schemaVersion":2,"manifests":[]}"#), "index");
        assert_eq!(
            outcome(media_type::OCI_MANIFEST, r#"{"schemaVersion":2,"manifests":[]}"#),
            "unsupported manifest format"
        );
        assert!(outcome(media_type::DOCKER_SCHEMA1_SIGNED, "{}").starts_with("Docker Image Format v1"));
        assert!(outcome("", r#"{"fsLayers":[]}"#).contains("docker.io/library/x:1"));
        assert_eq!(
            outcome("application/vnd.cncf.helm", "{}"),
            "unsupported media type application/vnd.cncf.helm"
        );
        assert_eq!(outcome("", "[1]"), "unsupported manifest format");
    }

    #[test]
    fn only_images_are_taken() {
        assert!(check_media_type("application/vnd.oci.image.layer.v1.tar+gzip").is_ok());
        assert!(check_media_type("application/vnd.oci.images_are_fun").is_err());
        assert_eq!(
            check_media_type("application/vnd.docker.ai.gguf").unwrap_err().kind(),
            crate::ErrorKind::Invalid
        );
        assert_eq!(
            check_config_type("application/vnd.docker.plugin.v1+json").unwrap_err().to_string(),
            "Encountered remote \"application/vnd.docker.plugin.v1+json\"(plugin) when fetching"
        );
    }
}
