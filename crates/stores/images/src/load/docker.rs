//! Docker's archive: `manifest.json` lists configs, layers and names.

use reference::{Digest, Reference};
use serde::Deserialize;

use super::spool::{Range, Spool};
use super::{LoadError, Planned};
use crate::blob::digest_of;

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "Config", default)]
    config: String,
    #[serde(rename = "RepoTags", default)]
    names: Option<Vec<String>>,
    #[serde(rename = "Layers", default)]
    layers: Option<Vec<String>>,
    #[serde(rename = "Parent", default)]
    parent: Option<String>,
}

pub(super) fn plan(spool: &Spool, manifest: Range) -> Result<Vec<Planned>, LoadError> {
    let name = "manifest.json";
    let items: Option<Vec<Item>> = serde_json::from_slice(&spool.document(name, manifest)?)
        .map_err(|cause| LoadError::Document { name: name.to_owned(), cause })?;
    let items = items.ok_or(LoadError::NoManifest)?;
    let mut planned = Vec::with_capacity(items.len());
    for item in &items {
        let bytes = spool.document(&item.config, spool.locate(&item.config)?)?;
        let layers = item.layers.iter().flatten().map(|path| spool.locate(path)).collect::<Result<_, _>>()?;
        let mut image = Planned::new(bytes, layers)?;
        for text in item.names.iter().flatten() {
            let name = Reference::parse(text)?;
            if name.tag().is_none() || name.digest().is_some() {
                return Err(LoadError::Tag(text.clone()));
            }
            image.names.push(name);
        }
        planned.push(image);
    }
    for (at, item) in items.iter().enumerate() {
        planned[at].parent = parent_of(&planned, at, item.parent.as_deref());
    }
    Ok(planned)
}

/// The parent that the archive names, if the archive holds it and it can be one: exactly one step less of history.
fn parent_of(planned: &[Planned], at: usize, parent: Option<&str>) -> Option<Digest> {
    let parent = Digest::parse(parent?).ok()?;
    let other = planned.iter().find(|other| digest_of(&other.bytes) == parent)?;
    let (mine, theirs) = (history(&planned[at]), history(other));
    let is_valid =
        mine.len() == theirs.len() + 1 && mine.starts_with(theirs) || mine.is_empty() && theirs.is_empty();
    (is_valid && digest_of(&planned[at].bytes) != parent).then_some(parent)
}

fn history(image: &Planned) -> &[oci_spec::image::History] {
    image.config.history.as_deref().unwrap_or_default()
}
