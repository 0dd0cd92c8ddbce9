//! Security modules: whether the one that a label is for is there.

use std::fs;
use std::path::Path;

use crate::error::CreateError;
use crate::plan::{Label, Module};

/// `SELINUX_MAGIC` (linux/magic.h).
const SELINUXFS: i64 = 0xf97c_ff8c;

/// Refuses a label that nobody would look at: a process that its document confines must not run unconfined.
///
/// # Errors
/// [`CreateError::Invalid`], in runc's words.
pub(crate) fn check(label: Option<&Label>) -> Result<(), CreateError> {
    let is_there = match label.map(|label| label.module) {
        None => return Ok(()),
        Some(Module::AppArmor) => has_apparmor(),
        Some(Module::SeLinux) => return check_selinux(),
    };
    let missing = || CreateError::Invalid("apparmor: config provided but apparmor not supported".to_owned());
    is_there.then_some(()).ok_or_else(missing)
}

/// The same for SELinux, for labels of mounts.
pub(crate) fn check_selinux() -> Result<(), CreateError> {
    let has_selinux = rustix::fs::statfs("/sys/fs/selinux").is_ok_and(|stat| stat.f_type == SELINUXFS);
    let text = "selinux label is specified in config, but selinux is disabled or not supported";
    has_selinux.then_some(()).ok_or_else(|| CreateError::Invalid(text.to_owned()))
}

fn has_apparmor() -> bool {
    let enabled = Path::new("/sys/module/apparmor/parameters/enabled");
    fs::read(enabled).is_ok_and(|text| text.starts_with(b"Y"))
}
