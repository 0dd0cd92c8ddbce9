//! `GET /version`.

use engine_api::StringMap;
use engine_api::system::{ComponentVersion, PlatformName, SystemVersion};
use engine_api::version::{DOCKER_VERSION, MAX, MIN};

use crate::Engine;

impl Engine {
    /// Versions of the engine and its parts. `Version` is the Docker release that the API follows, since clients
    /// compare it; Gantry's own stands with its component.
    #[must_use]
    pub fn version(&self) -> SystemVersion {
        let build = &self.shared.config.build;
        let kernel = kernel_release();
        let details = |pairs: &[(&str, &str)]| {
            Some(
                pairs
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect::<StringMap>(),
            )
        };
        let component = |name: &str, version: &str, details| ComponentVersion {
            name: name.to_owned(),
            version: version.to_owned(),
            details,
        };
        let experimental = self.shared.config.experimental.to_string();
        let engine = details(&[
            ("ApiVersion", &MAX.to_string()),
            ("Arch", architecture()),
            ("BuildTime", &build.time),
            ("Experimental", &experimental),
            ("GitCommit", &build.commit),
            ("GoVersion", "none"),
            ("KernelVersion", &kernel),
            ("MinAPIVersion", &MIN.to_string()),
            ("Os", "linux"),
        ]);
        // One binary plays every part; clients look for these names.
        let part = || details(&[("GitCommit", build.commit.as_str())]);
        SystemVersion {
            platform: PlatformName { name: "Gantry".to_owned() },
            components: vec![
                component("Engine", DOCKER_VERSION, engine),
                component("gantry", &build.version, part()),
                component("gantry-shim", &build.version, part()),
                component("runc", &build.version, part()),
            ],
            version: DOCKER_VERSION.to_owned(),
            api_version: MAX.to_string(),
            min_api_version: MIN.to_string(),
            git_commit: build.commit.clone(),
            go_version: "none".to_owned(),
            os: "linux".to_owned(),
            arch: architecture().to_owned(),
            kernel_version: kernel,
            experimental: self.shared.config.experimental,
            build_time: build.time.clone(),
        }
    }
}

/// The kernel's own version.
pub(super) fn kernel_release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// The architecture in Go's words.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
