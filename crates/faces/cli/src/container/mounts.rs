//! What is mounted into it.

use super::{Wish, list};
use crate::keyvalue;
use engine_api::mount::{BindOptions, Driver, ImageOptions, Mount, TmpfsOptions, VolumeOptions};
use engine_api::{Empty, StringMap, StringSet};
use flags::{Flag, Typed, parse_bool, split_csv};
use std::path::{Component, PathBuf};

pub(super) const FLAGS: &[Flag] = &[
    Flag::other("mount", "mount", check_mount, "Attach a filesystem mount to the container"),
    Flag::list("storage-opt", "Storage driver options for the container"),
    Flag::list("tmpfs", "Mount a tmpfs directory"),
    Flag::list("volume", "Bind mount a volume").short('v'),
    Flag::text("volume-driver", "Optional volume driver for the container"),
    Flag::list("volumes-from", "Mount volumes from the specified container(s)"),
];

fn check_mount(text: &str) -> Result<(), String> {
    parse_mount(text).map(drop)
}

/// `path` from the root: relative ones start at the working folder; `.` and `..` are resolved in the text.
fn absolute(path: &str) -> String {
    let start = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let mut clean = PathBuf::from("/");
    for part in start.join(path).components() {
        match part {
            Component::ParentDir => drop(clean.pop()),
            Component::Normal(name) => clean.push(name),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    clean.to_string_lossy().into_owned()
}

/// What `-v` asks for: a place in the container alone, or something of the host's at it.
#[derive(Debug, PartialEq, Eq)]
enum Volume {
    Anonymous,
    Bound(String),
}

/// Reads `[SOURCE:]TARGET[:OPTIONS]`.
fn parse_volume(text: &str) -> Result<Volume, String> {
    let invalid = |why: &str| format!("invalid spec: {text}: {why}");
    if text.is_empty() {
        return Err("invalid empty volume spec".to_owned());
    }
    if text.len() <= 2 {
        return Ok(Volume::Anonymous);
    }
    let mut parts = vec![String::new()];
    for c in text.chars() {
        let part = parts.last_mut().map_or("", |part| part.as_str());
        // One letter before a colon is a drive, as Docker reads it even on Linux.
        let is_drive = part.chars().count() == 1 && part.chars().all(char::is_alphabetic);
        if c == ':' && !is_drive {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    if parts.iter().any(String::is_empty) {
        return Err(invalid("empty section between colons"));
    }
    if parts.len() > 3 {
        return Err(invalid("too many colons"));
    }
    let source = &parts[0];
    if parts.len() == 1 {
        return Ok(Volume::Anonymous);
    }
    let is_path = source.starts_with(['.', '/', '~']);
    match text.split_once(':') {
        Some((host, rest)) if is_path && host.starts_with('.') => {
            Ok(Volume::Bound(format!("{}:{rest}", absolute(host))))
        }
        _ => Ok(Volume::Bound(text.to_owned())),
    }
}

/// The mount being described, key by key.
#[derive(Default)]
struct Draft {
    mount: Mount,
}

impl Draft {
    fn bind(&mut self) -> &mut BindOptions {
        self.mount.bind_options.get_or_insert_default()
    }

    fn volume(&mut self) -> &mut VolumeOptions {
        let options = self.mount.volume_options.get_or_insert_default();
        options.labels.get_or_insert_default();
        options.driver_config.get_or_insert_default();
        options
    }

    fn driver(&mut self) -> &mut Driver {
        self.volume().driver_config.get_or_insert_default()
    }

    fn image(&mut self) -> &mut ImageOptions {
        self.mount.image_options.get_or_insert_default()
    }

    fn tmpfs(&mut self) -> &mut TmpfsOptions {
        self.mount.tmpfs_options.get_or_insert_default()
    }

    /// A key without a value.
    fn set_bare(&mut self, key: &str, field: &str) -> Result<(), String> {
        match key {
            "readonly" | "ro" => self.mount.read_only = true,
            "volume-nocopy" => self.volume().no_copy = true,
            "bind-nonrecursive" => self.bind().non_recursive = true,
            _ => return Err(format!("invalid field '{field}' must be a key=value pair")),
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: &str, field: &str) -> Result<(), String> {
        let refused = || format!("invalid value for {key}: {value}");
        let switch = || parse_bool(value).map_err(|_| refused());
        let lower = value.to_lowercase();
        match key {
            "type" => self.mount.kind = lower,
            "source" | "src" if value.starts_with('.') => self.mount.source = absolute(value),
            "source" | "src" => self.mount.source = value.to_owned(),
            "target" | "dst" | "destination" => self.mount.target = value.to_owned(),
            "readonly" | "ro" => self.mount.read_only = switch()?,
            "consistency" => self.mount.consistency = lower,
            "bind-propagation" => self.bind().propagation = lower,
            "bind-nonrecursive" => self.bind().non_recursive = switch()?,
            "bind-recursive" => self.set_recursion(value)?,
            "volume-subpath" => self.volume().subpath = value.to_owned(),
            "volume-nocopy" => self.volume().no_copy = switch()?,
            "volume-label" => add(self.volume().labels.get_or_insert_default(), value),
            "volume-driver" => self.driver().name = value.to_owned(),
            "volume-opt" => add(self.driver().options.get_or_insert_default(), value),
            "image-subpath" => self.image().subpath = value.to_owned(),
            "tmpfs-size" => self.tmpfs().size_bytes = units::bytes::parse(value).map_err(|_| refused())?,
            "tmpfs-mode" => self.tmpfs().mode = u32::from_str_radix(value, 8).map_err(|_| refused())?,
            _ => return Err(format!("unexpected key '{key}' in '{field}'")),
        }
        Ok(())
    }

    fn set_recursion(&mut self, value: &str) -> Result<(), String> {
        match value {
            "enabled" => {}
            "disabled" => self.bind().non_recursive = true,
            "writable" => self.bind().read_only_non_recursive = true,
            "readonly" => self.bind().read_only_force_recursive = true,
            _ => {
                return Err(format!(
                    "invalid value for bind-recursive: {value} (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")"
                ));
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Mount, String> {
        let mount = self.mount;
        if mount.kind.is_empty() {
            return Err("type is required".to_owned());
        }
        if mount.target.is_empty() {
            return Err("target is required".to_owned());
        }
        let families = [
            ("volume", mount.volume_options.is_some()),
            ("image", mount.image_options.is_some()),
            ("bind", mount.bind_options.is_some()),
            ("tmpfs", mount.tmpfs_options.is_some()),
        ];
        if let Some((family, _)) =
            families.into_iter().find(|(family, is_set)| *is_set && *family != mount.kind)
        {
            return Err(format!("cannot mix '{family}-*' options with mount type '{}'", mount.kind));
        }
        let needs = |value: &str, what: &str| {
            Err(format!("option 'bind-recursive={value}' requires '{what}' to be specified in conjunction"))
        };
        match &mount.bind_options {
            Some(bind) if bind.read_only_non_recursive && !mount.read_only => needs("writable", "readonly"),
            Some(bind) if bind.read_only_force_recursive && !mount.read_only => needs("readonly", "readonly"),
            Some(bind) if bind.read_only_force_recursive && bind.propagation != "rprivate" => {
                needs("readonly", "bind-propagation=rprivate")
            }
            _ => Ok(mount),
        }
    }
}

fn add(map: &mut StringMap, pair: &str) {
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    if !key.is_empty() {
        map.insert(key.to_owned(), value.to_owned());
    }
}

/// Reads `type=bind,src=/a,dst=/b,…`.
fn parse_mount(text: &str) -> Result<Mount, String> {
    let mut draft = Draft { mount: Mount { kind: "volume".to_owned(), ..Mount::default() } };
    for field in split_csv(text)? {
        let (key, value) =
            field.split_once('=').map_or((field.as_str(), None), |(key, value)| (key, Some(value)));
        let key = key.to_lowercase();
        match value {
            Some(value) => draft.set(&key, value, &field)?,
            None => draft.set_bare(&key, &field)?,
        }
    }
    draft.finish()
}

pub(super) fn apply(typed: &Typed, wish: &mut Wish) -> Result<(), String> {
    let mut binds: Vec<String> = Vec::new();
    let mut volumes = StringSet::new();
    for text in typed.all("volume") {
        match parse_volume(text)? {
            Volume::Anonymous => drop(volumes.insert(text.to_owned(), Empty {})),
            Volume::Bound(bind) if binds.contains(&bind) => {}
            Volume::Bound(bind) => binds.push(bind),
        }
    }
    let tmpfs = typed.all("tmpfs").into_iter().map(|text| {
        let (path, options) = text.split_once(':').unwrap_or((text, ""));
        (path.to_owned(), options.to_owned())
    });
    wish.host.tmpfs = Some(tmpfs.collect());
    wish.host.binds = (!binds.is_empty()).then_some(binds);
    wish.config.volumes = Some(volumes);
    let mounts = typed.all("mount").into_iter().map(parse_mount).collect::<Result<Vec<_>, _>>()?;
    wish.host.mounts = (!mounts.is_empty()).then_some(mounts);
    wish.host.volumes_from = list(typed, "volumes-from");
    wish.host.volume_driver = typed.text("volume-driver").to_owned();
    Ok(())
}

pub(super) fn apply_storage(typed: &Typed, wish: &mut Wish) -> Result<(), String> {
    let options = typed.all("storage-opt");
    if options.iter().any(|option| !option.contains('=')) {
        return Err("invalid storage option".to_owned());
    }
    wish.host.storage_opt = Some(keyvalue::to_map(options));
    Ok(())
}
