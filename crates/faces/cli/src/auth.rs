//! Registry credentials for a call: from `config.json`, or from the program that keeps them.

use crate::config::{Config, StoredAuth};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine_api::auth::AuthConfig;
use reference::{DEFAULT_DOMAIN, Reference};
use serde::Deserialize;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// The name under which credentials of Docker's own registry are kept.
pub(crate) const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// The credentials for the registry of `image`; empty ones if none are kept.
pub(crate) fn for_image(config: &Config, image: &Reference) -> AuthConfig {
    let key = if image.domain() == DEFAULT_DOMAIN { DOCKER_HUB } else { image.domain() };
    for_registry(config, key)
}

/// The credentials kept under `key`.
pub(crate) fn for_registry(config: &Config, key: &str) -> AuthConfig {
    let keeper = config.cred_helpers.get(key).unwrap_or(&config.creds_store);
    if !keeper.is_empty() {
        return ask(keeper, key).unwrap_or_default();
    }
    let stored = config
        .auths
        .get_key_value(key)
        .or_else(|| config.auths.iter().find(|(registry, _)| hostname(registry) == key));
    stored.map(|(registry, stored)| decode(registry, stored)).unwrap_or_default()
}

/// `https://host/v1/` and `host/x` become `host`.
fn hostname(registry: &str) -> &str {
    let rest = registry.split_once("://").map_or(registry, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

fn decode(registry: &str, stored: &StoredAuth) -> AuthConfig {
    let bytes = STANDARD.decode(&stored.auth).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (username, password) = match text.split_once(':') {
        Some((username, password)) => (username.to_owned(), password.trim_end_matches('\0').to_owned()),
        None => (stored.username.clone(), stored.password.clone()),
    };
    AuthConfig {
        username,
        password,
        serveraddress: registry.to_owned(),
        identitytoken: stored.identitytoken.clone(),
        registrytoken: stored.registrytoken.clone(),
        ..AuthConfig::default()
    }
}

/// What a credential helper answers.
#[derive(Deserialize)]
struct Kept {
    #[serde(rename = "Username", default)]
    username: String,
    #[serde(rename = "Secret", default)]
    secret: String,
}

/// Asks `docker-credential-KEEPER get`.
fn ask(keeper: &str, key: &str) -> Option<AuthConfig> {
    #[expect(clippy::disallowed_methods, reason = "credential helpers are programs, by Docker's protocol")]
    let mut command = Command::new(format!("docker-credential-{keeper}"));
    let mut child =
        command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    child.stdin.take()?.write_all(key.as_bytes()).ok()?;
    let answer = child.wait_with_output().ok().filter(|answer| answer.status.success())?;
    let kept: Kept = serde_json::from_slice(&answer.stdout).ok()?;
    let mut auth = AuthConfig { serveraddress: key.to_owned(), ..AuthConfig::default() };
    if kept.username == "<token>" {
        auth.identitytoken = kept.secret;
    } else {
        (auth.username, auth.password) = (kept.username, kept.secret);
    }
    Some(auth)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let text = format!(
            r#"{{"auths": {{"localhost:5000": {{"auth": "{}"}}, "https://old.example/v1/": {{"auth": "{}"}}}}}}"#,
            STANDARD.encode("me:secret:x"),
            STANDARD.encode("old:pw"),
        );
        engine_api::json::decode(text.as_bytes()).unwrap()
    }

    #[test]
    fn credentials_are_found_by_registry() {
        let image = |name: &str| Reference::parse(name).unwrap();
        let found = for_image(&config(), &image("localhost:5000/a/b:1"));
        assert_eq!((found.username.as_str(), found.password.as_str()), ("me", "secret:x"));
        assert_eq!(found.serveraddress, "localhost:5000");
        assert_eq!(for_image(&config(), &image("old.example/x")).username, "old");
        assert_eq!(for_image(&config(), &image("busybox")), AuthConfig::default());
    }
}
