//! `images`, `image inspect`, `history`.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use engine_api::StringMap;
use engine_api::container::DriverData;
use engine_api::filters::Filters;
use engine_api::image::{HistoryItem, ImageConfig, ImageInspect, ImageMetadata, ImageSummary, RootFs};
use images::{Image, ResolveError};
use reference::{Digest, Reference};
use regex_lite::Regex;
use units::time;

use super::ImageListOptions;
use crate::Engine;
use crate::engine::{Shared, blocking};
use crate::error::{Error, Explain, Kind};

/// The filters of `GET /images/json`.
const FILTERS: [&str; 6] = ["dangling", "label", "before", "since", "reference", "until"];

impl Explain for ResolveError {
    fn kind(&self) -> Kind {
        super::kind(ResolveError::kind(self))
    }
}

impl Engine {
    /// `GET /images/json`: newest first.
    ///
    /// # Errors
    /// `InvalidParameter` for unknown or malformed filters.
    pub async fn image_list(&self, options: ImageListOptions) -> Result<Vec<ImageSummary>, Error> {
        list(&self.shared, &options)
    }

    /// `GET /images/{name}/json`.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn image_inspect(&self, name: &str) -> Result<ImageInspect, Error> {
        let (shared, name) = (self.shared.clone(), name.to_owned());
        // The built-in image is made when it is first asked for.
        blocking(move || Ok(inspect(&shared, shared.images.resolve(&name)?.as_ref()))).await
    }

    /// `GET /images/{name}/history`: newest first.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn image_history(&self, name: &str) -> Result<Vec<HistoryItem>, Error> {
        let (shared, name) = (self.shared.clone(), name.to_owned());
        blocking(move || history(&shared, &shared.images.resolve(&name)?)).await
    }
}

/// What made an image; steps that ended in an image that is here carry its ID and names.
fn history(shared: &Shared, image: &Arc<Image>) -> Result<Vec<HistoryItem>, Error> {
    let steps = image.history().map_err(|error| Error::system(error.to_string()))?;
    let mut made = Some(Arc::clone(image));
    let item = |step: images::HistoryStep| {
        let this = made.take();
        made = this.as_ref().and_then(|image| shared.images.get(image.parent()?));
        let tags = this.as_ref().map(|image| image.repo_tags()).unwrap_or_default();
        HistoryItem {
            comment: step.comment,
            created: step.created.map_or(0, time::unix_seconds),
            created_by: step.created_by,
            id: this.map_or_else(|| "<missing>".to_owned(), |image| image.id().to_string()),
            size: signed(step.size),
            tags: (!tags.is_empty()).then_some(tags),
        }
    };
    Ok(steps.into_iter().map(item).collect())
}

fn list(shared: &Shared, options: &ImageListOptions) -> Result<Vec<ImageSummary>, Error> {
    let wanted = Wanted::read(shared, &options.filters)?;
    let all = shared.images.list();
    let facts = Facts {
        uses: uses(shared),
        parents: all.iter().filter_map(|image| image.parent().cloned()).collect(),
        shares: options.shared_size.then(|| shares(&all)),
    };
    let mut images: Vec<&Arc<Image>> =
        all.iter().filter(|image| wanted.takes(image, options.all, &facts)).collect();
    images.sort_by_key(|image| std::cmp::Reverse(image.created()));
    Ok(images.into_iter().map(|image| summary(image, &wanted, &facts)).collect())
}

/// What one image's line tells of all others.
struct Facts {
    /// Containers by image.
    uses: HashMap<String, i64>,
    /// Images that others were made from.
    parents: HashSet<Digest>,
    /// In how many images each layer lies on the same layers, by chain.
    shares: Option<HashMap<Vec<Digest>, usize>>,
}

/// Counts each stack of layers that an image begins with.
fn shares(images: &[Arc<Image>]) -> HashMap<Vec<Digest>, usize> {
    let mut shares = HashMap::new();
    for image in images {
        let layers = image.config().diff_ids();
        for end in 1..=layers.len() {
            *shares.entry(layers[..end].to_vec()).or_insert(0) += 1;
        }
    }
    shares
}

/// How many containers use each image.
fn uses(shared: &Shared) -> HashMap<String, i64> {
    let mut uses = HashMap::new();
    for view in shared.containers.views() {
        *uses.entry(view.intent.image_id.clone()).or_insert(0) += 1;
    }
    uses
}

/// What the filters of a list ask for.
struct Wanted<'a> {
    filters: &'a Filters,
    dangling: Option<bool>,
    before: Option<SystemTime>,
    since: Option<SystemTime>,
    references: Vec<Regex>,
}

impl<'a> Wanted<'a> {
    fn read(shared: &Shared, filters: &'a Filters) -> Result<Wanted<'a>, Error> {
        filters.validate(&FILTERS)?;
        let dangling = filters.contains("dangling").then(|| filters.flag("dangling", false)).transpose()?;
        let created = |name: &str| -> Result<Vec<SystemTime>, Error> {
            let images = filters.get(name).map(|text| Ok(shared.images.resolve(text)?.created()));
            Ok(images.collect::<Result<Vec<_>, Error>>()?.into_iter().flatten().collect())
        };
        let now = SystemTime::now();
        let until = filters.get("until").map(|text| time::parse_moment(text, now, 0).map_err(Error::system));
        let mut before = created("before")?;
        before.extend(until.collect::<Result<Vec<_>, _>>()?);
        let references = filters.get("reference").map(reference_pattern).collect::<Result<_, _>>()?;
        Ok(Wanted {
            filters,
            dangling,
            // Several values all hold: the narrowest counts.
            before: before.into_iter().min(),
            since: created("since")?.into_iter().max(),
            references,
        })
    }

    fn takes(&self, image: &Image, all: bool, facts: &Facts) -> bool {
        let created = image.created();
        let is_parent = facts.parents.contains(image.id());
        let names: Vec<&Reference> = image.names().iter().filter(|name| self.names(name)).collect();
        let is_tagged = names.iter().any(|name| name.digest().is_none());
        let by_name = match (self.dangling, names.is_empty()) {
            // What only serves as another image's parent is shown on demand.
            (None | Some(false), true) => {
                (all || !is_parent) && self.dangling.is_none() && self.references.is_empty()
            }
            (Some(true), true) => !is_parent && self.references.is_empty(),
            (Some(true), false) => !is_parent && !is_tagged,
            (None | Some(false), false) => true,
        };
        by_name
            && self.before.is_none_or(|before| created.is_some_and(|created| created < before))
            && self.since.is_none_or(|since| created.is_some_and(|created| created > since))
            && self.filters.labels("label", &labels(image))
    }

    fn names(&self, name: &Reference) -> bool {
        self.references.is_empty()
            || self
                .references
                .iter()
                .any(|pattern| pattern.is_match(&name.familiar()) || pattern.is_match(&name.familiar_name()))
    }
}

/// Go's `path.Match`: `*` and `?` stop at a slash.
fn reference_pattern(text: &str) -> Result<Regex, Error> {
    let mut pattern = String::from("^");
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '*' => pattern.push_str("[^/]*"),
            '?' => pattern.push_str("[^/]"),
            '[' | ']' | '-' | '^' => pattern.push(character),
            '\\' => {
                let next = characters.next().ok_or_else(|| Error::invalid("syntax error in pattern"))?;
                pattern.push_str(&regex_lite::escape(&next.to_string()));
            }
            other => pattern.push_str(&regex_lite::escape(&other.to_string())),
        }
    }
    pattern.push('$');
    Regex::new(&pattern).map_err(|_| Error::invalid("syntax error in pattern"))
}

fn summary(image: &Image, wanted: &Wanted<'_>, facts: &Facts) -> ImageSummary {
    let names = || image.names().iter().filter(|name| wanted.names(name));
    ImageSummary {
        containers: facts.uses.get(image.id().as_str()).copied().unwrap_or(0),
        created: image.created().map_or(0, time::unix_seconds),
        id: image.id().to_string(),
        labels: Some(labels(image)).filter(|labels| !labels.is_empty()),
        parent_id: image.parent().map(ToString::to_string).unwrap_or_default(),
        descriptor: None,
        repo_digests: names().filter(|name| name.digest().is_some()).map(|name| name.familiar()).collect(),
        repo_tags: names().filter(|name| name.digest().is_none()).map(|name| name.familiar()).collect(),
        shared_size: facts.shares.as_ref().map_or(-1, |shares| shared_size(image, shares)),
        size: signed(image.size()),
    }
}

/// The bytes of the layers that other images have in the same place.
fn shared_size(image: &Image, shares: &HashMap<Vec<Digest>, usize>) -> i64 {
    let layers = image.config().diff_ids();
    let is_shared = |end: usize| shares.get(&layers[..end]).is_some_and(|count| *count > 1);
    let sizes = image.layer_sizes().iter().enumerate();
    signed(sizes.filter(|(at, _)| is_shared(at + 1)).map(|(_, size)| size).sum())
}

fn labels(image: &Image) -> StringMap {
    config(image).labels.unwrap_or_default()
}

/// The image's defaults as the API shows them; both documents have the same members.
fn config(image: &Image) -> ImageConfig {
    let defaults = image.config().config.as_ref();
    let document = defaults.and_then(|defaults| serde_json::to_value(defaults).ok());
    document.and_then(|document| serde_json::from_value(document).ok()).unwrap_or_default()
}

fn inspect(shared: &Shared, image: &Image) -> ImageInspect {
    let written = image.config();
    let last = written.history.as_ref().and_then(|history| history.last());
    let comment = match written.comment.as_str() {
        "" => last.map(|step| step.comment.clone()).unwrap_or_default(),
        comment => comment.to_owned(),
    };
    ImageInspect {
        id: image.id().to_string(),
        repo_tags: image.repo_tags(),
        repo_digests: image.repo_digests(),
        parent: image.parent().map(ToString::to_string).unwrap_or_default(),
        comment,
        created: image.created().map(time::rfc3339_nano).unwrap_or_default(),
        docker_version: written.docker_version.clone(),
        author: written.author.clone(),
        architecture: written.architecture.clone(),
        variant: written.variant.clone(),
        os: if written.os.is_empty() { "linux".to_owned() } else { written.os.clone() },
        os_version: written.os_version.clone(),
        size: signed(image.size()),
        graph_driver: graph_driver(shared, image),
        root_fs: RootFs {
            kind: written.rootfs.kind.clone(),
            layers: written.diff_ids().iter().map(ToString::to_string).collect(),
        },
        metadata: ImageMetadata {
            last_tag_time: image.tagged_at().map_or_else(|| time::ZERO.to_owned(), time::rfc3339_nano),
        },
        descriptor: None,
        config: config(image),
    }
}

/// Where the topmost layer lies, and those below it.
fn graph_driver(shared: &Shared, image: &Image) -> DriverData {
    let folders = shared.images.layer_folders(image);
    let place = |folder: &Path, name: &str| folder.join(name).to_string_lossy().into_owned();
    let data = folders.split_first().map(|(top, below)| {
        let mut data = StringMap::new();
        for (key, name) in [("MergedDir", "merged"), ("UpperDir", "diff"), ("WorkDir", "work")] {
            data.insert(key.to_owned(), place(top, name));
        }
        if !below.is_empty() {
            let lower: Vec<String> = below.iter().map(|folder| place(folder, "diff")).collect();
            data.insert("LowerDir".to_owned(), lower.join(":"));
        }
        data
    });
    DriverData { name: "overlay2".to_owned(), data }
}

fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
