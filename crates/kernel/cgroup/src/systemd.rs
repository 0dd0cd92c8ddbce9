//! The systemd manager: the group is a transient unit, whose limits systemd has to know or it would undo them.
//!
//! ```text
//!   cgroupsPath "machine-a.slice:runc:web"
//!      │ plan (pure)                          │ apply
//!      ▼                                      ▼
//!   Plan { unit: runc-web.scope, groups: …/machine.slice/machine-a.slice/runc-web.scope }
//!                                             StartTransientUnit(PIDs = a keeper) ── JobRemoved ──▶ folders, files,
//!                                             device filter as without systemd ──▶ the container enters, the keeper ends
//! ```
//!
//! A scope is born with a process in it and goes with the last one; the keeper is there until the container is.

mod annotations;
mod bus;
mod keeper;
mod manager;
mod message;
mod properties;
mod scale;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use oci_spec::runtime::Resources;

use crate::error::CgroupError;
use crate::layout::{Hierarchy, Layout, Version};
use crate::plan::Plan;

pub use bus::BusError;
pub(crate) use keeper::Keeper;
pub use manager::Manager;
pub use properties::{Property, PropertyValue};

/// A unit to start.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitPlan {
    /// `prefix-name.scope`, or a slice.
    pub name: String,
    /// What the unit is made of; the process to begin with is added when there is one.
    pub properties: Vec<Property>,
}

impl UnitPlan {
    pub(crate) fn is_slice(&self) -> bool {
        self.name.ends_with(".slice")
    }
}

/// What a configuration says of its group.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `slice:prefix:name`; empty is the container's id in the slice of the system.
    pub cgroups_path: &'a str,
    /// The container's id.
    pub id: &'a str,
    /// The configuration's annotations: `org.systemd.property.…` are properties of the unit.
    pub annotations: &'a BTreeMap<String, String>,
    /// The limits.
    pub resources: &'a Resources,
}

/// Whether systemd is this host's first process.
#[must_use]
pub fn is_running() -> bool {
    Path::new("/run/systemd/system").symlink_metadata().is_ok_and(|found| found.is_dir())
}

/// Fails where systemd cannot manage groups.
///
/// # Errors
/// [`CgroupError::Unsupported`] in runc's words.
pub fn ensure_running() -> Result<(), CgroupError> {
    if is_running() {
        return Ok(());
    }
    let text = "systemd not running on this host, cannot use systemd cgroups manager";
    Err(CgroupError::Unsupported(text.to_owned()))
}

impl Plan {
    /// Computes the plan for a group that systemd shall manage. Pure.
    ///
    /// # Errors
    /// [`CgroupError::Unsupported`] for paths and limits that make no sense or cannot be expressed.
    pub fn for_unit(layout: &Layout, request: &Request<'_>) -> Result<Self, CgroupError> {
        let place = Place::parse(request)?;
        let resources = rounded(request.resources);
        let folder = place.folder()?;
        let unified = layout
            .unified
            .iter()
            .map(|mountpoint| Hierarchy { mountpoint: mountpoint.clone(), ..Hierarchy::default() });
        let unified: Vec<_> = unified.collect();
        let trees = layout.hierarchies.iter().chain(&unified);
        let folders = trees.map(|tree| (tree, tree.mountpoint.join(&folder)));
        let mut plan = Self::of_folders(layout.version, folders, &resources)?;
        let mut all = properties::of_unit(layout.version, &place);
        all.extend(annotations::properties(request.annotations)?);
        all.extend(properties::of_resources(layout.version, &resources)?);
        plan.unit = Some(UnitPlan { name: place.unit, properties: all });
        Ok(plan)
    }
}

/// Starts a unit; a scope with a process in it, which is to live until another one has entered.
pub(crate) fn start(unit: &UnitPlan) -> Result<Option<Keeper>, CgroupError> {
    ensure_running()?;
    let keeper = if unit.is_slice() { None } else { Some(Keeper::start()?) };
    Manager::connect()
        .and_then(|mut manager| manager.start(unit, keeper.as_ref().map(Keeper::pid)))
        .map_err(failed(format!("unable to start unit {:?}", unit.name)))?;
    Ok(keeper)
}

/// Changes the limits of a unit.
pub(crate) fn update(unit: &str, version: Version, resources: &Resources) -> Result<(), CgroupError> {
    let mut properties = properties::of_resources(version, resources)?;
    if resources.devices.is_empty() {
        // Nothing said of devices is no wish to change them.
        properties.retain(|property| !property.name.starts_with("Device"));
    }
    Manager::connect()
        .and_then(|mut manager| manager.set(unit, &properties))
        .map_err(failed("unable to set unit properties".to_owned()))
}

/// Stops a unit.
pub(crate) fn stop(unit: &str) -> Result<(), CgroupError> {
    Manager::connect()
        .and_then(|mut manager| manager.stop(unit))
        .map_err(failed(format!("unable to stop unit {unit:?}")))
}

fn failed(action: String) -> impl FnOnce(BusError) -> CgroupError {
    move |cause| CgroupError::Systemd { action, cause }
}

pub(crate) use scale::rounded;

/// Where a unit is.
struct Place {
    slice: String,
    name: String,
    unit: String,
}

impl Place {
    fn parse(request: &Request<'_>) -> Result<Self, CgroupError> {
        let parts: Vec<&str> = request.cgroups_path.split(':').collect();
        let (slice, prefix, name) = match parts[..] {
            [""] => ("", "runc", request.id),
            [slice, prefix, name] => (slice, prefix, name),
            _ => {
                return Err(CgroupError::Unsupported(format!(
                    "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got {:?} instead",
                    request.cgroups_path
                )));
            }
        };
        let unit = if name.ends_with(".slice") { name.to_owned() } else { format!("{prefix}-{name}.scope") };
        if unit.contains(['/', '\0']) {
            return Err(CgroupError::Unsupported(format!("invalid unit name {unit:?}")));
        }
        let slice = if slice.is_empty() { "system.slice" } else { slice };
        Ok(Self { slice: slice.to_owned(), name: name.to_owned(), unit })
    }

    fn folder(&self) -> Result<PathBuf, CgroupError> {
        Ok(expand_slice(&self.slice)?.join(&self.unit))
    }
}

/// The folder of a slice: `a-b.slice` is `a.slice/a-b.slice`, and `-.slice` the top.
fn expand_slice(slice: &str) -> Result<PathBuf, CgroupError> {
    let invalid = || CgroupError::Unsupported(format!("invalid slice name: {slice}"));
    let stem = slice.strip_suffix(".slice").filter(|_| !slice.contains(['/', '\0'])).ok_or_else(invalid)?;
    let mut folder = PathBuf::new();
    if stem == "-" {
        return Ok(folder);
    }
    let mut prefix = String::new();
    for part in stem.split('-') {
        if part.is_empty() {
            return Err(invalid());
        }
        folder.push(format!("{prefix}{part}.slice"));
        prefix.push_str(part);
        prefix.push('-');
    }
    Ok(folder)
}
