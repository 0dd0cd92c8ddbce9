//! `-v`, `--mount`, `--tmpfs` and `VOLUME` understood: what a user typed becomes typed mounts. Pure.
//!
//! Volumes come out with a name or none; whoever creates them fills in driver and place.

use engine_api::mount::{Mount, TmpfsOptions};

use super::intent::{BindMount, MountIntent, MountSource, VolumeMount};

/// Why a mount was refused. The text is Docker's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MountError {
    #[error("invalid volume specification: '{0}'")]
    Specification(String),
    #[error("invalid volume specification: '{specification}': {cause}")]
    InSpecification { specification: String, cause: Box<MountError> },
    #[error("invalid mode: {0}")]
    Mode(String),
    #[error("invalid mount config for type \"{kind}\": {reason}")]
    Config { kind: String, reason: Reason },
    #[error("Duplicate mount point: {0}")]
    Duplicate(String),
    #[error("{0}")]
    Tmpfs(Reason),
    #[error("mount type {0} comes with a later version")]
    Later(&'static str),
}

/// What is wrong with one mount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Reason {
    #[error("field {0} must not be empty")]
    Missing(&'static str),
    #[error("field {0} must not be specified")]
    Extra(&'static str),
    #[error("invalid specification: destination can't be '/'")]
    Root,
    #[error("invalid mount path: '{0}' mount path must be absolute")]
    Relative(String),
    #[error("bind source path does not exist: {0}")]
    NoSource(String),
    #[error("invalid propagation mode: {0}")]
    Propagation(String),
    #[error("must not set ReadOnly mode when using anonymous volumes")]
    ReadOnlyAnonymous,
    #[error("must not set Subpath when using anonymous volumes")]
    SubpathAnonymous,
    #[error("subpath must be a relative path within the volume")]
    Subpath,
    #[error("invalid option: {0}")]
    TmpfsOption(String),
    #[error("invalid option array length")]
    TmpfsOptionLength,
    #[error("mount type unknown")]
    Unknown,
    #[error("mount options conflict: !ReadOnly && BindOptions.{0}")]
    NotReadOnly(&'static str),
    #[error("mount options conflict: ReadOnlyNonRecursive && BindOptions.ReadOnlyForceRecursive")]
    BothRecursions,
}

const PROPAGATIONS: [&str; 6] = ["private", "rprivate", "slave", "rslave", "shared", "rshared"];
const DEFAULT_PROPAGATION: &str = "rprivate";

/// The third part of `-v`, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mode {
    read_only: bool,
    propagation: Option<String>,
    no_copy: bool,
}

/// Reads one `-v` value: `path`, `source:path`, `source:path:mode`.
pub(crate) fn parse_bind(text: &str) -> Result<MountIntent, MountError> {
    let wrong = || MountError::Specification(text.to_owned());
    let within =
        |cause| MountError::InSpecification { specification: text.to_owned(), cause: Box::new(cause) };
    let parts: Vec<&str> = text.splitn(4, ':').collect();
    let (source, target, mode) = match parts[..] {
        ["", ..] => return Err(wrong()),
        [target] => ("", target, ""),
        [_, mode] if parse_mode(mode).is_some() => return Err(wrong()),
        [source, target] => (source, target, ""),
        [source, target, mode] => (source, target, mode),
        _ => return Err(wrong()),
    };
    let parsed = parse_mode(mode).ok_or_else(|| MountError::Mode(mode.to_owned()))?;
    let kind = if source.starts_with('/') { "bind" } else { "volume" };
    check_target(kind, target).map_err(within)?;
    let what = if kind == "bind" {
        MountSource::Bind(BindMount {
            source: clean(source),
            propagation: parsed.propagation.clone().unwrap_or_else(|| DEFAULT_PROPAGATION.to_owned()),
            create_source: true,
            ..BindMount::default()
        })
    } else {
        if parsed.propagation.is_some() {
            return Err(within(config_error(kind, Reason::Extra("BindOptions"))));
        }
        if parsed.read_only && source.is_empty() {
            return Err(within(config_error(kind, Reason::ReadOnlyAnonymous)));
        }
        MountSource::Volume(VolumeMount {
            name: source.to_owned(),
            copy: !parsed.no_copy,
            ..VolumeMount::default()
        })
    };
    Ok(MountIntent { destination: clean(target), writable: !parsed.read_only, mode: mode.to_owned(), what })
}

/// Reads one entry of `Mounts`. `exists` tells whether a path of the host is there.
pub(crate) fn parse_mount(mount: &Mount, exists: &dyn Fn(&str) -> bool) -> Result<MountIntent, MountError> {
    check_target(&mount.kind, &mount.target)?;
    let fail = |reason| config_error(&mount.kind, reason);
    let what = match mount.kind.as_str() {
        "bind" => MountSource::Bind(parse_bind_mount(mount, exists).map_err(fail)?),
        "volume" => MountSource::Volume(parse_volume_mount(mount).map_err(fail)?),
        "tmpfs" => MountSource::Tmpfs(parse_tmpfs_mount(mount).map_err(fail)?),
        "image" => return Err(MountError::Later("image")),
        "cluster" => return Err(MountError::Later("cluster")),
        _ => return Err(fail(Reason::Unknown)),
    };
    Ok(MountIntent {
        destination: clean(&mount.target),
        writable: !mount.read_only,
        mode: String::new(),
        what,
    })
}

/// Reads one entry of `Tmpfs`: a path and its mount options.
pub(crate) fn parse_tmpfs(target: &str, options: &str) -> Result<MountIntent, MountError> {
    check_path(target).map_err(MountError::Tmpfs)?;
    let what = MountSource::Tmpfs(options.to_owned());
    Ok(MountIntent { destination: clean(target), writable: true, mode: String::new(), what })
}

/// Refuses a destination that is given twice; a later source of another kind does not silently win.
pub(crate) fn check_duplicates(mounts: &[MountIntent]) -> Result<(), MountError> {
    let mut seen = std::collections::BTreeSet::new();
    for mount in mounts {
        if !seen.insert(mount.destination.as_str()) {
            return Err(MountError::Duplicate(mount.destination.clone()));
        }
    }
    Ok(())
}

fn parse_bind_mount(mount: &Mount, exists: &dyn Fn(&str) -> bool) -> Result<BindMount, Reason> {
    if mount.source.is_empty() {
        return Err(Reason::Missing("Source"));
    }
    let options = mount.bind_options.clone().unwrap_or_default();
    if !options.propagation.is_empty() && !PROPAGATIONS.contains(&options.propagation.as_str()) {
        return Err(Reason::Propagation(options.propagation));
    }
    if mount.volume_options.is_some() {
        return Err(Reason::Extra("VolumeOptions"));
    }
    if mount.image_options.is_some() {
        return Err(Reason::Extra("ImageOptions"));
    }
    if !mount.source.starts_with('/') {
        return Err(Reason::Relative(mount.source.clone()));
    }
    if !options.create_mountpoint && !exists(&mount.source) {
        return Err(Reason::NoSource(mount.source.clone()));
    }
    match (mount.read_only, options.read_only_non_recursive, options.read_only_force_recursive) {
        (false, true, _) => return Err(Reason::NotReadOnly("ReadOnlyNonRecursive")),
        (false, _, true) => return Err(Reason::NotReadOnly("ReadOnlyForceRecursive")),
        (_, true, true) => return Err(Reason::BothRecursions),
        _ => {}
    }
    let propagation = Some(options.propagation).filter(|word| !word.is_empty());
    Ok(BindMount {
        source: clean(&mount.source),
        propagation: propagation.unwrap_or_else(|| DEFAULT_PROPAGATION.to_owned()),
        create_source: options.create_mountpoint,
        non_recursive: options.non_recursive,
        shallow_read_only: options.read_only_non_recursive,
    })
}

fn parse_volume_mount(mount: &Mount) -> Result<VolumeMount, Reason> {
    if mount.bind_options.is_some() {
        return Err(Reason::Extra("BindOptions"));
    }
    if mount.image_options.is_some() {
        return Err(Reason::Extra("ImageOptions"));
    }
    let anonymous = mount.source.is_empty();
    let options = mount.volume_options.clone().unwrap_or_default();
    if !options.subpath.is_empty() {
        if anonymous {
            return Err(Reason::SubpathAnonymous);
        }
        if !is_local(&options.subpath) {
            return Err(Reason::Subpath);
        }
    }
    if mount.read_only && anonymous {
        return Err(Reason::ReadOnlyAnonymous);
    }
    Ok(VolumeMount {
        name: mount.source.clone(),
        driver: options.driver_config.map(|driver| driver.name).unwrap_or_default(),
        copy: !options.no_copy,
        subpath: options.subpath,
        ..VolumeMount::default()
    })
}

fn parse_tmpfs_mount(mount: &Mount) -> Result<String, Reason> {
    if mount.bind_options.is_some() {
        return Err(Reason::Extra("BindOptions"));
    }
    if mount.image_options.is_some() {
        return Err(Reason::Extra("ImageOptions"));
    }
    if !mount.source.is_empty() {
        return Err(Reason::Extra("Source"));
    }
    tmpfs_options(mount.tmpfs_options.as_ref(), mount.read_only)
}

fn tmpfs_options(options: Option<&TmpfsOptions>, read_only: bool) -> Result<String, Reason> {
    let mut words = Vec::new();
    if read_only {
        words.push("ro".to_owned());
    }
    if let Some(options) = options {
        if options.mode != 0 {
            words.push(format!("mode={:o}", options.mode));
        }
        if options.size_bytes != 0 {
            words.push(format!("size={}", options.size_bytes));
        }
        for option in options.options.iter().flatten() {
            let word = match option.as_slice() {
                [name] => name.clone(),
                [name, value] => format!("{name}={value}"),
                _ => return Err(Reason::TmpfsOptionLength),
            };
            if !["exec", "noexec"].contains(&option[0].as_str()) {
                return Err(Reason::TmpfsOption(option[0].clone()));
            }
            words.push(word);
        }
    }
    Ok(words.join(","))
}

fn check_target(kind: &str, target: &str) -> Result<(), MountError> {
    if target.is_empty() {
        return Err(config_error(kind, Reason::Missing("Target")));
    }
    check_path(target).map_err(|reason| config_error(kind, reason))
}

fn check_path(target: &str) -> Result<(), Reason> {
    if clean(target) == "/" {
        return Err(Reason::Root);
    }
    if target.starts_with('/') { Ok(()) } else { Err(Reason::Relative(target.to_owned())) }
}

fn config_error(kind: &str, reason: Reason) -> MountError {
    MountError::Config { kind: kind.to_owned(), reason }
}

/// Reads a mode such as `ro,z,rslave`; nothing when a word is unknown or two words contradict each other.
fn parse_mode(text: &str) -> Option<Mode> {
    let mut mode = Mode { read_only: false, propagation: None, no_copy: false };
    let (mut access, mut label, mut copy, mut consistency) = (0, 0, 0, 0);
    for word in text.split(',').filter(|_| !text.is_empty()) {
        match word {
            "rw" => access += 1,
            "ro" => {
                access += 1;
                mode.read_only = true;
            }
            "z" | "Z" => label += 1,
            "nocopy" => {
                copy += 1;
                mode.no_copy = true;
            }
            "consistent" | "cached" | "delegated" => consistency += 1,
            word if PROPAGATIONS.contains(&word) => {
                if mode.propagation.replace(word.to_owned()).is_some() {
                    return None;
                }
            }
            _ => return None,
        }
    }
    [access, label, copy, consistency].iter().all(|&count| count <= 1).then_some(mode)
}

/// A path without `.`, `..`, empty parts and a trailing slash, as Go's `path.Clean` writes it.
pub(crate) fn clean(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if absolute => {}
            part => parts.push(part),
        }
    }
    match (absolute, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

/// Whether a relative path stays where it begins.
fn is_local(path: &str) -> bool {
    let cleaned = clean(path);
    !path.starts_with('/') && cleaned != ".." && !cleaned.starts_with("../")
}

#[cfg(test)]
mod tests {
    use engine_api::mount::BindOptions;
    use proptest::prelude::*;

    use super::*;

    fn bind(text: &str) -> Result<MountIntent, String> {
        parse_bind(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_path_with_a_slash_is_a_folder_and_a_name_is_a_volume() {
        let mount = bind("/srv/www/:/www/../html:ro,rslave").unwrap();
        assert_eq!(
            (mount.destination.as_str(), mount.writable, mount.mode.as_str()),
            ("/html", false, "ro,rslave")
        );
        let MountSource::Bind(source) = mount.what else { panic!() };
        assert_eq!((source.source.as_str(), source.propagation.as_str()), ("/srv/www", "rslave"));
        let MountSource::Volume(volume) = bind("data:/var/lib/data:nocopy").unwrap().what else { panic!() };
        assert_eq!((volume.name.as_str(), volume.copy), ("data", false));
        let MountSource::Volume(volume) = bind("/anonymous").unwrap().what else { panic!() };
        assert_eq!((volume.name.as_str(), volume.copy), ("", true));
    }

    #[test]
    fn wrong_binds_are_refused_in_dockers_words() {
        for (text, message) in [
            ("", "invalid volume specification: ''"),
            (":/a", "invalid volume specification: ':/a'"),
            ("/a:ro", "invalid volume specification: '/a:ro'"),
            ("/a:/b:rw:x", "invalid volume specification: '/a:/b:rw:x'"),
            ("/a:/b:fast", "invalid mode: fast"),
            ("/a:/b:ro,rw", "invalid mode: ro,rw"),
            (
                "/a:/",
                "invalid volume specification: '/a:/': invalid mount config for type \"bind\": invalid specification: destination can't be '/'",
            ),
            (
                "/a:b",
                "invalid volume specification: '/a:b': invalid mount config for type \"bind\": invalid mount path: 'b' mount path must be absolute",
            ),
        ] {
            assert_eq!(bind(text), Err(message.to_owned()), "{text}");
        }
    }

    #[test]
    fn mounts_are_checked_by_their_type() {
        let mut mount =
            Mount { kind: "bind".into(), source: "/none".into(), target: "/x".into(), ..Mount::default() };
        let text = |mount: &Mount| parse_mount(mount, &|_| false).map_err(|error| error.to_string());
        assert_eq!(
            text(&mount),
            Err("invalid mount config for type \"bind\": bind source path does not exist: /none".to_owned())
        );
        mount.bind_options = Some(BindOptions { create_mountpoint: true, ..BindOptions::default() });
        assert!(text(&mount).is_ok());
        mount.kind = "volume".into();
        assert_eq!(
            text(&mount),
            Err("invalid mount config for type \"volume\": field BindOptions must not be specified"
                .to_owned())
        );
        mount.kind = "floppy".into();
        assert_eq!(
            text(&mount),
            Err("invalid mount config for type \"floppy\": mount type unknown".to_owned())
        );
        mount.target = String::new();
        assert_eq!(
            text(&mount),
            Err("invalid mount config for type \"floppy\": field Target must not be empty".to_owned())
        );
    }

    #[test]
    fn tmpfs_options_become_mount_options() {
        let options =
            TmpfsOptions { size_bytes: 1 << 20, mode: 0o1777, options: Some(vec![vec!["exec".into()]]) };
        let mount = Mount {
            kind: "tmpfs".into(),
            target: "/t".into(),
            tmpfs_options: Some(options),
            ..Mount::default()
        };
        let parsed = parse_mount(&mount, &|_| false).unwrap();
        assert_eq!(parsed.what, MountSource::Tmpfs("mode=1777,size=1048576,exec".to_owned()));
    }

    #[test]
    fn a_destination_is_taken_once() {
        let mounts = [bind("/a:/x").unwrap(), bind("v:/x/").unwrap()];
        assert_eq!(check_duplicates(&mounts), Err(MountError::Duplicate("/x".to_owned())));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-z:/.,]{0,20}") {
            if let Ok(mount) = parse_bind(&text) {
                prop_assert!(mount.destination.starts_with('/') && mount.destination != "/");
                prop_assert!(!mount.destination.split('/').any(|part| part == ".."));
            }
        }

        #[test]
        fn a_clean_path_is_clean(text in "[a./]{0,12}") {
            prop_assert_eq!(clean(&clean(&text)), clean(&text));
        }
    }
}
