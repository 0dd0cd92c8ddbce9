//! Profiles in moby's JSON: rules that depend on capabilities, architecture and kernel.
//!
//! `default.json` is Docker's default profile: moby/profiles, seccomp/default.json, Apache-2.0, unchanged.

use oci_spec::runtime::{Action, ArgFilter, Seccomp, SyscallRule};
use serde::{Deserialize, Deserializer};

use super::{Arch, SeccompError};

const DEFAULT: &str = include_str!("default.json");

/// What a profile's conditions are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host<'a> {
    /// The container's bounding capabilities, by name.
    pub capabilities: &'a [String],
    /// The architecture of the kernel.
    pub arch: Arch,
    /// The kernel's version, as 6 and 18 of 6.18.
    pub kernel: (u32, u32),
}

impl<'a> Host<'a> {
    /// This host, for a container with these bounding capabilities.
    #[must_use]
    pub fn here(capabilities: &'a [String]) -> Self {
        let uname = rustix::system::uname();
        let kernel = uname.release().to_str().ok().and_then(parse_version).unwrap_or((0, 0));
        Self { capabilities, arch: Arch::NATIVE, kernel }
    }
}

/// Reads `6.18.44-x` as (6, 18).
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|letter: char| !letter.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// A profile as a file holds it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    default_action: Action,
    default_errno_ret: Option<u32>,
    #[serde(default, deserialize_with = "or_default")]
    architectures: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    arch_map: Vec<ArchEntry>,
    flags: Option<Vec<String>>,
    #[serde(default, deserialize_with = "or_default")]
    listener_path: String,
    #[serde(default, deserialize_with = "or_default")]
    listener_metadata: String,
    #[serde(default, deserialize_with = "or_default")]
    syscalls: Vec<Rule>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArchEntry {
    architecture: String,
    #[serde(default, deserialize_with = "or_default")]
    sub_architectures: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    names: Vec<String>,
    action: Action,
    errno_ret: Option<u32>,
    #[serde(default, deserialize_with = "or_default")]
    args: Vec<ArgFilter>,
    #[serde(default, deserialize_with = "or_default")]
    includes: Condition,
    #[serde(default, deserialize_with = "or_default")]
    excludes: Condition,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    #[serde(default, deserialize_with = "or_default")]
    caps: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    arches: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    min_kernel: String,
}

fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

impl Condition {
    fn has_kernel(&self, host: &Host<'_>) -> Result<bool, SeccompError> {
        let wanted = parse_version(&self.min_kernel)
            .ok_or_else(|| SeccompError::Invalid(format!("invalid kernel version {:?}", self.min_kernel)))?;
        Ok(host.kernel >= wanted)
    }

    /// Whether every part that is given holds.
    fn includes(&self, host: &Host<'_>) -> Result<bool, SeccompError> {
        let arch = self.arches.is_empty() || self.arches.iter().any(|arch| arch == host.arch.go_name());
        let caps = self.caps.iter().all(|cap| host.capabilities.contains(cap));
        Ok(arch && caps && (self.min_kernel.is_empty() || self.has_kernel(host)?))
    }

    /// Whether any part that is given holds.
    fn excludes(&self, host: &Host<'_>) -> Result<bool, SeccompError> {
        let arch = self.arches.iter().any(|arch| arch == host.arch.go_name());
        let caps = self.caps.iter().any(|cap| host.capabilities.contains(cap));
        Ok(arch || caps || (!self.min_kernel.is_empty() && self.has_kernel(host)?))
    }
}

impl Profile {
    /// Docker's default profile.
    ///
    /// # Errors
    /// None: it is part of the program.
    pub fn docker_default() -> Result<Self, SeccompError> {
        Self::parse(DEFAULT)
    }

    /// Reads a profile.
    ///
    /// # Errors
    /// [`SeccompError::Syntax`]; [`SeccompError::Invalid`] for fields that exclude each other.
    pub fn parse(json: &str) -> Result<Self, SeccompError> {
        let profile: Self = serde_json::from_str(json)?;
        let refuse = |text: &str| Err(SeccompError::Invalid(text.to_owned()));
        if !profile.architectures.is_empty() && !profile.arch_map.is_empty() {
            return refuse(
                "both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'",
            );
        }
        if profile.syscalls.iter().any(|rule| !rule.name.is_empty() && !rule.names.is_empty()) {
            return refuse(
                "both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'",
            );
        }
        Ok(profile)
    }

    /// The rules that hold on `host`.
    ///
    /// # Errors
    /// [`SeccompError::Invalid`] for kernel versions that are none.
    pub fn resolve(&self, host: &Host<'_>) -> Result<Seccomp, SeccompError> {
        let mut architectures = self.architectures.clone();
        if let Some(entry) = self.arch_map.iter().find(|entry| entry.architecture == host.arch.scmp()) {
            architectures.push(entry.architecture.clone());
            architectures.extend(entry.sub_architectures.iter().cloned());
        }
        let mut syscalls = Vec::new();
        for rule in &self.syscalls {
            if rule.excludes.excludes(host)? || !rule.includes.includes(host)? {
                continue;
            }
            let names = if rule.name.is_empty() { rule.names.clone() } else { vec![rule.name.clone()] };
            syscalls.push(SyscallRule {
                names,
                action: rule.action,
                errno_ret: rule.errno_ret,
                args: rule.args.clone(),
            });
        }
        Ok(Seccomp {
            default_action: self.default_action,
            default_errno_ret: self.default_errno_ret,
            architectures,
            flags: self.flags.clone(),
            listener_path: self.listener_path.clone(),
            listener_metadata: self.listener_metadata.clone(),
            syscalls,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_for(caps: &[&str], kernel: (u32, u32)) -> Vec<String> {
        let capabilities: Vec<_> = caps.iter().map(ToString::to_string).collect();
        let host = Host { capabilities: &capabilities, arch: Arch::X86_64, kernel };
        let rules = Profile::docker_default().unwrap().resolve(&host).unwrap().syscalls;
        rules
            .into_iter()
            .filter(|rule| rule.action == Action::Allow && rule.args.is_empty())
            .flat_map(|rule| rule.names)
            .collect()
    }

    #[test]
    fn capabilities_open_their_calls() {
        let has = |caps: &[&str], name: &str| names_for(caps, (6, 1)).iter().any(|own| own == name);
        assert!(!has(&[], "mount") && has(&["CAP_SYS_ADMIN"], "mount"));
        assert!(!has(&[], "reboot") && has(&["CAP_SYS_BOOT"], "reboot"));
        assert!(!has(&[], "clone3") && has(&["CAP_SYS_ADMIN"], "clone3"));
        assert!(has(&[], "arch_prctl") && !has(&[], "arm_fadvise64_64"));
    }

    #[test]
    fn an_old_kernel_keeps_ptrace_closed() {
        assert!(!names_for(&[], (4, 7)).contains(&"ptrace".to_owned()));
        assert!(names_for(&[], (4, 8)).contains(&"ptrace".to_owned()));
    }

    #[test]
    fn the_sub_architectures_follow_the_main_one() {
        let seccomp = Profile::docker_default().unwrap().resolve(&Host::here(&[])).unwrap();
        if Arch::NATIVE == Arch::X86_64 {
            assert_eq!(seccomp.architectures, ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]);
        }
    }

    #[test]
    fn contradictions_and_nonsense_are_refused() {
        let refused = |json: &str| Profile::parse(json).unwrap_err().to_string();
        assert!(refused("{").starts_with("Decoding seccomp profile failed: "));
        assert!(refused(r#"{"defaultAction": "SCMP_ACT_NONE"}"#).contains("SCMP_ACT_NONE"));
        let both = r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["a"], "archMap": [{"architecture": "b"}]}"#;
        assert!(refused(both).starts_with("both 'architectures' and 'archMap'"));
        let both = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"name": "a", "names": ["b"], "action": "SCMP_ACT_ALLOW"}]}"#;
        assert!(refused(both).starts_with("both 'name' and 'names'"));
    }

    #[test]
    fn versions_are_read_from_release_names() {
        assert_eq!(parse_version("6.18.44-fc-v657"), Some((6, 18)));
        assert_eq!(parse_version("4.8"), Some((4, 8)));
        assert_eq!(parse_version("x"), None);
    }
}
