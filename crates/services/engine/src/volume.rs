//! The verbs of volumes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use engine_api::StringMap;
use engine_api::filters::{FilterError, Filters};
use engine_api::volume::{Volume, VolumeCreateRequest, VolumeListResponse, VolumePruneResponse};
use regex_lite::Regex;
use units::time;
use volumes::{NewVolume, VolumeError};

use crate::container::intent::MountSource;
use crate::engine::{Shared, blocking};
use crate::error::{Error, Explain, Kind, chain};
use crate::events::Subject;
use crate::{Engine, fault};

/// Docker's mark on volumes that nobody named.
const ANONYMOUS: &str = "com.docker.volume.anonymous";

impl Engine {
    /// `POST /volumes/create`: makes a volume, or gives the one of that name.
    ///
    /// # Errors
    /// `InvalidParameter` for a wrong name; `NotFound` for an unknown driver.
    pub async fn volume_create(&self, request: VolumeCreateRequest) -> Result<Volume, Error> {
        if request.cluster_volume_spec.is_some() {
            return Err(Error::new(
                Kind::Unavailable,
                "this node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.",
            ));
        }
        let shared = self.shared.clone();
        blocking(move || create(&shared, request)).await
    }

    /// `GET /volumes`.
    ///
    /// # Errors
    /// `InvalidParameter` for unknown or malformed filters.
    pub async fn volume_list(&self, filters: Filters) -> Result<VolumeListResponse, Error> {
        filters.validate(&["dangling", "name", "driver", "label"])?;
        let all = self.shared.volumes.list().map_err(|error| explain(error, "list"))?;
        let dangling = filters.contains("dangling").then(|| filters.flag("dangling", false)).transpose()?;
        let wanted = |volume: &volumes::Volume| {
            filters.exact("driver", &volume.driver)
                && matches_name(&filters, &volume.name)
                && filters.labels("label", &shown_labels(volume).unwrap_or_default())
                && dangling.is_none_or(|dangling| {
                    self.shared.volume_users(&volume.name, None).is_empty() == dangling
                })
        };
        let volumes = all.iter().filter(|volume| wanted(volume)).map(encode).collect();
        Ok(VolumeListResponse { volumes, warnings: None })
    }

    /// `GET /volumes/{name}`.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn volume_inspect(&self, name: &str) -> Result<Volume, Error> {
        let volume = self.shared.volumes.load(name).map_err(|error| explain(error, "get"))?;
        Ok(encode(&volume))
    }

    /// `DELETE /volumes/{name}`; with `force`, a missing one is no error.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` while a container uses it.
    pub async fn volume_remove(&self, name: &str, force: bool) -> Result<(), Error> {
        let (shared, name) = (self.shared.clone(), name.to_owned());
        blocking(move || match remove(&shared, &name) {
            Err(error) if force && error.kind == Kind::NotFound => Ok(()),
            other => other,
        })
        .await
    }

    /// `POST /volumes/prune`: removes anonymous volumes that nobody uses; all unused ones with the filter `all`.
    ///
    /// # Errors
    /// `InvalidParameter` for unknown or malformed filters.
    pub async fn volume_prune(&self, filters: Filters) -> Result<VolumePruneResponse, Error> {
        filters.validate(&["label", "label!", "all"])?;
        let all = filters.flag("all", false)?;
        let shared = self.shared.clone();
        blocking(move || prune(&shared, &filters, all)).await
    }
}

fn create(shared: &Shared, request: VolumeCreateRequest) -> Result<Volume, Error> {
    let name = request.name;
    if !["", "local"].contains(&request.driver.as_str()) {
        let driver = &request.driver;
        return Err(Error::not_found(format!(
            "create {name}: error looking up volume plugin {driver}: plugin {driver:?} not found"
        )));
    }
    let wanted = NewVolume {
        name: Some(name.clone()).filter(|name| !name.is_empty()),
        labels: request.labels.unwrap_or_default(),
        options: request.driver_opts.unwrap_or_default(),
    };
    let (volume, is_new) =
        shared.volumes.create(wanted).map_err(|error| explain(error, &format!("create {name}")))?;
    if is_new {
        shared.announce_volume_created(&volume);
    }
    fault::point("volume.recorded")?;
    Ok(encode(&volume))
}

fn remove(shared: &Shared, name: &str) -> Result<(), Error> {
    let volume = shared.volumes.load(name).map_err(|error| explain(error, "get"))?;
    let users = shared.volume_users(name, None);
    if !users.is_empty() {
        let text = format!("remove {name}: volume is in use - [{}]", users.join(", "));
        return Err(Error::conflict(text).with_hint("remove the containers first"));
    }
    shared.volume_pins.begin_removal(name)?;
    let removed = shared.volumes.remove(name);
    shared.volume_pins.end_removal(name);
    removed.map_err(|error| explain(error, &format!("remove {name}")))?;
    let attributes = StringMap::from([("driver".to_owned(), volume.driver)]);
    shared.events.publish(Subject::Volume, "destroy", name, attributes);
    Ok(())
}

fn prune(shared: &Shared, filters: &Filters, all: bool) -> Result<VolumePruneResponse, Error> {
    let mut report = VolumePruneResponse { volumes_deleted: Some(vec![]), space_reclaimed: 0 };
    for volume in shared.volumes.list().map_err(|error| explain(error, "list"))? {
        let labels = shown_labels(&volume).unwrap_or_default();
        let excluded = filters.contains("label!") && filters.labels("label!", &labels);
        if !(all || volume.anonymous) || !filters.labels("label", &labels) || excluded {
            continue;
        }
        let size = crate::system::disk::folder_bytes(&volume.mountpoint);
        if remove(shared, &volume.name).is_ok() {
            report.space_reclaimed += size;
            report.volumes_deleted.get_or_insert_default().push(volume.name);
        }
    }
    let attributes = StringMap::from([("reclaimed".to_owned(), report.space_reclaimed.to_string())]);
    shared.events.publish(Subject::Volume, "prune", "", attributes);
    Ok(report)
}

impl Shared {
    /// The containers that mount a volume, but for one.
    pub(crate) fn volume_users(&self, name: &str, except: Option<&str>) -> Vec<String> {
        let views = self.containers.views();
        let users = views.iter().filter(|view| Some(view.id()) != except).filter(|view| {
            view.intent
                .mounts
                .iter()
                .any(|mount| matches!(&mount.what, MountSource::Volume(volume) if volume.name == name))
        });
        users.map(|view| view.id().to_owned()).collect()
    }

    pub(crate) fn announce_volume_created(&self, volume: &volumes::Volume) {
        let attributes = StringMap::from([("driver".to_owned(), volume.driver.clone())]);
        self.events.publish(Subject::Volume, "create", volume.name.as_str(), attributes);
    }
}

/// Volumes that are being taken into use, or taken away, by somebody who is not done yet.
#[derive(Default)]
pub(crate) struct Pins {
    table: Mutex<HashMap<String, Pin>>,
}

enum Pin {
    Held(u32),
    Going,
}

/// A volume that somebody else is busy with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PinError {
    #[error("volume {0} is being removed")]
    Going(String),
    #[error("remove {0}: volume is in use")]
    Held(String),
}

impl Explain for PinError {
    fn kind(&self) -> Kind {
        Kind::Conflict
    }
}

impl Pins {
    pub(crate) fn hold(&self, name: &str) -> Result<(), PinError> {
        match self.lock().entry(name.to_owned()).or_insert(Pin::Held(0)) {
            Pin::Held(count) => *count += 1,
            Pin::Going => return Err(PinError::Going(name.to_owned())),
        }
        Ok(())
    }

    pub(crate) fn release(&self, name: &str) {
        let mut table = self.lock();
        if let Some(Pin::Held(count)) = table.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                table.remove(name);
            }
        }
    }

    fn begin_removal(&self, name: &str) -> Result<(), PinError> {
        let mut table = self.lock();
        match table.get(name) {
            Some(Pin::Held(_)) => Err(PinError::Held(name.to_owned())),
            Some(Pin::Going) => Err(PinError::Going(name.to_owned())),
            None => {
                table.insert(name.to_owned(), Pin::Going);
                Ok(())
            }
        }
    }

    fn end_removal(&self, name: &str) {
        self.lock().remove(name);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Pin>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A store's error in Docker's frame: `create x: …`.
pub(crate) fn explain(error: VolumeError, frame: &str) -> Error {
    match error {
        VolumeError::NotFound(_) => Error::not_found(error.to_string()),
        VolumeError::NameTooShort | VolumeError::NameInvalid(_) | VolumeError::Option(_) => {
            Error::invalid(format!("{frame}: {error}"))
        }
        // Docker has no rule of its own here and shows what the file system says.
        VolumeError::NameTooLong(_) | VolumeError::Io { .. } | VolumeError::Record(_) => {
            Error::system(format!("{frame}: {}", chain(&error)))
        }
    }
}

impl Explain for FilterError {
    fn kind(&self) -> Kind {
        Kind::InvalidParameter
    }
}

/// Names match like Docker's: equal, or by regular expression anywhere.
pub(crate) fn matches_name(filters: &Filters, name: &str) -> bool {
    filters.exact("name", name)
        || filters.get("name").any(|wanted| Regex::new(wanted).is_ok_and(|pattern| pattern.is_match(name)))
}

fn encode(volume: &volumes::Volume) -> Volume {
    let created: SystemTime = UNIX_EPOCH + Duration::from_secs(volume.created / 1_000_000_000);
    let filled = |map: &BTreeMap<String, String>| (!map.is_empty()).then(|| map.clone());
    Volume {
        created_at: time::rfc3339_nano(created),
        driver: volume.driver.clone(),
        labels: shown_labels(volume),
        mountpoint: volume.mountpoint.to_string_lossy().into_owned(),
        name: volume.name.clone(),
        options: filled(&volume.options),
        scope: "local".to_owned(),
        usage_data: None,
    }
}

fn shown_labels(volume: &volumes::Volume) -> Option<StringMap> {
    let mut labels = volume.labels.clone();
    if volume.anonymous {
        labels.insert(ANONYMOUS.to_owned(), String::new());
    }
    (!labels.is_empty()).then_some(labels)
}
