//! API versions: `1.24` to `1.51`.

use std::fmt;
use std::str::FromStr;

/// An API version. Ordered by major, then minor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion {
    /// Always 1 so far.
    pub major: u16,
    /// The part after the dot.
    pub minor: u16,
}

/// The oldest version that the daemon speaks.
pub const MIN: ApiVersion = ApiVersion { major: 1, minor: 24 };
/// The newest version that daemon and client speak.
pub const MAX: ApiVersion = ApiVersion { major: 1, minor: 51 };

/// The Docker release whose behaviour is the reference; shown where clients compare engine versions.
pub const DOCKER_VERSION: &str = "28.5.2";

/// A version asked for that is not a version at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("API version {0} is malformed: must be <major>.<minor>")]
pub struct MalformedVersion(pub String);

impl ApiVersion {
    /// `1.minor`.
    pub const fn v1(minor: u16) -> ApiVersion {
        ApiVersion { major: 1, minor }
    }

    /// Whether this version is older than `1.minor`.
    pub fn before(self, minor: u16) -> bool {
        self < ApiVersion::v1(minor)
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for ApiVersion {
    type Err = MalformedVersion;

    fn from_str(text: &str) -> Result<ApiVersion, MalformedVersion> {
        let malformed = || MalformedVersion(text.to_owned());
        let number = |part: &str| -> Option<u16> {
            let digits = !part.is_empty() && part.len() <= 5 && part.bytes().all(|b| b.is_ascii_digit());
            if digits { part.parse().ok() } else { None }
        };
        let (major, minor) = text.split_once('.').ok_or_else(malformed)?;
        Ok(ApiVersion {
            major: number(major).ok_or_else(malformed)?,
            minor: number(minor).ok_or_else(malformed)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_parse_print_and_compare() {
        assert_eq!("1.24".parse(), Ok(MIN));
        assert_eq!(MAX.to_string(), "1.51");
        assert!(ApiVersion::v1(9) < ApiVersion::v1(24));
        assert!(ApiVersion::v1(43).before(44));
        for bad in ["", "1", "1.", ".5", "1.x", "1.2.3", "-1.2", "1.999999", "+1.2"] {
            assert_eq!(bad.parse::<ApiVersion>(), Err(MalformedVersion(bad.to_owned())));
        }
    }
}
