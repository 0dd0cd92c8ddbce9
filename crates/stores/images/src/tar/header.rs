//! One header block: fields at fixed places, in four dialects.

use super::TarError;

pub(crate) const BLOCK: usize = 512;

/// The bytes of a header, or of anything else of that length.
pub(super) struct Block {
    bytes: [u8; BLOCK],
}

/// Who defined the fields after the first 257 bytes.
#[derive(PartialEq)]
enum Dialect {
    Old,
    Ustar,
    Star,
    Gnu,
}

impl Block {
    pub(super) fn new(bytes: [u8; BLOCK]) -> Block {
        Block { bytes }
    }

    pub(super) fn bytes(&self) -> &[u8; BLOCK] {
        &self.bytes
    }

    pub(super) fn is_zero(&self) -> bool {
        self.bytes.iter().all(|byte| *byte == 0)
    }

    /// Compares the checksum, which old programs computed with signed bytes.
    pub(super) fn verify(&self) -> Result<(), TarError> {
        let wanted = number(&self.bytes[148..156])?;
        let counted = |at: usize| if (148..156).contains(&at) { b' ' } else { self.bytes[at] };
        let unsigned: i64 = (0..BLOCK).map(|at| i64::from(counted(at))).sum();
        let signed: i64 = (0..BLOCK).map(|at| i64::from(counted(at).cast_signed())).sum();
        match wanted == unsigned || wanted == signed {
            true => Ok(()),
            false => Err(TarError::Header),
        }
    }

    fn dialect(&self) -> Dialect {
        match &self.bytes[257..265] {
            b"ustar  \0" => Dialect::Gnu,
            magic if magic.starts_with(b"ustar\0") && &self.bytes[508..512] == b"tar\0" => Dialect::Star,
            magic if magic.starts_with(b"ustar\0") => Dialect::Ustar,
            _ => Dialect::Old,
        }
    }

    pub(super) fn kind(&self) -> u8 {
        self.bytes[156]
    }

    pub(super) fn path(&self) -> Vec<u8> {
        let name = text(&self.bytes[..100]);
        let prefix = match self.dialect() {
            Dialect::Ustar => text(&self.bytes[345..500]),
            Dialect::Star => text(&self.bytes[345..476]),
            Dialect::Old | Dialect::Gnu => b"",
        };
        match prefix.is_empty() {
            true => name.to_vec(),
            false => [prefix, b"/", name].concat(),
        }
    }

    pub(super) fn link(&self) -> Vec<u8> {
        text(&self.bytes[157..257]).to_vec()
    }

    pub(super) fn mode(&self) -> Result<u32, TarError> {
        let mode = number(&self.bytes[100..108])?;
        u32::try_from(mode & 0o7777).map_err(|_| TarError::Header)
    }

    pub(super) fn uid(&self) -> Result<u32, TarError> {
        owner(number(&self.bytes[108..116])?)
    }

    pub(super) fn gid(&self) -> Result<u32, TarError> {
        owner(number(&self.bytes[116..124])?)
    }

    pub(super) fn size(&self) -> Result<u64, TarError> {
        size(number(&self.bytes[124..136])?)
    }

    pub(super) fn modified(&self) -> Result<(i64, u32), TarError> {
        Ok((number(&self.bytes[136..148])?, 0))
    }

    pub(super) fn device(&self) -> Result<(u32, u32), TarError> {
        if self.dialect() == Dialect::Old {
            return Ok((0, 0));
        }
        let part = |bytes| u32::try_from(number(bytes)?).map_err(|_| TarError::Header);
        Ok((part(&self.bytes[329..337])?, part(&self.bytes[337..345])?))
    }

    /// The first four segments of an old GNU sparse file, and whether more follow.
    pub(super) fn sparse_entries(&self) -> Result<(Vec<(u64, u64)>, bool), TarError> {
        Ok((segments(&self.bytes[386..482])?, self.bytes[482] != 0))
    }

    /// Up to 21 more segments, in a block of their own.
    pub(super) fn more_sparse_entries(&self) -> Result<(Vec<(u64, u64)>, bool), TarError> {
        Ok((segments(&self.bytes[..504])?, self.bytes[504] != 0))
    }

    /// The length of an old GNU sparse file with its holes.
    pub(super) fn real_size(&self) -> Result<u64, TarError> {
        size(number(&self.bytes[483..495])?)
    }
}

/// The largest file that a file offset can address; also keeps sums from overflowing.
pub(super) const LARGEST_FILE: u64 = 1 << 62;

fn size(number: i64) -> Result<u64, TarError> {
    u64::try_from(number).ok().filter(|size| *size <= LARGEST_FILE).ok_or(TarError::Header)
}

/// User and group numbers; -1 stands for "no change" in chown(2) and is none.
pub(super) fn owner(number: i64) -> Result<u32, TarError> {
    u32::try_from(number).ok().filter(|id| *id != u32::MAX).ok_or(TarError::Header)
}

fn segments(bytes: &[u8]) -> Result<Vec<(u64, u64)>, TarError> {
    bytes
        .chunks_exact(24)
        .take_while(|entry| entry[0] != 0)
        .map(|entry| Ok((size(number(&entry[..12])?)?, size(number(&entry[12..])?)?)))
        .collect()
}

fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    &field[..end]
}

/// Octal digits between spaces and NULs, or base 256 if the first bit is set.
pub(super) fn number(field: &[u8]) -> Result<i64, TarError> {
    if field[0] & 0x80 != 0 {
        let is_negative = field[0] & 0x40 != 0;
        let first = if is_negative { field[0] } else { field[0] & 0x7f };
        let fill: i64 = if is_negative { -1 } else { 0 };
        return std::iter::once(first).chain(field[1..].iter().copied()).try_fold(fill, |value, byte| {
            value.checked_mul(256).map(|value| value | i64::from(byte)).ok_or(TarError::Header)
        });
    }
    let is_filler = |byte: &u8| *byte == b' ' || *byte == 0;
    let start = field.iter().position(|byte| !is_filler(byte)).unwrap_or(field.len());
    let digits = &field[start..];
    let end = digits.iter().position(is_filler).unwrap_or(digits.len());
    digits[..end].iter().try_fold(0_i64, |value, digit| match digit {
        b'0'..=b'7' => {
            value.checked_mul(8).map(|value| value + i64::from(digit - b'0')).ok_or(TarError::Header)
        }
        _ => Err(TarError::Header),
    })
}
