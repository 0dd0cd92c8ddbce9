//! References: parsing what people type into the canonical form, and printing both forms.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::grammar::{is_digest, is_domain, is_path, is_tag};
use crate::{DEFAULT_DOMAIN, DEFAULT_TAG, Digest, DigestError};

const LEGACY_DOMAIN: &str = "index.docker.io";
const OFFICIAL: &str = "library/";
const LONGEST_PATH: usize = 255;

/// A named image in canonical form, with a tag, a digest, both or neither.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// What a command's argument may mean: an image's own digest, or a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnyReference {
    /// `sha256:<hex>`, or 64 hex digits alone.
    Id(Digest),
    /// Everything else.
    Named(Reference),
}

/// Why a text is not a reference. The words are those that Docker's clients see.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The grammar does not fit.
    #[error("invalid reference format")]
    Format,
    /// The repository's path holds an upper-case letter.
    #[error("invalid reference format: repository name ({0}) must be lowercase")]
    Uppercase(String),
    /// It would be valid with a lower-case domain.
    #[error("repository name must be lowercase")]
    UppercaseDomain,
    /// 64 hex digits are an image's ID and cannot be a name.
    #[error("invalid repository name ({0}), cannot specify 64-byte hexadecimal strings")]
    Identifier(String),
    /// The path is longer than 255 characters.
    #[error("repository name must not be more than 255 characters")]
    TooLong,
    /// The digest at the end is malformed.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// A tag given on its own is malformed.
    #[error("invalid tag format")]
    Tag,
}

impl Reference {
    /// Parses a familiar or canonical name; adds the default domain, but no tag.
    pub fn parse(text: &str) -> Result<Reference, ParseError> {
        if is_identifier(text) {
            return Err(ParseError::Identifier(text.to_owned()));
        }
        let (domain, remainder) = split_domain(text);
        let path = remainder.split(':').next().unwrap_or_default();
        if path.chars().any(|letter| letter.to_lowercase().ne(std::iter::once(letter))) {
            return Err(ParseError::Uppercase(path.to_owned()));
        }
        let full = format!("{domain}/{remainder}");
        match parse_full(&full) {
            Err(ParseError::Format) if parse_full(&full.to_lowercase()).is_ok() => {
                Err(ParseError::UppercaseDomain)
            }
            other => other,
        }
    }

    /// The registry's host and port, `docker.io` for a familiar name.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository's path inside its registry, such as `library/busybox`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag, if one is given.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one is given.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Domain and path: `docker.io/library/busybox`.
    pub fn name(&self) -> String {
        match self.domain.is_empty() {
            true => self.path.clone(),
            false => format!("{}/{}", self.domain, self.path),
        }
    }

    /// The name as people write it: `busybox`.
    pub fn familiar_name(&self) -> String {
        if self.domain != DEFAULT_DOMAIN {
            return self.name();
        }
        match self.path.strip_prefix(OFFICIAL) {
            Some(rest) if !rest.contains('/') => rest.to_owned(),
            _ => self.path.clone(),
        }
    }

    /// The whole reference as people write it: `busybox:latest`.
    pub fn familiar(&self) -> String {
        self.suffixed(self.familiar_name())
    }

    /// The same name without tag and digest.
    pub fn without_version(&self) -> Reference {
        Reference { domain: self.domain.clone(), path: self.path.clone(), tag: None, digest: None }
    }

    /// The same name with this tag, keeping a digest.
    pub fn with_tag(&self, tag: &str) -> Result<Reference, ParseError> {
        if !is_tag(tag) {
            return Err(ParseError::Tag);
        }
        Ok(Reference { tag: Some(tag.to_owned()), ..self.clone() })
    }

    /// The same name with this digest, keeping a tag.
    pub fn with_digest(&self, digest: Digest) -> Reference {
        Reference { digest: Some(digest), ..self.clone() }
    }

    /// Adds `:latest` to a reference that has neither tag nor digest.
    pub fn or_latest(self) -> Reference {
        match (&self.tag, &self.digest) {
            (None, None) => Reference { tag: Some(DEFAULT_TAG.to_owned()), ..self },
            _ => self,
        }
    }

    /// True without tag and digest.
    pub fn is_name_only(&self) -> bool {
        self.tag.is_none() && self.digest.is_none()
    }

    fn suffixed(&self, mut text: String) -> String {
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(digest.as_str());
        }
        text
    }
}

impl AnyReference {
    /// Parses an image's ID (with or without its algorithm) or a name.
    pub fn parse(text: &str) -> Result<AnyReference, ParseError> {
        if is_identifier(text) {
            return Ok(AnyReference::Id(Digest::parse(&format!("sha256:{text}"))?));
        }
        match Digest::parse(text) {
            Ok(digest) => Ok(AnyReference::Id(digest)),
            Err(_) => Reference::parse(text).map(AnyReference::Named),
        }
    }
}

/// Whether `text` may stand after a name's colon.
pub fn is_valid_tag(text: &str) -> bool {
    is_tag(text)
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.suffixed(self.name()))
    }
}

impl FromStr for Reference {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Reference, ParseError> {
        Reference::parse(text)
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Reference, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Reference::parse(&text).map_err(serde::de::Error::custom)
    }
}

fn is_identifier(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Divides a name into registry and rest, as Docker guesses it: only a first element that holds a
/// dot, a colon or an upper-case letter, or that is `localhost`, is a registry.
fn split_domain(text: &str) -> (&str, String) {
    let Some((first, rest)) = text.split_once('/') else {
        return (DEFAULT_DOMAIN, format!("{OFFICIAL}{text}"));
    };
    let (domain, rest) = match first {
        "localhost" => (first, rest),
        LEGACY_DOMAIN => (DEFAULT_DOMAIN, rest),
        _ if first.contains(['.', ':']) || first.to_lowercase() != first => (first, rest),
        _ => (DEFAULT_DOMAIN, text),
    };
    match domain == DEFAULT_DOMAIN && !rest.contains('/') {
        true => (domain, format!("{OFFICIAL}{rest}")),
        false => (domain, rest.to_owned()),
    }
}

/// Parses a reference that has a slash after its first element.
fn parse_full(text: &str) -> Result<Reference, ParseError> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    let last = rest.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match rest[last..].find(':') {
        Some(colon) => (&rest[..last + colon], Some(&rest[last + colon + 1..])),
        None => (rest, None),
    };
    let (domain, path) = match name.split_once('/') {
        Some((domain, path)) if is_domain(domain) && is_path(path) => (domain, path),
        _ if is_path(name) => ("", name),
        _ => return Err(ParseError::Format),
    };
    if tag.is_some_and(|tag| !is_tag(tag)) || digest.is_some_and(|digest| !is_digest(digest)) {
        return Err(ParseError::Format);
    }
    if path.len() > LONGEST_PATH {
        return Err(ParseError::TooLong);
    }
    Ok(Reference {
        domain: domain.to_owned(),
        path: path.to_owned(),
        tag: tag.map(str::to_owned),
        digest: digest.map(Digest::parse).transpose()?,
    })
}

#[cfg(test)]
mod tests;
