//! Challenges and the proofs that answer them. RFC 9110 §11, distribution protocol "Token authentication".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::Credentials;
use super::failure::{RegistryError, read_failure};
use super::http::{Client, Outgoing};
use super::url::Url;

/// What a server wants to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) scheme: Scheme,
    parameters: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Basic,
    Bearer,
    Other,
}

impl Challenge {
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Reads all `WWW-Authenticate` headers, one challenge each, as registries send them.
    pub(super) fn read(headers: &HeaderMap) -> Vec<Challenge> {
        let values = headers.get_all("www-authenticate").into_iter();
        values.filter_map(|value| value.to_str().ok()).filter_map(Challenge::parse).collect()
    }

    fn parse(text: &str) -> Option<Challenge> {
        let (scheme, mut rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "" => return None,
            "basic" => Scheme::Basic,
            "bearer" => Scheme::Bearer,
            _ => Scheme::Other,
        };
        let mut parameters = Vec::new();
        while let Some((key, after)) = rest.split_once('=') {
            let key = key.trim_matches([' ', ',']).to_ascii_lowercase();
            let (value, after) = match after.trim_start().strip_prefix('"') {
                Some(quoted) => unquote(quoted),
                None => {
                    let (value, after) = after.split_once(',').unwrap_or((after, ""));
                    (value.trim().to_owned(), after)
                }
            };
            parameters.push((key, value));
            rest = after;
        }
        Some(Challenge { scheme, parameters })
    }
}

fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(letters.next().map(|(_, letter)| letter)),
            letter => value.push(letter),
        }
    }
    (value, "")
}

/// What may go into a query unescaped.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

fn encode(text: &str) -> String {
    utf8_percent_encode(text, QUERY).to_string()
}

/// Answers the challenges of a server; nothing if it wants nothing that we know.
pub(super) async fn prove(
    client: &Client,
    challenges: &[Challenge],
    credentials: &Credentials,
    scope: &str,
    why: &Outgoing,
) -> Result<Option<HeaderValue>, RegistryError> {
    if let Some(challenge) = challenges.iter().find(|challenge| challenge.scheme == Scheme::Bearer) {
        let token = match credentials {
            Credentials::Bearer(token) => token.clone(),
            _ => fetch_token(client, challenge, credentials, scope, why).await?,
        };
        return secret(&format!("Bearer {token}"), why).map(Some);
    }
    if challenges.iter().any(|challenge| challenge.scheme == Scheme::Basic) {
        return match credentials {
            Credentials::Password { user, password } if !user.is_empty() => {
                secret(&basic(user, password), why).map(Some)
            }
            _ => Err(refusal(why, "no basic auth credentials")),
        };
    }
    Ok(None)
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn secret(text: &str, why: &Outgoing) -> Result<HeaderValue, RegistryError> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| refusal(why, "the credentials hold a character that HTTP cannot carry"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn refusal(why: &Outgoing, reason: impl ToString) -> RegistryError {
    let method = super::failure::method_name(&why.method);
    RegistryError::Proof { method, url: why.url.to_string(), reason: reason.to_string() }
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

async fn fetch_token(
    client: &Client,
    challenge: &Challenge,
    credentials: &Credentials,
    scope: &str,
    why: &Outgoing,
) -> Result<String, RegistryError> {
    let realm = challenge
        .parameter("realm")
        .ok_or_else(|| refusal(why, "no realm specified for token auth challenge"))?;
    let url = Url::parse(realm)
        .ok_or_else(|| refusal(why, format!("invalid token auth challenge realm: {realm}")))?;
    let service = challenge.parameter("service").unwrap_or_default();
    let outgoing = match credentials {
        Credentials::Identity(token) => {
            let form = format!(
                "grant_type=refresh_token&service={}&client_id=docker&scope={}&refresh_token={}",
                encode(service),
                encode(scope),
                encode(token)
            );
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
            Outgoing { method: Method::POST, url, headers, body: Bytes::from(form) }
        }
        _ => {
            let mut query = format!("scope={}", encode(scope));
            if !service.is_empty() {
                query = format!("{query}&service={}", encode(service));
            }
            let mut headers = HeaderMap::new();
            if let Credentials::Password { user, password } = credentials {
                query = format!("account={}&{query}", encode(user));
                headers.insert(AUTHORIZATION, secret(&basic(user, password), why)?);
            }
            let mark = if url.path.contains('?') { '&' } else { '?' };
            let url = Url { path: format!("{}{mark}{query}", url.path), ..url };
            Outgoing { method: Method::GET, url, headers, body: Bytes::new() }
        }
    };
    let answer = client.send(&outgoing).await.map_err(|cause| {
        let inner = RegistryError::transport(&outgoing.method, &outgoing.url, cause);
        refusal(why, inner)
    })?;
    let status = answer.response.status();
    let challenges = Challenge::read(answer.response.headers());
    let kind = answer.header("content-type").map(str::to_owned);
    let body = answer.document().await.map_err(|cause| refusal(why, cause))?;
    if !status.is_success() {
        return Err(refusal(why, read_failure(status, &challenges, kind.as_deref(), &body)));
    }
    let token: Token = serde_json::from_slice(&body)
        .map_err(|cause| refusal(why, format!("unable to decode token response: {cause}")))?;
    match (token.token.is_empty(), token.access_token.is_empty()) {
        (false, _) => Ok(token.token),
        (true, false) => Ok(token.access_token),
        (true, true) => Err(refusal(why, "authorization server did not include a token in the response")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        let text = r#"Bearer realm="https://auth.example/token",service="reg\"istry", scope=x,error="insufficient_scope""#;
        let challenge = Challenge::parse(text).unwrap();
        assert_eq!(challenge.scheme, Scheme::Bearer);
        assert_eq!(challenge.parameter("realm"), Some("https://auth.example/token"));
        assert_eq!(challenge.parameter("service"), Some("reg\"istry"));
        assert_eq!(challenge.parameter("scope"), Some("x"));
        assert_eq!(challenge.parameter("error"), Some("insufficient_scope"));
        assert_eq!(Challenge::parse("Basic realm=x").unwrap().scheme, Scheme::Basic);
        assert_eq!(Challenge::parse(" "), None);
    }

    proptest! {
        #[test]
        fn any_challenge_is_read_or_left(text in "\\PC{0,60}") {
            let _ = Challenge::parse(&text);
        }
    }
}
