//! Device nodes: the usual six and those asked for.

use std::ffi::CString;

use oci_spec::runtime::{Device, FileKind};
use rustix::fs::{FileType, makedev};

use super::process::check_id;
use super::text;
use crate::error::CreateError;

/// A node to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DevicePlan {
    /// As asked for, for messages.
    pub(crate) path: String,
    /// Its folder, inside the root.
    pub(crate) folder: CString,
    /// Its name in there.
    pub(crate) name: CString,
    pub(crate) kind: FileType,
    pub(crate) mode: u32,
    pub(crate) number: u64,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Every container has these (OCI runtime-spec, Default Devices).
const USUAL: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/tty", 5, 0),
    ("/dev/urandom", 1, 9),
    ("/dev/random", 1, 8),
];

/// The nodes to make, the usual ones first; one asked for at the same path replaces them.
pub(super) fn plan(devices: &[Device]) -> Result<Vec<DevicePlan>, CreateError> {
    let is_own = |path: &str| devices.iter().any(|device| device.path == path);
    let usual = USUAL.iter().filter(|(path, ..)| !is_own(path)).map(|(path, major, minor)| Device {
        path: (*path).to_owned(),
        kind: FileKind::Char,
        major: i64::from(*major),
        minor: i64::from(*minor),
        file_mode: Some(0o666),
        uid: None,
        gid: None,
    });
    // These two belong to the terminals and are made with them.
    let is_terminal = |device: &&Device| matches!(device.path.as_str(), "/dev/ptmx" | "/dev/console");
    let all = usual.chain(devices.iter().filter(|device| !is_terminal(device)).cloned());
    all.map(|device| one(&device)).collect()
}

fn one(device: &Device) -> Result<DevicePlan, CreateError> {
    let invalid = || CreateError::Invalid(format!("invalid device {:?}", device.path));
    let number = |number: i64| u32::try_from(number).map_err(|_| invalid());
    let (folder, name) = device.path.rsplit_once('/').ok_or_else(invalid)?;
    if name.is_empty() || name == "." || name == ".." {
        return Err(invalid());
    }
    check_id("linux.devices.uid", device.uid.unwrap_or(0))?;
    check_id("linux.devices.gid", device.gid.unwrap_or(0))?;
    Ok(DevicePlan {
        path: device.path.clone(),
        folder: text(if folder.is_empty() { "/" } else { folder })?,
        name: text(name)?,
        kind: match device.kind {
            FileKind::Block => FileType::BlockDevice,
            FileKind::Char | FileKind::Unbuffered => FileType::CharacterDevice,
            FileKind::Pipe => FileType::Fifo,
        },
        mode: device.file_mode.unwrap_or(0o666) & 0o7777,
        number: makedev(number(device.major)?, number(device.minor)?),
        uid: device.uid.unwrap_or(0),
        gid: device.gid.unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(path: &str) -> Device {
        let json = format!(
            r#"{{"path": "{path}", "type": "c", "major": 10, "minor": 229, "fileMode": 384, "gid": 5}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn the_usual_ones_are_there_and_can_be_replaced() {
        let plan = plan(&[device("/dev/fuse"), device("/dev/null"), device("/dev/ptmx")]).unwrap();
        let paths: Vec<_> = plan.iter().map(|one| one.path.as_str()).collect();
        let expected =
            ["/dev/zero", "/dev/full", "/dev/tty", "/dev/urandom", "/dev/random", "/dev/fuse", "/dev/null"];
        assert_eq!(paths, expected);
        let fuse = &plan[5];
        assert_eq!((fuse.folder.as_c_str(), fuse.name.as_c_str()), (c"/dev", c"fuse"));
        assert_eq!((fuse.mode, fuse.number, fuse.gid), (0o600, makedev(10, 229), 5));
    }

    #[test]
    fn paths_that_name_no_file_are_refused() {
        for path in ["/dev/", "/dev/..", "x"] {
            assert!(plan(&[device(path)]).is_err(), "{path}");
        }
    }
}
