//! `images`, `image inspect`, `history`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use engine_api::StringMap;
use engine_api::container::DriverData;
use engine_api::filters::Filters;
use engine_api::image::{HistoryItem, ImageConfig, ImageInspect, ImageMetadata, ImageSummary, RootFs};
use images::{Image, ResolveError};
use regex_lite::Regex;
use units::time;

use super::ImageListOptions;
use crate::Engine;
use crate::engine::Shared;
use crate::error::{Error, Explain, Kind};

/// The filters of `GET /images/json`.
const FILTERS: [&str; 7] = ["dangling", "label", "label!", "before", "since", "reference", "until"];

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
        let image = self.shared.images.resolve(name)?;
        Ok(inspect(&self.shared, &image))
    }

    /// `GET /images/{name}/history`: newest first.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn image_history(&self, name: &str) -> Result<Vec<HistoryItem>, Error> {
        let image = self.shared.images.resolve(name)?;
        let steps = image.history().map_err(|error| Error::system(error.to_string()))?;
        let item = |step: images::HistoryStep| HistoryItem {
            comment: step.comment,
            created: step.created.map_or(0, time::unix_seconds),
            created_by: step.created_by,
            id: step.id.map_or_else(|| "<missing>".to_owned(), |id| id.to_string()),
            size: signed(step.size),
            tags: (!step.tags.is_empty()).then_some(step.tags),
        };
        Ok(steps.into_iter().map(item).collect())
    }
}

fn list(shared: &Shared, options: &ImageListOptions) -> Result<Vec<ImageSummary>, Error> {
    let wanted = Wanted::read(shared, &options.filters)?;
    let users = options.shared_size.then(|| uses(shared));
    let mut images: Vec<Arc<Image>> =
        shared.images.list().into_iter().filter(|image| wanted.takes(image, options.all, shared)).collect();
    images.sort_by_key(|image| std::cmp::Reverse(image.created()));
    Ok(images.iter().map(|image| summary(image, &wanted, users.as_ref())).collect())
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
    until: Option<SystemTime>,
    references: Vec<Regex>,
}

impl<'a> Wanted<'a> {
    fn read(shared: &Shared, filters: &'a Filters) -> Result<Wanted<'a>, Error> {
        filters.validate(&FILTERS)?;
        let dangling = filters.contains("dangling").then(|| filters.flag("dangling", false)).transpose()?;
        let moment = |name: &str| -> Result<Option<SystemTime>, Error> {
            let Some(text) = filters.get(name).next() else { return Ok(None) };
            Ok(shared.images.resolve(text)?.created())
        };
        let until = match filters.get("until").next() {
            Some(text) => crate::moment::parse(text)?,
            None => None,
        };
        let references = filters.get("reference").map(reference_pattern).collect::<Result<_, _>>()?;
        Ok(Wanted {
            filters,
            dangling,
            before: moment("before")?,
            since: moment("since")?,
            until,
            references,
        })
    }

    fn takes(&self, image: &Image, all: bool, shared: &Shared) -> bool {
        let created = image.created().unwrap_or(SystemTime::UNIX_EPOCH);
        let is_dangling = image.names().is_empty();
        // What only serves as another image's parent is shown on demand.
        if is_dangling && !all && self.dangling != Some(true) && has_children(shared, image) {
            return false;
        }
        let labels = labels(image);
        self.dangling.is_none_or(|dangling| dangling == is_dangling)
            && self.before.is_none_or(|before| created < before)
            && self.since.is_none_or(|since| created > since)
            && self.until.is_none_or(|until| created <= until)
            && self.filters.labels("label", &labels)
            && !(self.filters.contains("label!") && self.filters.labels("label!", &labels))
            && (self.references.is_empty() || image.names().iter().any(|name| self.names(name)))
    }

    fn names(&self, name: &reference::Reference) -> bool {
        self.references.is_empty()
            || self
                .references
                .iter()
                .any(|pattern| pattern.is_match(&name.familiar()) || pattern.is_match(&name.familiar_name()))
    }
}

fn has_children(shared: &Shared, image: &Image) -> bool {
    shared.images.list().iter().any(|other| other.parent() == Some(image.id()))
}

/// Go's `path.Match`: `*` and `?` stop at a slash.
fn reference_pattern(text: &str) -> Result<Regex, Error> {
    let mut pattern = String::from("^");
    for character in text.chars() {
        match character {
            '*' => pattern.push_str("[^/]*"),
            '?' => pattern.push_str("[^/]"),
            '[' | ']' | '-' => pattern.push(character),
            other => pattern.push_str(&regex_lite::escape(&other.to_string())),
        }
    }
    pattern.push('$');
    Regex::new(&pattern).map_err(|_| Error::invalid("syntax error in pattern"))
}

fn summary(image: &Image, wanted: &Wanted<'_>, uses: Option<&HashMap<String, i64>>) -> ImageSummary {
    let names = || image.names().iter().filter(|name| wanted.names(name));
    ImageSummary {
        containers: uses.map_or(-1, |uses| uses.get(image.id().as_str()).copied().unwrap_or(0)),
        created: image.created().map_or(0, time::unix_seconds),
        id: image.id().to_string(),
        labels: Some(labels(image)).filter(|labels| !labels.is_empty()),
        parent_id: image.parent().map(ToString::to_string).unwrap_or_default(),
        descriptor: None,
        repo_digests: names().filter(|name| name.digest().is_some()).map(|name| name.familiar()).collect(),
        repo_tags: names().filter(|name| name.digest().is_none()).map(|name| name.familiar()).collect(),
        shared_size: -1,
        size: signed(image.size()),
    }
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
    ImageInspect {
        id: image.id().to_string(),
        repo_tags: image.repo_tags(),
        repo_digests: image.repo_digests(),
        parent: image.parent().map(ToString::to_string).unwrap_or_default(),
        comment: written.comment.clone(),
        created: written.created.clone().unwrap_or_default(),
        docker_version: written.docker_version.clone(),
        author: written.author.clone(),
        architecture: written.architecture.clone(),
        variant: written.variant.clone(),
        os: written.os.clone(),
        os_version: String::new(),
        size: signed(image.size()),
        graph_driver: graph_driver(shared, image),
        root_fs: RootFs {
            kind: "layers".to_owned(),
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
    let folder = |id: &reference::Digest| {
        shared.config.data_root.join("overlay2").join(id.hex()).join("diff").to_string_lossy().into_owned()
    };
    let mut layers = image.config().diff_ids().iter().rev().map(folder);
    let mut data = StringMap::new();
    if let Some(top) = layers.next() {
        data.insert("UpperDir".to_owned(), top);
    }
    let lower: Vec<String> = layers.collect();
    if !lower.is_empty() {
        data.insert("LowerDir".to_owned(), lower.join(":"));
    }
    DriverData { name: "overlay2".to_owned(), data: Some(data) }
}

fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
