//! Content digests: `sha256:<64 hex>` and its longer siblings.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A digest that is well formed: a known algorithm and exactly as many lower-case hex digits as it yields.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    text: String,
    colon: usize,
}

/// Why a text is not a digest. The words are those that Docker's clients see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// Not `algorithm:hex`.
    #[error("invalid checksum digest format")]
    Format,
    /// The wrong number of digits for its algorithm.
    #[error("invalid checksum digest length")]
    Length,
    /// An algorithm other than SHA-256, SHA-384 and SHA-512.
    #[error("unsupported digest algorithm")]
    Algorithm,
}

impl Digest {
    /// The SHA-256 digest with these bytes.
    pub fn sha256(bytes: [u8; 32]) -> Digest {
        let mut text = String::with_capacity(71);
        text.push_str("sha256:");
        for byte in bytes {
            text.push(char::from(HEX[usize::from(byte >> 4)]));
            text.push(char::from(HEX[usize::from(byte & 15)]));
        }
        Digest { text, colon: 6 }
    }

    /// Parses `algorithm:hex`.
    pub fn parse(text: &str) -> Result<Digest, DigestError> {
        let (algorithm, hex) = text.split_once(':').ok_or(DigestError::Format)?;
        if algorithm.is_empty() || hex.is_empty() {
            return Err(DigestError::Format);
        }
        let digits = match algorithm {
            "sha256" => 64,
            "sha384" => 96,
            "sha512" => 128,
            _ if is_algorithm(algorithm) && hex.bytes().all(is_encoded) => {
                return Err(DigestError::Algorithm);
            }
            _ => return Err(DigestError::Format),
        };
        if hex.len() != digits {
            return Err(DigestError::Length);
        }
        if !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(DigestError::Format);
        }
        Ok(Digest { text: text.to_owned(), colon: algorithm.len() })
    }

    /// The name of the hash function, `sha256` in nearly every case.
    pub fn algorithm(&self) -> &str {
        &self.text[..self.colon]
    }

    /// The digits alone.
    pub fn hex(&self) -> &str {
        &self.text[self.colon + 1..]
    }

    /// The first twelve digits, as `docker images` shows them.
    pub fn short(&self) -> &str {
        &self.hex()[..12]
    }

    /// `algorithm:hex`.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn is_algorithm(text: &str) -> bool {
    text.split(['+', '.', '_', '-']).all(|part| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

fn is_encoded(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'=' | b'_' | b'-')
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Digest, DigestError> {
        Digest::parse(text)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Digest::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_printed_as_it_was_read() {
        let text = format!("sha256:{}", "0123456789abcdef".repeat(4));
        let digest = Digest::parse(&text).unwrap();
        assert_eq!(digest.to_string(), text);
        assert_eq!(digest.algorithm(), "sha256");
        assert_eq!(digest.short(), "0123456789ab");
        assert_eq!(Digest::sha256([0xa5; 32]).hex(), "a5".repeat(32));
    }

    #[test]
    fn what_is_wrong_with_a_digest_is_told_apart() {
        for (text, expected) in [
            ("", DigestError::Format),
            ("sha256:", DigestError::Format),
            (":abc", DigestError::Format),
            ("sha256:abc", DigestError::Length),
            ("md5:abcdef", DigestError::Algorithm),
            ("SHA256:abcdef", DigestError::Format),
        ] {
            assert_eq!(Digest::parse(text), Err(expected), "{text}");
        }
        let upper = format!("sha256:{}", "A".repeat(64));
        assert_eq!(Digest::parse(&upper), Err(DigestError::Format));
    }
}
