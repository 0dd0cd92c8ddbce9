//! Reading documents that strangers wrote: an error names the field it is about.

use serde::de::DeserializeOwned;

use super::{Process, Spec};

/// A document that is not what the specification says.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A field is missing in `field`, or `field` itself has a wrong type or value.
    #[error("invalid field {field}: {cause}")]
    Field {
        /// Its place, as `mounts[2].options[0]`; `.` is the document itself.
        field: String,
        /// What is wrong with it, and where in the text.
        cause: String,
    },
    /// Not JSON at all, or something behind the document.
    #[error("invalid JSON: {0}")]
    Syntax(String),
}

impl Spec {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn from_slice(json: &[u8]) -> Result<Self, DecodeError> {
        decode(json)
    }
}

impl Process {
    /// Reads the document of a process alone, as `exec --process` takes it.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn from_slice(json: &[u8]) -> Result<Self, DecodeError> {
        decode(json)
    }
}

/// Keeping track of the place costs time on each field, so that only a document that is refused is read that way.
fn decode<T: DeserializeOwned>(json: &[u8]) -> Result<T, DecodeError> {
    if let Ok(document) = serde_json::from_slice(json) {
        return Ok(document);
    }
    let mut reader = serde_json::Deserializer::from_slice(json);
    let document = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let field = error.path().to_string();
        let cause = error.into_inner();
        match cause.is_data() {
            true => DecodeError::Field { field, cause: cause.to_string() },
            false => DecodeError::Syntax(cause.to_string()),
        }
    })?;
    reader.end().map_err(|cause| DecodeError::Syntax(cause.to_string()))?;
    Ok(document)
}
