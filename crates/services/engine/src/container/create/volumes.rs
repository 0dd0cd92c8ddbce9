//! The volumes of a new container: made if they are not there, filled from the image if they are empty.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use engine_api::mount::VolumeOptions;
use mount::Overlay;
use mount::path::Links;
use rustix::fs::OFlags;
use volumes::NewVolume;

use super::journal::Journal;
use crate::container::intent::{Intent, MountIntent, MountSource, VolumeMount};
use crate::container::mounts::MountError;
use crate::error::{Error, Kind, chain};
use crate::volume::explain;

/// Reads one `--volumes-from` value and gives the mounts that it stands for.
pub(super) fn mounts_from(
    text: &str,
    mounts_of: &dyn Fn(&str) -> Result<Vec<MountIntent>, Error>,
) -> Result<Vec<MountIntent>, Error> {
    if text.is_empty() {
        return Err(Error::invalid("volumes-from specification cannot be an empty string"));
    }
    let (name, mode) = text.split_once(':').unwrap_or((text, "rw"));
    if !["", "rw", "ro", "z", "Z"].contains(&mode) {
        return Err(Error::invalid(MountError::Mode(mode.to_owned()).to_string()));
    }
    let mut mounts = mounts_of(name)?;
    for mount in &mut mounts {
        mount.writable &= mode != "ro";
        mount.mode = String::new();
        if let MountSource::Volume(volume) = &mut mount.what {
            volume.copy = false;
            volume.anonymous = false;
        }
    }
    Ok(mounts)
}

/// `--volume-driver` is for volumes of `-v` that name none.
pub(super) fn fill_driver(mount: &mut MountIntent, driver: &str) {
    if let MountSource::Volume(volume) = &mut mount.what
        && volume.driver.is_empty()
    {
        driver.clone_into(&mut volume.driver);
    }
}

/// An anonymous volume that the image, or `-v /path`, declares.
pub(super) fn declared(destination: String, driver: &str) -> MountIntent {
    let volume = VolumeMount { driver: driver.to_owned(), copy: true, ..VolumeMount::default() };
    MountIntent { destination, writable: true, mode: String::new(), what: MountSource::Volume(volume) }
}

/// A bind mount that shows our own data root passes later mounts on, so that it never keeps one of ours busy.
pub(super) fn follow_daemon_root(mount: &mut MountIntent, data_root: &Path) -> Result<(), Error> {
    let MountSource::Bind(bind) = &mut mount.what else { return Ok(()) };
    let source = Path::new(&bind.source);
    if !source.starts_with(data_root) && !data_root.starts_with(source) {
        return Ok(());
    }
    if bind.propagation == "rprivate" {
        "rslave".clone_into(&mut bind.propagation);
    }
    Ok(())
}

/// Makes the volumes of `intent` that are not there, notes where they are, and fills them.
pub(super) fn create_all(intent: &mut Intent, journal: &mut Journal<'_>) -> Result<(), Error> {
    let wishes = intent.host_config.mounts.clone().unwrap_or_default();
    for mount in &mut intent.mounts {
        let MountSource::Volume(volume) = &mut mount.what else { continue };
        let options = wishes
            .iter()
            .find(|wish| crate::container::mounts::clean(&wish.target) == mount.destination)
            .and_then(|wish| wish.volume_options.clone());
        if volume.source.is_empty() {
            create(volume, options.unwrap_or_default(), journal)?;
            if mount.mode.is_empty() {
                "z".clone_into(&mut mount.mode);
            }
        } else {
            journal.pin_volume(&volume.name)?;
        }
        if volume.copy {
            fill(journal, &mount.destination, volume)?;
        }
    }
    Ok(())
}

fn create(volume: &mut VolumeMount, options: VolumeOptions, journal: &mut Journal<'_>) -> Result<(), Error> {
    let shown = volume.name.clone();
    if !["", "local"].contains(&volume.driver.as_str()) {
        let driver = &volume.driver;
        return Err(Error::not_found(format!(
            "create {shown}: error looking up volume plugin {driver}: plugin {driver:?} not found"
        )));
    }
    if !shown.is_empty() {
        journal.pin_volume(&shown)?;
    }
    let wanted = NewVolume {
        name: Some(shown.clone()).filter(|name| !name.is_empty()),
        labels: options.labels.unwrap_or_default(),
        options: options.driver_config.and_then(|driver| driver.options).unwrap_or_default(),
    };
    let (made, is_new) =
        journal.shared.volumes.create(wanted).map_err(|error| explain(error, &format!("create {shown}")))?;
    if is_new {
        journal.made_volume(&made.name);
        journal.shared.announce_volume_created(&made);
    }
    volume.anonymous = shown.is_empty();
    volume.driver.clone_from(&made.driver);
    volume.source = made.mountpoint.to_string_lossy().into_owned();
    volume.name = made.name;
    Ok(())
}

/// Copies what the image has at `destination` into an empty volume.
fn fill(journal: &Journal<'_>, destination: &str, volume: &VolumeMount) -> Result<(), Error> {
    let failed = |error: &dyn std::error::Error| {
        Error::new(Kind::System, format!("failed to populate volume: {}", chain(error)))
    };
    let Ok(mut entries) = std::fs::read_dir(&volume.source) else { return Ok(()) };
    if entries.next().is_some() {
        return Ok(());
    }
    let Some(snapshot) = journal.shared.images.snapshot(journal.id) else { return Ok(()) };
    let overlay = Overlay { lower: snapshot.lower, upper: None, work: None, volatile: false };
    let root = overlay.mount().map_err(|error| failed(&error))?;
    let Some(source) = open_folder(root.as_fd(), destination)? else { return Ok(()) };
    let target = mount::path::open_host_folder(Path::new(&volume.source)).map_err(|error| failed(&error))?;
    volumes::seed(source.as_fd(), target.as_fd()).map_err(|error| failed(&error))?;
    Ok(())
}

/// The folder at `path` inside the image; nothing when there is none.
fn open_folder(root: BorrowedFd<'_>, path: &str) -> Result<Option<std::os::fd::OwnedFd>, Error> {
    let Ok(name) = CString::new(path) else { return Ok(None) };
    match mount::path::open(root, &name, OFlags::PATH | OFlags::DIRECTORY, Links::Follow) {
        Ok(folder) => Ok(Some(folder)),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(rustix::io::Errno::NOTDIR) => {
            Err(Error::system(format!("cannot mount volume over existing file, file exists {path}")))
        }
        Err(error) => Err(Error::from_cause("failed to populate volume", &error)),
    }
}
