//! Times in queries: seconds since 1970, with up to nine digits behind the point.

use std::time::SystemTime;

use units::time;

use crate::error::Error;

/// Reads a time; nothing for an empty text.
///
/// # Errors
/// Kind `System`, as Docker answers it.
pub(crate) fn parse(text: &str) -> Result<Option<SystemTime>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || Error::system(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"));
    time::parse_unix(text).or_else(|| time::parse_rfc3339(text)).map(Some).ok_or_else(wrong)
}
