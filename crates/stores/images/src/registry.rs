//! Talking to registries by the distribution protocol: finding them, trusting them, proving who asks.
//!
//! ```text
//!  name ─▶ endpoints (mirrors, https, http if insecure) ─▶ GET /v2/ ─▶ challenge ─▶ token or password
//!       ─▶ HEAD and GET manifests ─▶ GET blobs, redirects followed without the proof
//! ```
//!
//! Names are resolved here and not by the C library: a static program cannot load its resolver's plug-ins.

mod auth;
mod connect;
mod endpoint;
mod failure;
mod http;
mod repository;
mod resolve;
mod tls;
mod url;

pub(crate) use endpoint::endpoints;
pub use endpoint::{Mirror, MirrorError};
pub use failure::RegistryError;
pub(crate) use repository::{BlobStream, Document, Repository};

use std::path::PathBuf;

/// Which registries are trusted how; read from the daemon's settings.
#[derive(Debug, Clone)]
pub struct RegistryConfig {
    /// Hosts (`name:port`) and networks (`10.0.0.0/8`) that may answer without TLS or with any certificate.
    /// The loopback networks are always among them.
    pub insecure: Vec<String>,
    /// Mirrors of Docker Hub, tried first.
    pub mirrors: Vec<Mirror>,
    /// The folder with a folder of certificates per `name:port`.
    pub certificates: PathBuf,
    /// What we call ourselves.
    pub user_agent: String,
    /// Layers that one pull fetches at the same time.
    pub concurrent_downloads: usize,
    /// How often a broken transfer is tried.
    pub download_attempts: u32,
}

impl Default for RegistryConfig {
    fn default() -> RegistryConfig {
        RegistryConfig {
            insecure: Vec::new(),
            mirrors: Vec::new(),
            certificates: PathBuf::from("/etc/docker/certs.d"),
            user_agent: concat!("gantry/", env!("CARGO_PKG_VERSION")).to_owned(),
            concurrent_downloads: 3,
            download_attempts: 5,
        }
    }
}

/// Asks the registry of `domain` whether it lets `credentials` in.
///
/// # Errors
/// [`RegistryError`] when it refuses, or none of its servers can be reached.
pub async fn login(
    domain: &str,
    credentials: &Credentials,
    config: &RegistryConfig,
) -> Result<(), RegistryError> {
    let mut last = RegistryError::Status("no server".to_owned());
    for endpoint in endpoints(domain, config).await.into_iter().filter(|endpoint| !endpoint.is_mirror) {
        let outcome = match Repository::open(&endpoint, "", credentials.clone(), config).await {
            Ok(repository) => repository.knock().await,
            Err(error) => Err(error),
        };
        match outcome {
            Err(error) if error.is_transport() => last = error,
            other => return other,
        }
    }
    Err(last)
}

/// Who asks. Never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Nobody in particular.
    #[default]
    Anonymous,
    /// A name and a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// A token that the token server changes for others.
    Identity(String),
    /// A token to show as it is.
    Bearer(String),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Credentials::Anonymous => "Anonymous",
            Credentials::Password { .. } => "Password",
            Credentials::Identity(_) => "Identity",
            Credentials::Bearer(_) => "Bearer",
        })
    }
}
