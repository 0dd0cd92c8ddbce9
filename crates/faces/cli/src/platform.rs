//! `--platform`: `os[/arch[/variant]]`, brought to its normal form.

use serde_json::{Value, json};

/// A platform in normal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Platform {
    os: String,
    architecture: String,
    variant: String,
}

impl Platform {
    /// Reads `linux/arm64/v8`, `linux`, `arm64`.
    ///
    /// # Errors
    /// In the words of Docker's client.
    pub(crate) fn parse(text: &str) -> Result<Platform, String> {
        if text.contains('*') {
            return Err(format!("\"{text}\": wildcards not yet supported: invalid argument"));
        }
        let parts: Vec<&str> = text.split('/').collect();
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if let Some(bad) = parts.iter().find(|part| part.is_empty() || !part.chars().all(is_word)) {
            return Err(format!(
                "\"{bad}\" is an invalid component of \"{text}\": platform specifier component must match \"^[A-Za-z0-9_.-]+$\": invalid argument"
            ));
        }
        let (os, architecture, variant) = match parts.as_slice() {
            [one] if is_os(one) => (normal_os(one), host_architecture().to_owned(), String::new()),
            [one] => {
                let (architecture, variant) = normal_architecture(one, "");
                if !is_architecture(&architecture) {
                    return Err(format!(
                        "\"{text}\": unknown operating system or architecture: invalid argument"
                    ));
                }
                ("linux".to_owned(), architecture, variant)
            }
            [os, architecture] => {
                let (architecture, variant) = normal_architecture(architecture, "");
                (normal_os(os), architecture, variant)
            }
            [os, architecture, variant] => {
                let (architecture, variant) = normal_architecture(architecture, variant);
                // Said in full, it stays said.
                let variant =
                    if architecture == "arm64" && variant.is_empty() { "v8".to_owned() } else { variant };
                (normal_os(os), architecture, variant)
            }
            _ => return Err(format!("\"{text}\": cannot parse platform specifier: invalid argument")),
        };
        Ok(Platform { os, architecture, variant })
    }

    /// `linux/arm64/v8`, as calls to create take it.
    pub(crate) fn path(&self) -> String {
        let parts = [&self.os, &self.architecture, &self.variant];
        parts.into_iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join("/")
    }

    /// The document that calls about images take.
    pub(crate) fn json(&self) -> String {
        let mut value = json!({"architecture": self.architecture, "os": self.os});
        if !self.variant.is_empty() {
            value["variant"] = Value::from(self.variant.as_str());
        }
        value.to_string()
    }
}

fn is_os(text: &str) -> bool {
    matches!(
        text.to_lowercase().as_str(),
        "aix"
            | "android"
            | "darwin"
            | "macos"
            | "dragonfly"
            | "freebsd"
            | "hurd"
            | "illumos"
            | "ios"
            | "js"
            | "linux"
            | "nacl"
            | "netbsd"
            | "openbsd"
            | "plan9"
            | "solaris"
            | "windows"
            | "zos"
    )
}

fn normal_os(text: &str) -> String {
    match text.to_lowercase().as_str() {
        "macos" => "darwin".to_owned(),
        other => other.to_owned(),
    }
}

fn is_architecture(text: &str) -> bool {
    matches!(
        text,
        "386"
            | "amd64"
            | "arm"
            | "arm64"
            | "loong64"
            | "mips"
            | "mipsle"
            | "mips64"
            | "mips64le"
            | "ppc"
            | "ppc64"
            | "ppc64le"
            | "riscv"
            | "riscv64"
            | "s390"
            | "s390x"
            | "sparc"
            | "sparc64"
            | "wasm"
    )
}

fn normal_architecture(architecture: &str, variant: &str) -> (String, String) {
    let (architecture, variant) = (architecture.to_lowercase(), variant.to_lowercase());
    let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
        ("i386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64", variant) => ("amd64", variant),
        ("aarch64" | "arm64", "8" | "v8") => ("arm64", ""),
        ("aarch64", variant) => ("arm64", variant),
        ("armhf", _) => ("arm", "v7"),
        ("armel", _) => ("arm", "v6"),
        ("arm", "" | "7") => ("arm", "v7"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "6") => ("arm", "v6"),
        ("arm", "8") => ("arm", "v8"),
        other => other,
    };
    (architecture.to_owned(), variant.to_owned())
}

fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_have_one_normal_form() {
        let path = |text: &str| Platform::parse(text).map(|platform| platform.path());
        assert_eq!(path("linux/x86_64").unwrap(), "linux/amd64");
        assert_eq!(path("Linux/ARM64/8").unwrap(), "linux/arm64/v8");
        assert_eq!(path("armhf").unwrap(), "linux/arm/v7");
        assert_eq!(path("linux").unwrap(), format!("linux/{}", host_architecture()));
        assert_eq!(
            path("foo").unwrap_err(),
            "\"foo\": unknown operating system or architecture: invalid argument"
        );
        assert!(path("linux/a/b/c").is_err());
        assert!(path("linux//x").is_err());
        assert_eq!(
            Platform::parse("linux/arm/6").unwrap().json(),
            r#"{"architecture":"arm","os":"linux","variant":"v6"}"#
        );
    }
}
