//! Registry credentials: the `X-Registry-Auth` header and `POST /auth`.
#![expect(missing_docs, reason = "the fields are those of the Engine API document, which describes them")]

use crate::is_zero;
use base64::Engine as _;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Engine API `AuthConfig`. Its `Debug` shows no secret.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthConfig {
    #[serde(skip_serializing_if = "is_zero")]
    pub username: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub password: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub auth: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub email: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub serveraddress: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub identitytoken: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub registrytoken: String,
}

impl fmt::Debug for AuthConfig {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("AuthConfig")
            .field("username", &self.username)
            .field("serveraddress", &self.serveraddress)
            .finish_non_exhaustive()
    }
}

impl AuthConfig {
    /// Reads an `X-Registry-Auth` header: URL-safe base64 of JSON. `None` for a broken one.
    pub fn from_header(text: &str) -> Option<AuthConfig> {
        let trimmed = text.trim_end_matches('=');
        let url_safe = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let standard = base64::engine::general_purpose::STANDARD_NO_PAD;
        let bytes = url_safe.decode(trimmed).or_else(|_| standard.decode(trimmed)).ok()?;
        if bytes.is_empty() {
            return Some(AuthConfig::default());
        }
        crate::json::decode(&bytes).ok()
    }

    /// Writes the `X-Registry-Auth` header.
    pub fn to_header(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default();
        base64::engine::general_purpose::URL_SAFE.encode(json)
    }
}

/// The answer of `POST /auth`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AuthResponse {
    pub identity_token: String,
    pub status: String,
}
