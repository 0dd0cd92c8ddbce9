//! Platforms: what an image runs on, written `os/architecture[/variant]`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An operating system and a processor, in Go's names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// The processor, such as `amd64` or `arm64`.
    #[serde(default)]
    pub architecture: String,
    /// The operating system, such as `linux`.
    #[serde(default)]
    pub os: String,
    /// The system's version, for Windows.
    #[serde(rename = "os.version", default, skip_serializing_if = "String::is_empty")]
    pub os_version: String,
    /// Features that the system must have, for Windows.
    #[serde(rename = "os.features", default, skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
    /// The processor's variant, such as `v8`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

/// Why a text is not a platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    /// An element holds a character that none may hold.
    #[error(
        "\"{part}\" is an invalid component of \"{whole}\": platform specifier component must match \"^[A-Za-z0-9_.-]+$\": invalid argument"
    )]
    Component {
        /// The offending element.
        part: String,
        /// What was given.
        whole: String,
    },
    /// A single element that is neither a known system nor a known processor.
    #[error("\"{0}\": unknown operating system or architecture: invalid argument")]
    Unknown(String),
    /// Four elements or more.
    #[error("\"{0}\": cannot parse platform specifier: invalid argument")]
    Shape(String),
}

impl Platform {
    /// A platform of these parts, in normal form.
    pub fn new(os: &str, architecture: &str, variant: &str) -> Platform {
        let os = match os.to_ascii_lowercase().as_str() {
            "macos" => "darwin".to_owned(),
            other => other.to_owned(),
        };
        let (architecture, variant) = normal_architecture(architecture, variant);
        Platform { architecture, os, variant, ..Platform::default() }
    }

    /// What this program was built for: the platform of the containers that it starts.
    pub fn host() -> Platform {
        Platform::new("linux", std::env::consts::ARCH, "")
    }

    /// Parses `os/architecture[/variant]`, or one of the first two alone, filled up from the host.
    pub fn parse(text: &str) -> Result<Platform, PlatformError> {
        let parts: Vec<&str> = text.split('/').collect();
        let is_valid = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
        };
        if let Some(part) = parts.iter().find(|part| !is_valid(part)) {
            return Err(PlatformError::Component { part: (*part).to_owned(), whole: text.to_owned() });
        }
        match parts.as_slice() {
            [one] if is_system(&one.to_ascii_lowercase()) => {
                let host = Platform::host();
                Ok(Platform::new(one, &host.architecture, &host.variant))
            }
            [one] if is_architecture(&normal_architecture(one, "").0) => Ok(Platform::new("linux", one, "")),
            [_] => Err(PlatformError::Unknown(text.to_owned())),
            [os, architecture] => Ok(Platform::new(os, architecture, "")),
            [os, architecture, variant] => Ok(Platform::new(os, architecture, variant)),
            _ => Err(PlatformError::Shape(text.to_owned())),
        }
    }

    /// The same in normal form; documents may spell `x86_64` or leave arm's variant out.
    pub fn normal(&self) -> Platform {
        Platform {
            os_version: self.os_version.clone(),
            os_features: self.os_features.clone(),
            ..Platform::new(&self.os, &self.architecture, &self.variant)
        }
    }

    /// How well content for `offered` runs where `self` is wanted: `None` not at all, 0 best.
    ///
    /// A 64-bit processor also runs what was made for its 32-bit mode, and newer variants run older ones.
    pub fn rank(&self, offered: &Platform) -> Option<usize> {
        let (wanted, offered) = (self.normal(), offered.normal());
        if wanted.os != offered.os {
            return None;
        }
        wanted.compatible().iter().position(|(architecture, variant)| {
            offered.architecture == *architecture && offered.variant == *variant
        })
    }

    fn compatible(&self) -> Vec<(&str, &str)> {
        let mut list = vec![(self.architecture.as_str(), self.variant.as_str())];
        match (self.architecture.as_str(), self.variant.as_str()) {
            ("amd64", variant) => {
                list.extend(
                    ["v4", "v3", "v2", ""].into_iter().filter(|v| *v < variant).map(|v| ("amd64", v)),
                );
                list.push(("386", ""));
            }
            ("arm64", variant) => {
                if !variant.is_empty() {
                    list.push(("arm64", ""));
                }
                list.extend([("arm", "v8"), ("arm", "v7"), ("arm", "v6"), ("arm", "v5")]);
            }
            ("arm", variant) => {
                list.extend(["v7", "v6", "v5"].into_iter().filter(|v| *v < variant).map(|v| ("arm", v)));
            }
            _ => {}
        }
        list
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.os, self.architecture)?;
        match self.variant.is_empty() {
            true => Ok(()),
            false => write!(formatter, "/{}", self.variant),
        }
    }
}

fn normal_architecture(architecture: &str, variant: &str) -> (String, String) {
    let (architecture, variant) = (architecture.to_ascii_lowercase(), variant.to_ascii_lowercase());
    let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
        ("i386" | "x86" | "i686", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64", variant) => ("amd64", variant),
        ("aarch64" | "arm64", "8" | "v8") => ("arm64", ""),
        ("aarch64", variant) => ("arm64", variant),
        ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
        ("armel", _) | ("arm", "6") => ("arm", "v6"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "8") => ("arm", "v8"),
        (architecture, variant) => (architecture, variant),
    };
    (architecture.to_owned(), variant.to_owned())
}

fn is_system(text: &str) -> bool {
    const SYSTEMS: &[&str] = &[
        "aix",
        "android",
        "darwin",
        "dragonfly",
        "freebsd",
        "hurd",
        "illumos",
        "ios",
        "js",
        "linux",
        "macos",
        "nacl",
        "netbsd",
        "openbsd",
        "plan9",
        "solaris",
        "windows",
        "zos",
    ];
    SYSTEMS.contains(&text)
}

fn is_architecture(text: &str) -> bool {
    const PROCESSORS: &[&str] = &[
        "386",
        "amd64",
        "amd64p32",
        "arm",
        "armbe",
        "arm64",
        "arm64be",
        "ppc64",
        "ppc64le",
        "loong64",
        "mips",
        "mipsle",
        "mips64",
        "mips64le",
        "mips64p32",
        "mips64p32le",
        "ppc",
        "riscv",
        "riscv64",
        "s390",
        "s390x",
        "sparc",
        "sparc64",
        "wasm",
    ];
    PROCESSORS.contains(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_have_a_normal_form() {
        for (text, expected) in [
            ("linux/amd64", "linux/amd64"),
            ("Linux/x86_64", "linux/amd64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("armhf", "linux/arm/v7"),
            ("windows/amd64", "windows/amd64"),
        ] {
            assert_eq!(Platform::parse(text).unwrap().to_string(), expected);
        }
        assert!(matches!(Platform::parse("nonsense"), Err(PlatformError::Unknown(_))));
        assert!(matches!(Platform::parse("linux/a b"), Err(PlatformError::Component { .. })));
        assert!(matches!(Platform::parse("a/b/c/d"), Err(PlatformError::Shape(_))));
    }

    #[test]
    fn the_nearest_platform_ranks_first() {
        let wanted = Platform::parse("linux/amd64").unwrap();
        let rank = |text: &str| wanted.rank(&Platform::parse(text).unwrap());
        assert_eq!(rank("linux/amd64"), Some(0));
        assert_eq!(rank("linux/386"), Some(1));
        assert_eq!(rank("linux/arm64"), None);
        assert_eq!(rank("windows/amd64"), None);
        let newer = Platform::parse("linux/amd64/v3").unwrap();
        assert_eq!(newer.rank(&wanted), Some(2));
        assert_eq!(wanted.rank(&newer), None);
    }
}
