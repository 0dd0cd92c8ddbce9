//! The user's configuration: `~/.docker/config.json` and the contexts beside it, shared with Docker's client.

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What the commands use of `config.json`; the file may hold more.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Config {
    /// Credentials by registry.
    pub(crate) auths: BTreeMap<String, StoredAuth>,
    /// Headers for every call.
    #[serde(rename = "HttpHeaders")]
    pub(crate) http_headers: BTreeMap<String, String>,
    /// Default `--format` of `ps`.
    pub(crate) ps_format: String,
    /// Default `--format` of `images`.
    pub(crate) images_format: String,
    /// Default `--format` of `network ls`.
    pub(crate) networks_format: String,
    /// Default `--format` of `volume ls`.
    pub(crate) volumes_format: String,
    /// Default `--detach-keys`.
    pub(crate) detach_keys: String,
    /// The program that keeps credentials: `docker-credential-NAME`.
    pub(crate) creds_store: String,
    /// The same for single registries.
    pub(crate) cred_helpers: BTreeMap<String, String>,
    /// Proxies that containers get as variables, by the daemon's address or `default`.
    pub(crate) proxies: BTreeMap<String, Proxies>,
    /// The context in use.
    pub(crate) current_context: String,
}

/// One entry of `auths`.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StoredAuth {
    /// Base64 of `user:password`.
    pub(crate) auth: String,
    /// A token instead of the password.
    pub(crate) identitytoken: String,
    /// A token for the registry itself.
    pub(crate) registrytoken: String,
    /// The user, where it stands apart.
    pub(crate) username: String,
    /// The password, where it stands apart.
    pub(crate) password: String,
}

impl std::fmt::Debug for StoredAuth {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str("StoredAuth(…)")
    }
}

/// Proxies for containers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Proxies {
    http_proxy: String,
    https_proxy: String,
    no_proxy: String,
    ftp_proxy: String,
    all_proxy: String,
}

/// The folder of the configuration unless `--config` names another: `DOCKER_CONFIG` or `~/.docker`.
pub(crate) fn default_folder() -> PathBuf {
    match std::env::var_os("DOCKER_CONFIG").filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => home().join(".docker"),
    }
}

fn home() -> PathBuf {
    match std::env::var_os("HOME").filter(|home| !home.is_empty()) {
        Some(home) => PathBuf::from(home),
        None => home_of(
            &std::fs::read_to_string("/etc/passwd").unwrap_or_default(),
            rustix::process::getuid().as_raw(),
        ),
    }
}

fn home_of(passwd: &str, uid: u32) -> PathBuf {
    let fields = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let mut homes = fields.filter(|fields| fields.len() > 5 && fields[2] == uid.to_string());
    homes.next().map_or_else(|| PathBuf::from("/"), |fields| PathBuf::from(fields[5]))
}

impl Config {
    /// Reads `folder`'s `config.json`; a missing one is empty, a broken one too, with a warning to show.
    pub(crate) fn load(folder: &Path) -> (Config, Option<String>) {
        let path = folder.join("config.json");
        let Ok(text) = std::fs::read(&path) else { return (Config::default(), None) };
        match engine_api::json::decode(&text) {
            Ok(config) => (config, None),
            Err(error) => (
                Config::default(),
                Some(format!("WARNING: Error parsing config file ({}): {error}", path.display())),
            ),
        }
    }

    /// The variables that tell a container of the proxies for the daemon at `address`.
    pub(crate) fn proxy_variables(&self, address: &str) -> Vec<(String, String)> {
        let Some(proxies) = self.proxies.get(address).or_else(|| self.proxies.get("default")) else {
            return Vec::new();
        };
        let named = [
            ("HTTP_PROXY", &proxies.http_proxy),
            ("HTTPS_PROXY", &proxies.https_proxy),
            ("NO_PROXY", &proxies.no_proxy),
            ("FTP_PROXY", &proxies.ftp_proxy),
            ("ALL_PROXY", &proxies.all_proxy),
        ];
        let set = named.into_iter().filter(|(_, value)| !value.is_empty());
        set.flat_map(|(name, value)| [(name.to_owned(), value.clone()), (name.to_lowercase(), value.clone())])
            .collect()
    }
}

/// Why a context cannot be used, in Docker's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ContextError {
    /// No such context.
    #[error("context \"{name}\": context not found: open {path}: no such file or directory")]
    NotFound {
        /// Its name.
        name: String,
        /// The file that would describe it.
        path: String,
    },
    /// Its file says nothing of an engine.
    #[error("context \"{0}\": no docker endpoint configured")]
    NoEndpoint(String),
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "Endpoints", default)]
    endpoints: BTreeMap<String, Endpoint>,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(rename = "Host", default)]
    host: String,
}

/// The address that the context `name` stands for.
pub(crate) fn context_address(folder: &Path, name: &str) -> Result<String, ContextError> {
    let digest: String = Sha256::digest(name.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let path = folder.join("contexts/meta").join(digest).join("meta.json");
    let Ok(text) = std::fs::read(&path) else {
        return Err(ContextError::NotFound { name: name.to_owned(), path: path.display().to_string() });
    };
    let meta: Option<Meta> = serde_json::from_slice(&text).ok();
    let host = meta.and_then(|mut meta| meta.endpoints.remove("docker")).map(|endpoint| endpoint.host);
    host.filter(|host| !host.is_empty()).ok_or_else(|| ContextError::NoEndpoint(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_file_is_reported_and_empty() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Config::load(folder.path()).1.is_none());
        std::fs::write(folder.path().join("config.json"), "{x").unwrap();
        let (config, warning) = Config::load(folder.path());
        assert!(config.auths.is_empty());
        assert!(warning.unwrap().starts_with("WARNING: Error parsing config file ("));
    }

    #[test]
    fn proxies_become_variables_in_both_cases() {
        let text = br#"{"proxies": {"default": {"httpProxy": "http://p"}, "unix:///x": {"noProxy": "a"}}, "other": 1}"#;
        let config: Config = engine_api::json::decode(text).unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            config.proxy_variables("tcp://y"),
            [pair("HTTP_PROXY", "http://p"), pair("http_proxy", "http://p")]
        );
        assert_eq!(config.proxy_variables("unix:///x"), [pair("NO_PROXY", "a"), pair("no_proxy", "a")]);
    }

    #[test]
    fn contexts_are_found_by_the_digest_of_their_name() {
        let folder = tempfile::tempdir().unwrap();
        let missing = context_address(folder.path(), "foo").unwrap_err().to_string();
        assert!(
            missing
                .contains("meta/2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae/meta.json")
        );
        let meta = folder
            .path()
            .join("contexts/meta/2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae");
        std::fs::create_dir_all(&meta).unwrap();
        std::fs::write(
            meta.join("meta.json"),
            r#"{"Name":"foo","Endpoints":{"docker":{"Host":"tcp://x:1"}}}"#,
        )
        .unwrap();
        assert_eq!(context_address(folder.path(), "foo").unwrap(), "tcp://x:1");
    }

    #[test]
    fn homes_come_from_the_list_of_users() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nme:x:1000:1000::/home/me:/bin/sh\n";
        assert_eq!(home_of(passwd, 1000), Path::new("/home/me"));
        assert_eq!(home_of(passwd, 7), Path::new("/"));
    }
}
