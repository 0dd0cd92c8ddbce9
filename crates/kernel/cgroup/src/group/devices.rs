//! Access to devices: the filter program of v2, and changing the rules of a group in use.

use std::os::fd::AsFd as _;
use std::path::Path;

use oci_spec::runtime::DeviceRule;
use rustix::io::Errno;
use sys::bpf::{self, Instruction};

use super::{Group, limits, open_folder};
use crate::devices::DevicePolicy;
use crate::error::CgroupError;
use crate::layout::Version;
use crate::{device_program, v1};

impl Group {
    /// Gives the group other rules for devices; on v2 without a moment in between.
    ///
    /// # Errors
    /// Rules that make no sense; what the kernel refuses.
    pub fn set_devices(&self, rules: &[DeviceRule]) -> Result<(), CgroupError> {
        let policy = DevicePolicy::from_rules(rules)?;
        match (self.version, self.folder("devices")) {
            (Version::V1, Some(folder)) => {
                limits::write_all(self.version, folder, &v1::device_rules(&policy))
            }
            (Version::V2, Some(folder)) => attach_filter(folder, &device_program::generate(&policy), true),
            (_, None) => Err(CgroupError::Unsupported("this host has no devices cgroup".to_owned())),
        }
    }
}

/// Attaches a filter; in the place of those that are there, or beside them.
pub(super) fn attach_filter(
    folder: &Path,
    program: &[Instruction],
    replaces: bool,
) -> Result<(), CgroupError> {
    let attach = || {
        let place = open_folder(folder)?;
        let place = place.as_fd();
        let program = bpf::load_device_program(program)?;
        let old = if replaces { bpf::device_programs(place)? } else { Vec::new() };
        if let [only] = old.as_slice()
            && bpf::replace_device_program(place, program.as_fd(), only.as_fd()).is_ok()
        {
            return Ok(());
        }
        // Together they allow no more than either: nothing opens while the old ones go.
        bpf::attach_device_program(place, program.as_fd())?;
        old.iter().try_for_each(|old| bpf::detach_device_program(place, old.as_fd()))
    };
    attach().map_err(|cause: Errno| CgroupError::DeviceFilter { path: folder.to_owned(), cause })
}
