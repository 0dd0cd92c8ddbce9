//! Reading tar archives as strangers write them: ustar, PAX, GNU, star and the oldest form. No I/O of its own.
//!
//! ```text
//!  block 512 ─ header ─┬─ x, g      PAX records for the next entry, for all
//!                      ├─ L, K      GNU long name, long link
//!                      └─ others ─▶ Entry ─▶ data (stored bytes; a sparse file's segments only)
//! ```
//!
//! Everything that an archive can inflate is bounded: a special header to 1 MiB, a sparse map to a million
//! segments, a name to what the former allows. POSIX pax(1), GNU tar manual "Basic Tar Format".

mod header;
mod pax;
mod sparse;

use std::io::{self, BufRead};

use header::{BLOCK, Block};
use pax::Records;

/// The longest PAX header or GNU long name that is read.
const LONGEST_SPECIAL: u64 = 1024 * 1024;

/// Why an archive cannot be read. The words are those of Docker's reader.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TarError {
    /// A header is malformed, or something in it is out of bounds.
    #[error("archive/tar: invalid tar header")]
    Header,
    /// The archive ends inside an entry.
    #[error("unexpected EOF")]
    Truncated,
    /// The source failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    HardLink,
    Symlink,
    CharDevice,
    BlockDevice,
    Folder,
    Fifo,
    /// Something that no file system holds, by its letter.
    Other(u8),
}

/// One entry's facts. The data follows from [`Reader::chunk`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) path: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) kind: Kind,
    /// The permission bits with setuid, setgid and sticky.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Seconds since 1970 and nanoseconds.
    pub(crate) modified: (i64, u32),
    /// Major and minor number.
    pub(crate) device: (u32, u32),
    /// The file's length, holes included.
    pub(crate) size: u64,
    /// Where the stored bytes belong, for a sparse file: offset and length, in order.
    pub(crate) segments: Option<Vec<(u64, u64)>>,
    /// Names and values.
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Reads entries one after the other.
pub(crate) struct Reader<R> {
    input: R,
    /// Stored bytes of the current entry that were not taken yet.
    left: u64,
    /// Bytes that fill its last block.
    padding: u64,
    global: Records,
}

impl<R: BufRead> Reader<R> {
    pub(crate) fn new(input: R) -> Reader<R> {
        Reader { input, left: 0, padding: 0, global: Records::default() }
    }

    /// Goes to the next entry; what was not read of the current one is skipped.
    pub(crate) fn next_entry(&mut self) -> Result<Option<Entry>, TarError> {
        let mut local = Records::default();
        let (mut long_path, mut long_link) = (None, None);
        loop {
            self.skip_rest()?;
            let Some(block) = self.header()? else { return Ok(None) };
            match block.kind() {
                b'x' => {
                    local = Records::default();
                    pax::parse(&self.special(&block)?, &mut local)?;
                }
                b'g' => {
                    let text = self.special(&block)?;
                    pax::parse(&text, &mut self.global)?;
                }
                b'L' => long_path = Some(until_nul(self.special(&block)?)),
                b'K' => long_link = Some(until_nul(self.special(&block)?)),
                _ => return self.entry(&block, local, long_path, long_link).map(Some),
            }
        }
    }

    /// Some of the current entry's stored bytes, at most `most`; nothing at its end. [`Reader::consume`] takes them.
    pub(crate) fn chunk(&mut self, most: u64) -> Result<&[u8], TarError> {
        let wanted = self.left.min(most);
        if wanted == 0 {
            return Ok(&[]);
        }
        let bytes = self.input.fill_buf()?;
        if bytes.is_empty() {
            return Err(TarError::Truncated);
        }
        let length = bytes.len().min(usize::try_from(wanted).unwrap_or(usize::MAX));
        Ok(&bytes[..length])
    }

    /// Takes `count` bytes of the last chunk.
    pub(crate) fn consume(&mut self, count: usize) {
        self.input.consume(count);
        self.left = self.left.saturating_sub(count as u64);
    }

    /// The source, to read on after the archive's end.
    pub(crate) fn into_inner(self) -> R {
        self.input
    }

    fn entry(
        &mut self,
        block: &Block,
        local: Records,
        long_path: Option<Vec<u8>>,
        long_link: Option<Vec<u8>>,
    ) -> Result<Entry, TarError> {
        let records = self.global.overlaid(local);
        let stored = match records.size {
            Some(size) => size,
            None => block.size()?,
        };
        let path = records.path.or(long_path).unwrap_or_else(|| block.path());
        let kind = match block.kind() {
            b'0' | b'7' | b'S' => Kind::File,
            0 if path.ends_with(b"/") => Kind::Folder,
            0 => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'3' => Kind::CharDevice,
            b'4' => Kind::BlockDevice,
            b'5' => Kind::Folder,
            b'6' => Kind::Fifo,
            other => Kind::Other(other),
        };
        let has_data = matches!(kind, Kind::File | Kind::Other(_));
        self.left = if has_data { stored } else { 0 };
        self.padding = (BLOCK as u64 - self.left % BLOCK as u64) % BLOCK as u64;
        let (segments, size) = match (block.kind(), &records.sparse) {
            (b'S', _) => {
                let (map, size) = self.old_sparse_map(block)?;
                (Some(map), size)
            }
            (_, Some(sparse)) if kind == Kind::File => {
                let map = match sparse.map_is_in_data() {
                    true => self.new_sparse_map()?,
                    false => sparse.map()?,
                };
                (Some(map), sparse.size.ok_or(TarError::Header)?)
            }
            _ => (None, self.left),
        };
        if let Some(map) = &segments {
            sparse::check(map, size, self.left)?;
        }
        Ok(Entry {
            path: match records.sparse.and_then(|sparse| sparse.name) {
                Some(name) => name,
                None => path,
            },
            link: records.link.or(long_link).unwrap_or_else(|| block.link()),
            kind,
            mode: block.mode()?,
            uid: records.uid.map_or_else(|| block.uid(), Ok)?,
            gid: records.gid.map_or_else(|| block.gid(), Ok)?,
            modified: records.modified.map_or_else(|| block.modified(), Ok)?,
            device: match kind {
                Kind::CharDevice | Kind::BlockDevice => block.device()?,
                _ => (0, 0),
            },
            size,
            segments,
            xattrs: records.xattrs,
        })
    }

    /// The next header; `None` at the end: two zero blocks, or nothing more at all.
    fn header(&mut self) -> Result<Option<Block>, TarError> {
        let Some(block) = self.block()? else { return Ok(None) };
        if !block.is_zero() {
            block.verify()?;
            return Ok(Some(block));
        }
        match self.block()? {
            None => Ok(None),
            Some(second) if second.is_zero() => Ok(None),
            Some(_) => Err(TarError::Header),
        }
    }

    fn block(&mut self) -> Result<Option<Block>, TarError> {
        let mut bytes = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            let some = self.input.fill_buf()?;
            if some.is_empty() {
                return if filled == 0 { Ok(None) } else { Err(TarError::Truncated) };
            }
            let count = some.len().min(BLOCK - filled);
            bytes[filled..filled + count].copy_from_slice(&some[..count]);
            self.input.consume(count);
            filled += count;
        }
        Ok(Some(Block::new(bytes)))
    }

    /// The whole data of a special header.
    fn special(&mut self, block: &Block) -> Result<Vec<u8>, TarError> {
        let size = block.size()?;
        if size > LONGEST_SPECIAL {
            return Err(TarError::Header);
        }
        self.left = size;
        self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
        let mut bytes = Vec::new();
        loop {
            let chunk = self.chunk(u64::MAX)?;
            if chunk.is_empty() {
                return Ok(bytes);
            }
            bytes.extend_from_slice(chunk);
            let count = chunk.len();
            self.consume(count);
        }
    }

    fn skip_rest(&mut self) -> Result<(), TarError> {
        self.left += std::mem::take(&mut self.padding);
        loop {
            let count = self.chunk(u64::MAX)?.len();
            if count == 0 {
                return Ok(());
            }
            self.consume(count);
        }
    }

    /// The map of the old GNU form: in the header, and in blocks between header and data.
    fn old_sparse_map(&mut self, block: &Block) -> Result<(Vec<(u64, u64)>, u64), TarError> {
        let (mut map, mut goes_on) = block.sparse_entries()?;
        while goes_on {
            let more = self.block()?.ok_or(TarError::Truncated)?;
            let (entries, again) = more.more_sparse_entries()?;
            map.extend(entries);
            goes_on = again;
            if map.len() > sparse::MOST_SEGMENTS {
                return Err(TarError::Header);
            }
        }
        Ok((map, block.real_size()?))
    }

    /// The map of the newest GNU form: decimal lines at the beginning of the data, filled up to a block.
    fn new_sparse_map(&mut self) -> Result<Vec<(u64, u64)>, TarError> {
        let mut parser = sparse::LineParser::default();
        loop {
            if self.left < BLOCK as u64 {
                return Err(TarError::Header);
            }
            let block = self.block()?.ok_or(TarError::Truncated)?;
            self.left -= BLOCK as u64;
            if let Some(map) = parser.feed(block.bytes())? {
                return Ok(map);
            }
        }
    }
}

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
        bytes.truncate(end);
    }
    bytes
}

#[cfg(test)]
pub(crate) mod build;
#[cfg(test)]
mod tests;
