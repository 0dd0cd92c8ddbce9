//! Mounts, in the form the kernel takes.

use std::ffi::CString;
use std::path::{Component, Path, PathBuf};

use mount::options::{self, MountOptions};
use mount::path::Links;
use mount::tree::NewFilesystem;
use oci_spec::runtime::Mount;
use sys::mount::{AttributeChange, Propagation, READ_ONLY, Reach};

use super::binds::BindAttributes;
use super::namespaces::IdMaps;
use super::text;
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
        /// Whether it begins with what it covers.
        copies_up: bool,
        propagation: Vec<(Propagation, Reach)>,
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
    /// The source inside the root file system, if it lies there: it is what earlier mounts have made of it.
    pub(crate) inside: Option<CString>,
    pub(crate) attributes: BindAttributes,
    pub(crate) recursive: AttributeChange,
    pub(crate) propagation: Vec<(Propagation, Reach)>,
    pub(crate) ids: Option<(IdSource, Reach)>,
}

/// Whose mapping a mount has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IdSource {
    /// The container's user namespace.
    Container,
    /// Its own.
    Own(IdMaps),
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
    pub(super) fn new(
        mount: &Mount,
        root_propagation: Propagation,
        has_user_namespace: bool,
        label: &str,
        root: Option<&Path>,
    ) -> Result<Self, CreateError> {
        let options = options::parse(&mount.options)?;
        let destination = clean(&mount.destination);
        // Some give it as the host sees it.
        let destination = strip(&destination, root).unwrap_or(destination);
        let shown = destination.to_string_lossy().into_owned();
        let is_bind = mount.kind == "bind" || options.bind.is_some();
        let ids = ids(mount, &options, is_bind, has_user_namespace)?;
        if options.copies_up && (is_bind || mount.kind != "tmpfs") {
            return Err(invalid(mount, "tmpcopyup is only supported for tmpfs"));
        }
        if is_bind && !options.data.is_empty() {
            return Err(invalid(mount, "bind mounts cannot have any filesystem-specific options applied"));
        }
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
        let is_readonly_at_last = !is_bind
            && (is_tmpfs || shown == "/dev")
            && (options.attributes.set | options.recursive.set) & READ_ONLY != 0;
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
                MountKind::Bind(bind(mount, options, root_propagation, ids, root, has_user_namespace)?)
            } else if mount.kind == "cgroup" || mount.kind == "cgroup2" {
                MountKind::Cgroup { attributes: options.attributes.set }
            } else {
                filesystem(mount, options, is_readonly_at_last, label)?
            },
            shown_destination: shown,
        })
    }

    /// Whether it is mounted at this (clean) place.
    pub(crate) fn destination_is(&self, place: &str) -> bool {
        self.shown_destination == place
    }
}

fn invalid(mount: &Mount, why: &str) -> CreateError {
    CreateError::Invalid(format!("invalid mount {:?}: {why}", mount.destination))
}

/// Whose ids a bind mount shows.
fn ids(
    mount: &Mount,
    options: &MountOptions,
    is_bind: bool,
    has_user_namespace: bool,
) -> Result<Option<(IdSource, Reach)>, CreateError> {
    let has_own = !mount.uid_mappings.is_empty() || !mount.gid_mappings.is_empty();
    if options.maps_ids.is_none() && !has_own {
        return Ok(None);
    }
    let reach = options.maps_ids.unwrap_or(Reach::One);
    if !is_bind {
        return Err(invalid(mount, "id-mapped mounts are only supported for bind-mounts"));
    }
    let has_both = !mount.uid_mappings.is_empty() && !mount.gid_mappings.is_empty();
    match (has_own, has_both, has_user_namespace) {
        (true, true, _) => {
            Ok(Some((IdSource::Own(IdMaps::new(&mount.uid_mappings, &mount.gid_mappings)), reach)))
        }
        (false, _, true) => Ok(Some((IdSource::Container, reach))),
        _ => Err(invalid(mount, "id-mapped mounts must have both uid and gid mappings specified")),
    }
}

fn bind(
    mount: &Mount,
    options: MountOptions,
    root_propagation: Propagation,
    ids: Option<(IdSource, Reach)>,
    root: Option<&Path>,
    has_user_namespace: bool,
) -> Result<BindPlan, CreateError> {
    let mut propagation = options.propagation;
    if propagation.is_empty() {
        propagation.push((root_propagation, Reach::Tree));
    }
    let inside = strip(&clean(&mount.source), root).filter(|_| mount.source.starts_with('/'));
    Ok(BindPlan {
        source: PathBuf::from(&mount.source),
        inside: inside.map(|inside| text(&inside.to_string_lossy())).transpose()?,
        reach: options.bind.map_or(Reach::One, Reach::from),
        attributes: BindAttributes::new(options.attributes, has_user_namespace),
        recursive: options.recursive,
        propagation,
        ids,
    })
}

fn filesystem(
    mount: &Mount,
    options: MountOptions,
    is_readonly_at_last: bool,
    label: &str,
) -> Result<MountKind, CreateError> {
    let mut data = options.data;
    data.extend(options.superblock.into_iter().map(|flag| (flag, None)));
    // These two have labels of their own.
    if !label.is_empty() && !matches!(mount.kind.as_str(), "proc" | "sysfs") {
        data.push((c"context".to_owned(), Some(text(label)?)));
    }
    let later = if is_readonly_at_last { READ_ONLY } else { 0 };
    let has_mode = data.iter().any(|(name, _)| name.as_c_str() == c"mode");
    Ok(MountKind::New {
        takes_mode: mount.kind == "tmpfs" && !has_mode,
        copies_up: options.copies_up,
        propagation: options.propagation,
        filesystem: NewFilesystem {
            kind: text(&mount.kind)?,
            source: Some(text(&mount.source)?).filter(|source| !source.is_empty()),
            options: data,
            attributes: (options.attributes.set | options.recursive.set) & !later,
        },
    })
}

/// The part of a path below the root file system, from its root on.
fn strip(path: &Path, root: Option<&Path>) -> Option<PathBuf> {
    let root = root.filter(|root| *root != Path::new("/"))?;
    let below = path.strip_prefix(root).ok().filter(|below| !below.as_os_str().is_empty())?;
    Some(Path::new("/").join(below))
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
        MountPlan::new(
            &serde_json::from_str(json).unwrap(),
            Propagation::Private,
            false,
            "",
            Some(Path::new("/root/fs")),
        )
        .map_err(|error| error.to_string())
    }

    #[test]
    fn dockers_mounts_become_file_systems() {
        let plan = planned(
            r#"{"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
                "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]}"#,
        );
        let MountKind::New { filesystem, takes_mode, .. } = plan.unwrap().kind else { panic!() };
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
        let MountKind::New { filesystem, takes_mode, .. } = plan.kind else { panic!() };
        assert_eq!((filesystem.attributes, takes_mode), (0, true));
    }

    #[test]
    fn a_bind_without_propagation_takes_that_of_the_root() {
        let plan = planned(r#"{"destination": "/x", "source": "/s", "options": ["rbind", "ro"]}"#).unwrap();
        let MountKind::Bind(bind) = plan.kind else { panic!() };
        assert_eq!((bind.reach, bind.inside), (Reach::Tree, None));
        assert_eq!(bind.propagation, [(Propagation::Private, Reach::Tree)]);
    }

    #[test]
    fn paths_below_the_root_file_system_are_taken_from_there() {
        let of = |json: &str| {
            let plan = planned(json).unwrap();
            let MountKind::Bind(bind) = plan.kind else { panic!() };
            (plan.destination, bind.inside)
        };
        assert_eq!(
            of(r#"{"destination": "/root/fs/a", "source": "/root/./fs/b/c", "options": ["bind"]}"#),
            (c"/a".to_owned(), Some(c"/b/c".to_owned()))
        );
        assert_eq!(
            of(r#"{"destination": "/root/fsa", "source": "/root/fs/../b", "options": ["bind"]}"#),
            (c"/root/fsa".to_owned(), None)
        );
        assert_eq!(of(r#"{"destination": "/a", "source": "/root/fs", "options": ["bind"]}"#).1, None);
    }

    #[test]
    fn mapped_ids_need_a_bind_and_a_mapping() {
        let map = r#"[{"containerID": 0, "hostID": 5, "size": 1}]"#;
        let with = |options: &str, rest: &str| {
            planned(&format!(r#"{{"destination": "/x", "source": "/s", "options": [{options}]{rest}}}"#))
        };
        let both = format!(r#", "uidMappings": {map}, "gidMappings": {map}"#);
        let MountKind::Bind(bind) = with(r#""rbind", "ridmap""#, &both).unwrap().kind else { panic!() };
        let maps = IdMaps { users: b"0 5 1\n".to_vec(), groups: b"0 5 1\n".to_vec() };
        assert_eq!(bind.ids, Some((IdSource::Own(maps), Reach::Tree)));
        let refused = |options: &str, rest: &str| with(options, rest).unwrap_err();
        assert!(refused(r#""bind", "idmap""#, "").contains("must have both uid and gid mappings"));
        assert!(
            refused(r#""bind""#, &format!(r#", "uidMappings": {map}"#))
                .contains("must have both uid and gid")
        );
        assert!(refused(r#""idmap""#, &both).contains("only supported for bind-mounts"));
        assert!(refused(r#""bind", "mode=5""#, "").contains("cannot have any filesystem-specific options"));
        assert!(refused(r#""bind", "tmpcopyup""#, "").contains("tmpcopyup is only supported for tmpfs"));
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
