//! An OCI image layout: `index.json` names manifests, directly or through other indexes, and `blobs/` holds everything.

use std::collections::BTreeMap;

use oci_spec::image::{Descriptor, Index, Manifest, Platform, media_type};
use reference::{Digest, Reference};
use serde::de::DeserializeOwned;

use super::spool::{Range, Spool};
use super::{LoadError, Planned};
use crate::hash::matches;

/// Indexes in indexes that are followed.
const MOST_NESTED: usize = 4;

pub(super) fn plan(
    spool: &Spool,
    index: Range,
    platform: Option<&Platform>,
) -> Result<Vec<Planned>, LoadError> {
    let index: Index = parse("index.json", &spool.document("index.json", index)?)?;
    let wanted = platform.cloned().unwrap_or_else(Platform::host);
    // Entries of one name are one image for several platforms; entries without a name stand for themselves.
    let mut groups: BTreeMap<String, Vec<&Descriptor>> = BTreeMap::new();
    for (at, entry) in index.manifests.iter().enumerate() {
        let key = name_of(entry).map_or_else(|| format!("#{at}"), str::to_owned);
        groups.entry(key).or_default().push(entry);
    }
    let mut planned: Vec<Planned> = Vec::new();
    for entries in groups.values() {
        let Some(manifest) = choose(spool, entries, &wanted, MOST_NESTED)? else { continue };
        let mut image = read_image(spool, &manifest)?;
        image.names.extend(entries.iter().find_map(|entry| name_of(entry)).and_then(reference_of));
        match planned.iter_mut().find(|other| other.bytes == image.bytes) {
            Some(other) => other.names.extend(image.names),
            None => planned.push(image),
        }
    }
    match planned.is_empty() && !index.manifests.is_empty() {
        true => Err(LoadError::Platform(wanted.to_string())),
        false => Ok(planned),
    }
}

/// The best manifest for a platform among descriptors of manifests and of indexes.
fn choose(
    spool: &Spool,
    entries: &[&Descriptor],
    wanted: &Platform,
    depth: usize,
) -> Result<Option<Manifest>, LoadError> {
    let mut candidates: Vec<(usize, &Descriptor)> = entries
        .iter()
        .filter(|entry| entry.annotation("vnd.docker.reference.type").is_none())
        .filter_map(|entry| match &entry.platform {
            Some(platform) => wanted.rank(platform).map(|rank| (rank, *entry)),
            // Without a platform only the config tells.
            None => Some((0, *entry)),
        })
        .collect();
    candidates.sort_by_key(|(rank, _)| *rank);
    for (_, entry) in candidates {
        match entry.media_type.as_str() {
            media_type::OCI_INDEX | media_type::DOCKER_LIST if depth > 0 => {
                let index: Index = blob(spool, &entry.digest)?;
                let inner: Vec<&Descriptor> = index.manifests.iter().collect();
                if let Some(manifest) = choose(spool, &inner, wanted, depth - 1)? {
                    return Ok(Some(manifest));
                }
            }
            media_type::OCI_MANIFEST | media_type::DOCKER_MANIFEST => {
                return blob(spool, &entry.digest).map(Some);
            }
            _ => {}
        }
    }
    Ok(None)
}

fn read_image(spool: &Spool, manifest: &Manifest) -> Result<Planned, LoadError> {
    let digest = &manifest.config.digest;
    let bytes = spool.document(digest.as_str(), spool.locate(&path(digest))?)?;
    if !matches(digest, &bytes) {
        return Err(LoadError::Digest(digest.clone()));
    }
    let layers =
        manifest.layers.iter().map(|layer| spool.locate(&path(&layer.digest))).collect::<Result<_, _>>()?;
    Planned::new(bytes, layers)
}

fn blob<T: DeserializeOwned>(spool: &Spool, digest: &Digest) -> Result<T, LoadError> {
    let bytes = spool.document(digest.as_str(), spool.locate(&path(digest))?)?;
    match matches(digest, &bytes) {
        true => parse(digest.as_str(), &bytes),
        false => Err(LoadError::Digest(digest.clone())),
    }
}

fn parse<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, LoadError> {
    serde_json::from_slice(bytes).map_err(|cause| LoadError::Document { name: name.to_owned(), cause })
}

fn path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}

fn name_of(entry: &Descriptor) -> Option<&str> {
    entry
        .annotation("io.containerd.image.name")
        .or_else(|| entry.annotation("org.opencontainers.image.ref.name"))
}

/// What an annotation names: a whole reference. A bare tag (`latest`) names no repository.
fn reference_of(text: &str) -> Option<Reference> {
    let has_repository = text.contains(['/', ':']);
    Reference::parse(text)
        .ok()
        .filter(|name| has_repository && name.digest().is_none())
        .map(Reference::or_latest)
}
