//! Mounts, in the form the kernel takes.

use std::ffi::CString;
use std::path::{Component, Path, PathBuf};

use mount::options::{self, MountOptions};
use mount::path::Links;
use mount::tree::NewFilesystem;
use oci_spec::runtime::Mount;
use sys::mount::{AttributeChange, Propagation, READ_ONLY, Reach};

use super::{text, unsupported};
use crate::error::CreateError;

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MountPlan {
    /// As asked for, for messages.
    pub(crate) source: String,
    /// As asked for, for messages.
    pub(crate) shown_destination: String,
    /// Where, inside the root.
    pub(crate) destination: CString,
    /// Whether links on the way to the destination are followed (inside the root).
    pub(crate) links: Links,
    /// Whether the destination may lie on procfs.
    pub(crate) may_cover_proc: bool,
    /// Whether it becomes read-only when everything inside it is made.
    pub(crate) is_readonly_at_last: bool,
    pub(crate) kind: MountKind,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MountKind {
    /// A file system made in the child: it depends on the child's namespaces.
    New {
        filesystem: NewFilesystem,
        /// Whether its root takes the mode of the folder it covers.
        takes_mode: bool,
    },
    /// A place of the host, cloned by the parent.
    Bind(BindPlan),
    /// The container's control groups.
    Cgroup { attributes: u64 },
}

/// A bind mount: cloned, changed, then attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BindPlan {
    pub(crate) source: PathBuf,
    pub(crate) reach: Reach,
    pub(crate) attributes: AttributeChange,
    pub(crate) recursive: AttributeChange,
    pub(crate) propagation: Vec<(Propagation, Reach)>,
}

/// Files of procfs that lxcfs and the like replace; nothing else may be mounted inside `/proc`.
const REPLACEABLE: [&str; 10] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled",
];

impl MountPlan {
    /// Computes the plan of one mount. Pure.
    pub(super) fn new(mount: &Mount, root_propagation: Propagation) -> Result<Self, CreateError> {
        let options = options::parse(&mount.options)?;
        if options.is_idmapped || !mount.uid_mappings.is_empty() || !mount.gid_mappings.is_empty() {
            return Err(unsupported("an idmapped mount"));
        }
        if options.copies_up {
            return Err(unsupported("tmpcopyup"));
        }
        let destination = clean(&mount.destination);
        let shown = destination.to_string_lossy().into_owned();
        let is_bind = mount.kind == "bind" || options.bind.is_some();
        let may_cover_proc = REPLACEABLE.contains(&shown.as_str());
        if destination.starts_with("/proc") && shown != "/proc" && !may_cover_proc {
            return Err(CreateError::Invalid(format!(
                "{shown:?} cannot be mounted because it is inside /proc"
            )));
        }
        if shown == "/proc" && !is_bind && mount.kind != "proc" {
            return Err(CreateError::Invalid(
                "\"/proc\" cannot be mounted because it is not of type proc".to_owned(),
            ));
        }
        let is_tmpfs = mount.kind == "tmpfs";
        let is_readonly_at_last =
            !is_bind && (is_tmpfs || shown == "/dev") && options.attributes.set & READ_ONLY != 0;
        Ok(Self {
            source: mount.source.clone(),
            destination: text(&shown)?,
            links: match mount.kind.as_str() {
                // Where these two are decides what the protected paths mean.
                "proc" | "sysfs" if !is_bind => Links::Refuse,
                _ => Links::Follow,
            },
            may_cover_proc,
            is_readonly_at_last,
            kind: if is_bind {
                MountKind::Bind(bind(mount, options, root_propagation))
            } else if mount.kind == "cgroup" || mount.kind == "cgroup2" {
                MountKind::Cgroup { attributes: options.attributes.set }
            } else {
                filesystem(mount, options, is_readonly_at_last)?
            },
            shown_destination: shown,
        })
    }

    /// Whether it is mounted at this (clean) place.
    pub(crate) fn destination_is(&self, place: &str) -> bool {
        self.shown_destination == place
    }
}

fn bind(mount: &Mount, options: MountOptions, root_propagation: Propagation) -> BindPlan {
    let mut propagation = options.propagation;
    if propagation.is_empty() {
        propagation.push((root_propagation, Reach::Tree));
    }
    BindPlan {
        source: PathBuf::from(&mount.source),
        reach: options.bind.map_or(Reach::One, Reach::from),
        attributes: options.attributes,
        recursive: options.recursive,
        propagation,
    }
}

fn filesystem(
    mount: &Mount,
    options: MountOptions,
    is_readonly_at_last: bool,
) -> Result<MountKind, CreateError> {
    let later = if is_readonly_at_last { READ_ONLY } else { 0 };
    let has_mode = options.data.iter().any(|(name, _)| name.as_c_str() == c"mode");
    Ok(MountKind::New {
        takes_mode: mount.kind == "tmpfs" && !has_mode,
        filesystem: NewFilesystem {
            kind: text(&mount.kind)?,
            source: Some(text(&mount.source)?).filter(|source| !source.is_empty()),
            options: options.data,
            attributes: options.attributes.set & !later,
        },
    })
}

/// A path from the root without `.` and `..`, by its text alone; links are for the kernel.
fn clean(path: &str) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use sys::mount::{NO_DEVICES, NO_EXEC, NO_SUID};

    use super::*;

    fn planned(json: &str) -> Result<MountPlan, String> {
        MountPlan::new(&serde_json::from_str(json).unwrap(), Propagation::Private)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn dockers_mounts_become_file_systems() {
        let plan = planned(
            r#"{"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
                "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]}"#,
        );
        let MountKind::New { filesystem, takes_mode } = plan.unwrap().kind else { panic!() };
        assert_eq!(filesystem.kind.as_c_str(), c"tmpfs");
        assert_eq!(filesystem.attributes, NO_SUID | sys::mount::STRICT_ATIME);
        assert_eq!(filesystem.options.len(), 2);
        assert!(!takes_mode);
        let plan = planned(
            r#"{"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]}"#,
        );
        let plan = plan.unwrap();
        assert_eq!(plan.links, Links::Refuse);
        let MountKind::New { filesystem, .. } = plan.kind else { panic!() };
        assert_eq!(filesystem.attributes, NO_SUID | NO_EXEC | NO_DEVICES);
    }

    #[test]
    fn a_readonly_tmpfs_is_filled_before_it_is_closed() {
        let plan = planned(r#"{"destination": "/x/../run", "type": "tmpfs", "options": ["ro"]}"#).unwrap();
        assert!(plan.is_readonly_at_last && plan.destination_is("/run"));
        let MountKind::New { filesystem, takes_mode } = plan.kind else { panic!() };
        assert_eq!((filesystem.attributes, takes_mode), (0, true));
    }

    #[test]
    fn a_bind_without_propagation_takes_that_of_the_root() {
        let plan = planned(r#"{"destination": "/x", "source": "/s", "options": ["rbind", "ro"]}"#).unwrap();
        let MountKind::Bind(bind) = plan.kind else { panic!() };
        assert_eq!((bind.reach, bind.attributes.set), (Reach::Tree, READ_ONLY));
        assert_eq!(bind.propagation, [(Propagation::Private, Reach::Tree)]);
    }

    #[test]
    fn nothing_is_mounted_inside_proc_but_what_lxcfs_replaces() {
        let at = |place: &str| {
            planned(&format!(r#"{{"destination": "{place}", "source": "/s", "options": ["bind"]}}"#))
        };
        assert_eq!(
            at("/proc/self/x").unwrap_err(),
            "\"/proc/self/x\" cannot be mounted because it is inside /proc"
        );
        assert!(at("/a/../proc/sys").is_err());
        assert!(at("/proc/meminfo").unwrap().may_cover_proc);
        assert!(at("/process").is_ok());
        assert!(planned(r#"{"destination": "/proc", "type": "tmpfs"}"#).is_err());
    }
}
