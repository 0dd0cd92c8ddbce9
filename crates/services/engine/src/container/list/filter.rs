//! Docker's filters for lists of containers. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine_api::filters::Filters;
use units::port;

use super::{ListOptions, shown_ports};
use crate::container::intent::MountSource;
use crate::container::view::View;
use crate::error::Error;
use crate::volume::matches_name;

const KNOWN: [&str; 15] = [
    "ancestor",
    "before",
    "exited",
    "id",
    "isolation",
    "label",
    "name",
    "status",
    "health",
    "since",
    "volume",
    "network",
    "is-task",
    "publish",
    "expose",
];
const STATES: [&str; 7] = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];
const HEALTHS: [&str; 4] = ["none", "starting", "healthy", "unhealthy"];

/// What filters refer to beside the containers themselves.
pub(super) struct Surroundings<'a> {
    /// All containers, newest first.
    pub(super) views: &'a [Arc<View>],
    /// The id of an image by name.
    pub(super) image_id: &'a (dyn Fn(&str) -> Option<String> + Sync),
    /// The id of a container by name.
    pub(super) find: &'a (dyn Fn(&str) -> Result<String, Error> + Sync),
}

/// The filters, understood.
pub(super) struct Filter<'a> {
    filters: &'a Filters,
    all: bool,
    limit: usize,
    ids: Option<BTreeSet<String>>,
    exited: Vec<i32>,
    before: Option<String>,
    since: Option<String>,
    is_task: Option<bool>,
    images: Option<BTreeSet<String>>,
    publish: BTreeSet<(u16, String)>,
    expose: BTreeSet<(u16, String)>,
}

impl<'a> Filter<'a> {
    pub(super) fn parse(options: &'a ListOptions, around: &Surroundings<'_>) -> Result<Self, Error> {
        let filters = &options.filters;
        filters.validate(&KNOWN)?;
        let exited = parse_exited(filters)?;
        check_words(filters, "status", "state", &STATES)?;
        let is_task = filters.flag("is-task", false)?;
        check_words(filters, "health", "health", &HEALTHS)?;
        let named = |name: &str| filters.get(name).last().map(|text| (around.find)(text)).transpose();
        let (before, since) = (named("before")?, named("since")?);
        let images = filters
            .contains("ancestor")
            .then(|| filters.get("ancestor").filter_map(|name| (around.image_id)(name)).collect());
        Ok(Self {
            filters,
            all: options.all || filters.contains("status"),
            limit: usize::try_from(options.limit).unwrap_or(0),
            ids: filters.contains("id").then(|| unambiguous(filters, around.views)),
            exited,
            before,
            since,
            is_task: filters.contains("is-task").then_some(is_task),
            images,
            publish: parse_ports(filters, "publish")?,
            expose: parse_ports(filters, "expose")?,
        })
    }

    /// The containers that pass, in the order given; newest first is what `before` and `since` rely on.
    pub(super) fn choose(&self, views: &[Arc<View>]) -> Vec<Arc<View>> {
        let after = |id: &String| {
            views.iter().position(|view| view.id() == id).map_or(views.len(), |index| index + 1)
        };
        let first = self.before.as_ref().map_or(0, after);
        let last = self.since.as_ref().map_or(views.len(), |id| after(id).saturating_sub(1));
        let range = views.get(first..last).unwrap_or_default();
        let chosen = range.iter().filter(|view| self.includes(view)).cloned();
        if self.limit > 0 { chosen.take(self.limit).collect() } else { chosen.collect() }
    }

    fn includes(&self, view: &View) -> bool {
        let (intent, life, filters) = (&*view.intent, &view.life, self.filters);
        let labels = intent.config.labels.clone().unwrap_or_default();
        let shown = life.is_running() || self.all || self.limit > 0;
        let ended = !life.is_running() && life.past.started_at.is_some();
        shown
            && (!filters.contains("name")
                || matches_name(filters, &format!("/{}", intent.name))
                || matches_name(filters, &intent.name))
            && self.ids.as_ref().is_none_or(|ids| ids.contains(&intent.id))
            && self.is_task.is_none_or(|wanted| !wanted)
            && filters.labels("label", &labels)
            && (self.exited.is_empty() || (ended && self.exited.contains(&life.past.exit_code)))
            && filters.exact("status", life.status())
            && filters.exact("health", "none")
            && self.images.as_ref().is_none_or(|images| images.contains(&intent.image_id))
            && self.mounts_volume(view)
            && self.is_on_network(view)
            && self.has_port(view)
    }

    fn mounts_volume(&self, view: &View) -> bool {
        if !self.filters.contains("volume") {
            return true;
        }
        self.filters.get("volume").any(|wanted| {
            view.intent.mounts.iter().any(|mount| {
                let source = match &mount.what {
                    MountSource::Bind(bind) => bind.source.as_str(),
                    MountSource::Volume(volume) => volume.name.as_str(),
                    MountSource::Tmpfs(_) => "",
                };
                mount.destination == wanted || source == wanted
            })
        })
    }

    fn is_on_network(&self, view: &View) -> bool {
        if !self.filters.contains("network") {
            return true;
        }
        let networks = super::shown_networks(view);
        self.filters.get("network").any(|wanted| {
            networks.contains_key(wanted)
                || networks.values().any(|settings| {
                    !settings.network_id.is_empty() && settings.network_id.starts_with(wanted)
                })
        })
    }

    fn has_port(&self, view: &View) -> bool {
        if self.publish.is_empty() && self.expose.is_empty() {
            return true;
        }
        shown_ports(&view.network.ports).iter().any(|port| {
            self.publish.contains(&(port.public_port, port.kind.clone()))
                || self.expose.contains(&(port.private_port, port.kind.clone()))
        })
    }
}

/// Ids by prefix; a prefix of several containers means none of them.
fn unambiguous(filters: &Filters, views: &[Arc<View>]) -> BTreeSet<String> {
    let by_prefix = filters.get("id").filter_map(|prefix| {
        let mut found = views.iter().filter(|view| view.id().starts_with(prefix));
        match (found.next(), found.next()) {
            (Some(view), None) => Some(view.id().to_owned()),
            _ => None,
        }
    });
    by_prefix.collect()
}

fn parse_exited(filters: &Filters) -> Result<Vec<i32>, Error> {
    let codes = filters.get("exited").map(|text| {
        text.parse().map_err(|_| {
            Error::invalid(format!(
                "invalid filter 'exited={text}': strconv.Atoi: parsing {text:?}: invalid syntax"
            ))
        })
    });
    codes.collect()
}

fn check_words(filters: &Filters, filter: &str, what: &str, known: &[&str]) -> Result<(), Error> {
    match filters.get(filter).find(|word| !known.contains(word)) {
        Some(word) => Err(Error::invalid(format!(
            "invalid filter '{filter}={word}': invalid value for {what} ({word}): must be one of {}",
            known.join(", ")
        ))),
        None => Ok(()),
    }
}

/// `80`, `80/udp`, `8000-8010/tcp`.
fn parse_ports(filters: &Filters, filter: &str) -> Result<BTreeSet<(u16, String)>, Error> {
    let mut all = BTreeSet::new();
    for text in filters.get(filter) {
        if text.contains(':') {
            return Err(Error::system(format!("filter for '{filter}' should not contain ':': {text}")));
        }
        let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let range = port::range(numbers).ok_or_else(|| {
            Error::system(format!(
                "error while looking up for {filter} {text}: strconv.ParseUint: parsing {numbers:?}: invalid syntax"
            ))
        })?;
        all.extend(range.map(|number| (number, protocol.to_owned())));
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
