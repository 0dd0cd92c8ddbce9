//! PAX records: `length name=value\n`, for the next entry or for all that follow.

use super::TarError;
use super::header::{LARGEST_FILE, owner};
use super::sparse::PaxSparse;

const XATTR: &[u8] = b"SCHILY.xattr.";

/// What records say; what they leave open is taken from the header.
#[derive(Debug, Clone, Default)]
pub(super) struct Records {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) modified: Option<(i64, u32)>,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) sparse: Option<PaxSparse>,
}

impl Records {
    /// The records of one entry on top of those for all.
    pub(super) fn overlaid(&self, local: Records) -> Records {
        let global = self.clone();
        Records {
            path: local.path.or(global.path),
            link: local.link.or(global.link),
            size: local.size.or(global.size),
            uid: local.uid.or(global.uid),
            gid: local.gid.or(global.gid),
            modified: local.modified.or(global.modified),
            xattrs: if local.xattrs.is_empty() { global.xattrs } else { local.xattrs },
            sparse: local.sparse,
        }
    }
}

/// Reads all records of a header into `records`.
pub(super) fn parse(mut bytes: &[u8], records: &mut Records) -> Result<(), TarError> {
    while !bytes.is_empty() {
        let (key, value, rest) = record(bytes).ok_or(TarError::Header)?;
        apply(key, value, records)?;
        bytes = rest;
    }
    Ok(())
}

type Record<'a> = (&'a [u8], &'a [u8], &'a [u8]);

fn record(bytes: &[u8]) -> Option<Record<'_>> {
    let space = bytes.iter().take(20).position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(&bytes[..space])?).ok()?;
    if length <= space + 1 || length > bytes.len() {
        return None;
    }
    let (line, rest) = bytes.split_at(length);
    let line = line[space + 1..].strip_suffix(b"\n")?;
    let equals = line.iter().position(|byte| *byte == b'=').filter(|at| *at > 0)?;
    Some((&line[..equals], &line[equals + 1..], rest))
}

fn apply(key: &[u8], value: &[u8], records: &mut Records) -> Result<(), TarError> {
    // A value of nothing takes an earlier record back.
    let text = || match value.contains(&0) {
        true => Err(TarError::Header),
        false => Ok((!value.is_empty()).then(|| value.to_vec())),
    };
    match key {
        b"path" => records.path = text()?,
        b"linkpath" => records.link = text()?,
        b"size" => records.size = optional(value, size)?,
        b"uid" => records.uid = optional(value, |value| owner(signed(value)?).ok())?,
        b"gid" => records.gid = optional(value, |value| owner(signed(value)?).ok())?,
        b"mtime" => records.modified = optional(value, time)?,
        _ if key.starts_with(XATTR) && key.len() > XATTR.len() => {
            let name = key[XATTR.len()..].to_vec();
            if name.contains(&0) {
                return Err(TarError::Header);
            }
            records.xattrs.retain(|(other, _)| *other != name);
            records.xattrs.push((name, value.to_vec()));
        }
        _ if key.starts_with(b"GNU.sparse.") => {
            records.sparse.get_or_insert_default().apply(&key[b"GNU.sparse.".len()..], value)?;
        }
        _ => {}
    }
    Ok(())
}

fn optional<T>(value: &[u8], read: impl Fn(&[u8]) -> Option<T>) -> Result<Option<T>, TarError> {
    match value.is_empty() {
        true => Ok(None),
        false => read(value).map(Some).ok_or(TarError::Header),
    }
}

pub(super) fn size(value: &[u8]) -> Option<u64> {
    decimal(value).filter(|size| *size <= LARGEST_FILE)
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 19 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn signed(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// `seconds[.fraction]`, negative before 1970.
fn time(value: &[u8]) -> Option<(i64, u32)> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let nanoseconds: u32 = digits.parse().ok()?;
    match whole.starts_with('-') && nanoseconds > 0 {
        true => Some((seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds)),
        false => Some((seconds, nanoseconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_count_backwards() {
        assert_eq!(time(b"12.5"), Some((12, 500_000_000)));
        assert_eq!(time(b"-1.25"), Some((-2, 750_000_000)));
        assert_eq!(time(b"-0.25"), Some((-1, 750_000_000)));
        assert_eq!(time(b"7.1234567891"), Some((7, 123_456_789)));
        assert_eq!(time(b"1.x"), None);
    }

    #[test]
    fn malformed_records_are_refused() {
        for text in [&b"5 a=b"[..], b"99 a=b\n", b"6 a=bc", b"x a=b\n", b"7 =abc\n", b"3 \n", b"0 a=b\n"] {
            assert!(parse(text, &mut Records::default()).is_err(), "{text:?}");
        }
        let mut records = Records::default();
        parse(b"12 size=512\n14 path=a\nb/c\n", &mut records).unwrap();
        assert_eq!((records.size, records.path), (Some(512), Some(b"a\nb/c".to_vec())));
    }
}
