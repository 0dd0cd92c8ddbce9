//! The path of a request: its version prefix, its normal form.

use crate::error::ApiError;
use engine_api::version::{ApiVersion, MAX, MIN};
use http::StatusCode;
use percent_encoding::percent_decode_str;

/// A path without its version prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    /// What stood between `/v` and the next slash.
    pub(crate) version: Option<String>,
    /// The rest, unescaped, beginning with a slash.
    pub(crate) rest: String,
}

/// What to do with a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// Look for a route.
    Route(Path),
    /// Send the client to the normal form of the path.
    Redirect(String),
}

/// Reads an escaped path.
pub(crate) fn parse(escaped: &str) -> Result<Parsed, ApiError> {
    crate::query::check_escapes(escaped)?;
    let path = percent_decode_str(escaped).decode_utf8_lossy();
    let clean = clean(&path);
    if clean != path {
        return Ok(Parsed::Redirect(clean));
    }
    if let Some((version, rest)) = path.strip_prefix("/v").and_then(|after| after.split_once('/'))
        && !version.is_empty()
        && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return Ok(Parsed::Route(Path { version: Some(version.to_owned()), rest: format!("/{rest}") }));
    }
    Ok(Parsed::Route(Path { version: None, rest: path.into_owned() }))
}

/// Takes out empty steps, `.` and `..`; a slash at the end stays.
fn clean(path: &str) -> String {
    let mut steps: Vec<&str> = Vec::new();
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                steps.pop();
            }
            step => steps.push(step),
        }
    }
    let mut clean = format!("/{}", steps.join("/"));
    if path.ends_with('/') && clean != "/" {
        clean.push('/');
    }
    clean
}

/// A version that the daemon does not speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unsupported {
    message: String,
    /// Clients from before 1.24 expect plain text.
    pub(crate) plain: bool,
}

impl From<&Unsupported> for ApiError {
    fn from(unsupported: &Unsupported) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, unsupported.message.clone())
    }
}

impl Path {
    /// The version that the client speaks; the newest when it does not say.
    pub(crate) fn api_version(&self) -> Result<ApiVersion, Unsupported> {
        let Some(text) = &self.version else { return Ok(MAX) };
        let mut parts = text.split('.').map(|part| part.parse::<u16>().unwrap_or(0));
        let version = ApiVersion { major: parts.next().unwrap_or(0), minor: parts.next().unwrap_or(0) };
        let beyond = parts.any(|part| part > 0);
        if version < MIN {
            let message = format!(
                "client version {text} is too old. Minimum supported API version is {MIN}, \
                 please upgrade your client to a newer version"
            );
            return Err(Unsupported { message, plain: true });
        }
        if version > MAX || (version == MAX && beyond) {
            let message = format!("client version {text} is too new. Maximum supported API version is {MAX}");
            return Err(Unsupported { message, plain: false });
        }
        Ok(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(path: &str) -> Path {
        match parse(path).unwrap() {
            Parsed::Route(path) => path,
            Parsed::Redirect(to) => panic!("redirected to {to}"),
        }
    }

    #[test]
    fn the_version_prefix_is_taken_off() {
        assert_eq!(route("/v1.44/containers/json").rest, "/containers/json");
        assert_eq!(route("/v1.44/containers/json").api_version(), Ok(ApiVersion::v1(44)));
        assert_eq!(route("/containers/json").api_version(), Ok(MAX));
        assert_eq!(route("/vx/version").rest, "/vx/version");
        assert_eq!(route("/v1.51").rest, "/v1.51");
        assert_eq!(route("/images/a%2Fb/json").rest, "/images/a/b/json");
    }

    #[test]
    fn versions_outside_the_range_are_refused() {
        let old = route("/v1.10/version").api_version().unwrap_err();
        assert!(old.plain && old.message.starts_with("client version 1.10 is too old. Minimum supported"));
        let new = route("/v1.99/version").api_version().unwrap_err();
        assert_eq!(new.message, "client version 1.99 is too new. Maximum supported API version is 1.51");
        for (text, plain) in [("1", true), ("2", false), ("1.51.1", false), ("99999999.1", true), (".", true)]
        {
            assert_eq!(route(&format!("/v{text}/info")).api_version().unwrap_err().plain, plain, "{text}");
        }
    }

    #[test]
    fn paths_are_sent_to_their_normal_form() {
        for (path, clean) in [("//version", "/version"), ("/a/../b", "/b"), ("/./x/", "/x/"), ("/../..", "/")]
        {
            assert_eq!(parse(path).unwrap(), Parsed::Redirect(clean.to_owned()));
        }
        assert!(parse("/%zz").is_err());
    }
}
