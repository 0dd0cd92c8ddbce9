//! The devices of this host, as its `/dev` shows them.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use oci_spec::runtime::FileKind;

use super::spec::{DeviceError, DeviceFacts, HostDevice};

/// Reads `/dev` each time: devices come and go.
pub(super) struct HostDevices;

/// What privileged containers get from the runtime rather than from the host.
const SKIPPED: [&str; 7] = ["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"];

impl DeviceFacts for HostDevices {
    fn devices_at(&self, path: &str) -> Result<Vec<HostDevice>, DeviceError> {
        let failed = |error: &io::Error| DeviceError::Custom(path.to_owned(), reason(error));
        let metadata = fs::metadata(path).map_err(|error| failed(&error))?;
        if let Some(device) = describe(path, &metadata) {
            return Ok(vec![device]);
        }
        if !metadata.is_dir() {
            return Err(DeviceError::Custom(path.to_owned(), "not a device node".to_owned()));
        }
        let mut all = Vec::new();
        collect(Path::new(path), &mut all);
        Ok(all)
    }

    fn all(&self) -> Vec<HostDevice> {
        let mut all = Vec::new();
        collect(Path::new("/dev"), &mut all);
        all
    }

    fn block_numbers(&self, path: &str) -> Result<(i64, i64), DeviceError> {
        let metadata =
            fs::metadata(path).map_err(|error| DeviceError::Stat(path.to_owned(), reason(&error)))?;
        Ok(numbers(&metadata))
    }
}

fn collect(folder: &Path, all: &mut Vec<HostDevice>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        // Links are followed for nothing: what they point to is listed itself.
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        let skipped = entry.file_name().to_str().is_some_and(|name| SKIPPED.contains(&name));
        if metadata.is_dir() && !skipped {
            collect(&path, all);
        } else if let Some(device) = path.to_str().and_then(|path| describe(path, &metadata))
            && !path.ends_with("console")
        {
            all.push(device);
        }
    }
}

fn describe(path: &str, metadata: &Metadata) -> Option<HostDevice> {
    let kind = match metadata.file_type() {
        kind if kind.is_block_device() => FileKind::Block,
        kind if kind.is_char_device() => FileKind::Char,
        _ => return None,
    };
    let (major, minor) = numbers(metadata);
    Some(HostDevice {
        path: path.to_owned(),
        kind,
        major,
        minor,
        mode: metadata.permissions().mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
    })
}

fn numbers(metadata: &Metadata) -> (i64, i64) {
    let device = metadata.rdev();
    (i64::from(rustix::fs::major(device)), i64::from(rustix::fs::minor(device)))
}

/// The kernel's words in small letters and without a number, as Docker shows them.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
