//! What its processes may do.

use super::Wish;
use crate::keyvalue::{self, open_error};
use engine_api::container::StrSlice;
use flags::{Flag, Typed, quote};
use std::collections::BTreeSet;
use std::path::Path;

pub(super) const FLAGS: &[Flag] = &[
    Flag::list("cap-add", "Add Linux capabilities"),
    Flag::list("cap-drop", "Drop Linux capabilities"),
    Flag::switch("privileged", "Give extended privileges to this container"),
    Flag::switch("read-only", "Mount the container's root filesystem as read only"),
    Flag::list("security-opt", "Security Options"),
    Flag::other("sysctl", "map", check_sysctl, "Sysctl options").default("map[]"),
];

const SYSCTLS: &[&str] = &[
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

fn check_sysctl(text: &str) -> Result<(), String> {
    let is_allowed = text.split_once('=').is_some_and(|(name, _)| {
        SYSCTLS.contains(&name) || name.starts_with("net.") || name.starts_with("fs.mqueue.")
    });
    if is_allowed { Ok(()) } else { Err(format!("sysctl '{text}' is not allowed")) }
}

/// One `--security-opt`; a seccomp profile's file is replaced by its content.
fn parse_option(text: &str) -> Result<String, String> {
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None if text == "no-new-privileges" => (text, None),
        None => text.split_once(':').map_or((text, None), |(key, value)| (key, Some(value))),
    };
    if key != "no-new-privileges" && value.is_none_or(str::is_empty) {
        return Err(format!("Invalid --security-opt: {}", quote(text)));
    }
    match (key, value) {
        ("seccomp", Some(path)) if !matches!(path, "builtin" | "unconfined") => {
            let bytes = std::fs::read(path).map_err(|error| {
                format!("opening seccomp profile ({path}) failed: {}", open_error(Path::new(path), &error))
            })?;
            let profile: serde_json::Value = serde_json::from_slice(&bytes)
                .map_err(|error| format!("compacting json for seccomp profile ({path}) failed: {error}"))?;
            Ok(format!("seccomp={profile}"))
        }
        _ => Ok(text.to_owned()),
    }
}

/// The capabilities that a flag names, in normal form (`CAP_NET_RAW`, `ALL`), each once and sorted.
fn capabilities(typed: &Typed, flag: &str) -> Option<StrSlice> {
    let normal = |name: &str| match name.to_uppercase() {
        name if name == "ALL" || name.starts_with("CAP_") => name,
        name => format!("CAP_{name}"),
    };
    let names: BTreeSet<String> = typed.all(flag).into_iter().map(normal).collect();
    (!names.is_empty()).then(|| StrSlice(names.into_iter().collect()))
}

pub(super) fn apply(typed: &Typed, wish: &mut Wish) -> Result<(), String> {
    let options: Vec<String> =
        typed.all("security-opt").into_iter().map(parse_option).collect::<Result<_, _>>()?;
    let host = &mut wish.host;
    let (paths, options): (Vec<String>, Vec<String>) =
        options.into_iter().partition(|option| option == "systempaths=unconfined");
    if !paths.is_empty() {
        (host.masked_paths, host.readonly_paths) = (Some(Vec::new()), Some(Vec::new()));
    }
    host.security_opt = (!options.is_empty() || !paths.is_empty()).then_some(options);
    host.cap_add = capabilities(typed, "cap-add");
    host.cap_drop = capabilities(typed, "cap-drop");
    host.privileged = typed.is_on("privileged");
    host.readonly_rootfs = typed.is_on("read-only");
    host.sysctls = Some(keyvalue::to_map(typed.all("sysctl")));
    Ok(())
}
