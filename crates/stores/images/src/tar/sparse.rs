//! Sparse files: four ways to say which bytes of a file are stored, one check for all.

use super::TarError;
use super::pax::size;

/// The longest map that is read.
pub(super) const MOST_SEGMENTS: usize = 1_000_000;

/// What PAX records say about a sparse file: forms 0.0 and 0.1 (map in records) and 1.0 (map in the data).
#[derive(Debug, Clone, Default)]
pub(super) struct PaxSparse {
    pub(super) size: Option<u64>,
    pub(super) name: Option<Vec<u8>>,
    major: Option<u64>,
    numbers: Vec<u64>,
}

impl PaxSparse {
    pub(super) fn apply(&mut self, key: &[u8], value: &[u8]) -> Result<(), TarError> {
        let number = || size(value).ok_or(TarError::Header);
        match key {
            b"major" => self.major = Some(number()?),
            b"size" | b"realsize" => self.size = Some(number()?),
            b"name" if !value.contains(&0) => self.name = Some(value.to_vec()),
            b"name" => return Err(TarError::Header),
            b"offset" | b"numbytes" => self.push(number()?)?,
            b"map" if !value.is_empty() => {
                self.numbers.clear();
                for text in value.split(|byte| *byte == b',') {
                    self.push(size(text).ok_or(TarError::Header)?)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn push(&mut self, number: u64) -> Result<(), TarError> {
        self.numbers.push(number);
        match self.numbers.len() > 2 * MOST_SEGMENTS {
            true => Err(TarError::Header),
            false => Ok(()),
        }
    }

    pub(super) fn map_is_in_data(&self) -> bool {
        self.major == Some(1)
    }

    pub(super) fn map(&self) -> Result<Vec<(u64, u64)>, TarError> {
        pairs(&self.numbers)
    }
}

/// Reads the decimal lines of form 1.0, block by block.
#[derive(Default)]
pub(super) struct LineParser {
    line: Vec<u8>,
    wanted: Option<usize>,
    numbers: Vec<u64>,
}

impl LineParser {
    /// Takes a block; the answer is the map once it is complete. The rest of that block is filling.
    pub(super) fn feed(&mut self, block: &[u8]) -> Result<Option<Vec<(u64, u64)>>, TarError> {
        for byte in block {
            if *byte != b'\n' {
                self.line.push(*byte);
                if self.line.len() > 20 {
                    return Err(TarError::Header);
                }
                continue;
            }
            let number = size(&std::mem::take(&mut self.line)).ok_or(TarError::Header)?;
            match self.wanted {
                None => {
                    let count = usize::try_from(number).ok().filter(|count| *count <= MOST_SEGMENTS);
                    self.wanted = Some(2 * count.ok_or(TarError::Header)?);
                }
                Some(_) => self.numbers.push(number),
            }
            if self.wanted == Some(self.numbers.len()) {
                return pairs(&self.numbers).map(Some);
            }
        }
        Ok(None)
    }
}

fn pairs(numbers: &[u64]) -> Result<Vec<(u64, u64)>, TarError> {
    let (pairs, rest) = numbers.as_chunks::<2>();
    match rest.is_empty() {
        true => Ok(pairs.iter().map(|[offset, length]| (*offset, *length)).collect()),
        false => Err(TarError::Header),
    }
}

/// Segments must be in order, apart, inside the file, and together as long as what is stored.
pub(super) fn check(map: &[(u64, u64)], real: u64, stored: u64) -> Result<(), TarError> {
    let mut end = 0;
    let mut sum: u64 = 0;
    for (offset, length) in map {
        let next = offset.checked_add(*length).ok_or(TarError::Header)?;
        if *offset < end || next > real {
            return Err(TarError::Header);
        }
        end = next;
        sum += length;
    }
    match sum == stored {
        true => Ok(()),
        false => Err(TarError::Header),
    }
}
