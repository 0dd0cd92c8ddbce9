//! `--restart`: when a container that ended is started again.

use std::fmt;

/// When a container that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RestartPolicy {
    /// Never.
    #[default]
    No,
    /// Always, also at the daemon's start.
    Always,
    /// Always, unless it was stopped by hand.
    UnlessStopped,
    /// After an exit code other than zero; at most `retries` times, 0 for no limit.
    OnFailure {
        /// How often in a row.
        retries: u32,
    },
}

/// Why a restart policy was refused. The text is Docker's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestartError {
    /// `:3`
    #[error("invalid restart policy format: no policy provided before colon")]
    NoPolicy,
    /// `on-failure:x`
    #[error("invalid restart policy format: maximum retry count must be an integer")]
    RetriesNotANumber,
    /// A name that is none.
    #[error(
        "invalid restart policy: unknown policy '{0}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
    )]
    UnknownPolicy(String),
    /// A count where it has no meaning.
    #[error("invalid restart policy: maximum retry count can only be used with 'on-failure'")]
    RetriesNotAllowed,
    /// A count below zero.
    #[error("invalid restart policy: maximum retry count cannot be negative")]
    RetriesNegative,
}

/// Splits `NAME[:RETRIES]` without judging the name, as the command line does; the daemon judges by [`RestartPolicy::from_wire`].
///
/// # Errors
/// [`RestartError::NoPolicy`], [`RestartError::RetriesNotANumber`].
pub fn split(text: &str) -> Result<(String, i64), RestartError> {
    match text.split_once(':') {
        None => Ok((text.to_owned(), 0)),
        Some(("", _)) => Err(RestartError::NoPolicy),
        Some((name, "")) => Ok((name.to_owned(), 0)),
        Some((name, retries)) => {
            Ok((name.to_owned(), retries.parse().map_err(|_| RestartError::RetriesNotANumber)?))
        }
    }
}

impl RestartPolicy {
    /// Judges the API's pair of name and count; an empty name means `no`. `HostConfig.RestartPolicy`, Engine API.
    ///
    /// # Errors
    /// [`RestartError`], in Docker's words.
    pub fn from_wire(name: &str, retries: i64) -> Result<RestartPolicy, RestartError> {
        match name {
            "always" | "unless-stopped" | "no" if retries != 0 => {
                Err(if retries < 0 { RestartError::RetriesNegative } else { RestartError::RetriesNotAllowed })
            }
            "" | "no" => Ok(RestartPolicy::No),
            "always" => Ok(RestartPolicy::Always),
            "unless-stopped" => Ok(RestartPolicy::UnlessStopped),
            "on-failure" if retries < 0 => Err(RestartError::RetriesNegative),
            "on-failure" => {
                Ok(RestartPolicy::OnFailure { retries: u32::try_from(retries).unwrap_or(u32::MAX) })
            }
            _ => Err(RestartError::UnknownPolicy(name.to_owned())),
        }
    }

    /// The policy's name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            RestartPolicy::No => "no",
            RestartPolicy::Always => "always",
            RestartPolicy::UnlessStopped => "unless-stopped",
            RestartPolicy::OnFailure { .. } => "on-failure",
        }
    }
}

impl fmt::Display for RestartPolicy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestartPolicy::OnFailure { retries } if *retries > 0 => write!(out, "on-failure:{retries}"),
            policy => out.write_str(policy.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_split_and_judged_apart() {
        assert_eq!(split("on-failure:3"), Ok(("on-failure".to_owned(), 3)));
        assert_eq!(split("foo"), Ok(("foo".to_owned(), 0)));
        assert_eq!(split(":"), Err(RestartError::NoPolicy));
        assert_eq!(split("on-failure:3:4"), Err(RestartError::RetriesNotANumber));
        assert_eq!(RestartPolicy::from_wire("", 0), Ok(RestartPolicy::No));
        assert_eq!(RestartPolicy::from_wire("on-failure", 3), Ok(RestartPolicy::OnFailure { retries: 3 }));
        assert_eq!(RestartPolicy::from_wire("always", 2), Err(RestartError::RetriesNotAllowed));
        assert_eq!(RestartPolicy::from_wire("on-failure", -1), Err(RestartError::RetriesNegative));
        assert!(matches!(RestartPolicy::from_wire("foo", 0), Err(RestartError::UnknownPolicy(_))));
        assert_eq!(RestartPolicy::OnFailure { retries: 3 }.to_string(), "on-failure:3");
    }
}
