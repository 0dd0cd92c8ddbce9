//! An archive on disk: all its files in one temporary file, and where each lies.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::LoadError;
use crate::blob::LARGEST_DOCUMENT;
use crate::compression::with_plain;
use crate::error::StoreError;
use crate::store::{ImageStore, unique_name};
use crate::tar::{Kind, Reader, TarError};
use crate::unpack::check_room;

/// The most files that an image archive may hold.
const MOST_FILES: usize = 100_000;
/// Links of links that are followed.
const MOST_HOPS: usize = 16;
const CHECK_EVERY: u64 = 32 * 1024 * 1024;

/// A file's place in the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) offset: u64,
    pub(super) length: u64,
}

enum Place {
    File(Range),
    /// Somewhere else in the archive: the cleaned path.
    Link(String),
}

/// The spooled archive; its file has no name any more and goes with it.
pub(super) struct Spool {
    file: File,
    folder: PathBuf,
    places: HashMap<String, Place>,
}

impl Spool {
    /// Reads an archive, plain or compressed, to its end.
    pub(super) fn fill(store: &ImageStore, source: impl Read + Send) -> Result<Spool, LoadError> {
        // Named as Docker's, since errors show it.
        let number = u32::from_str_radix(&unique_name()[..8], 16).unwrap_or_default();
        let path = store.places().temporary().with_file_name(format!("docker-import-{number}"));
        let file = File::options().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(StoreError::io("create", &path))?;
        std::fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
        let mut spool = Spool { file, folder: path, places: HashMap::new() };
        let outcome = with_plain(source, |plain| spool.read(Reader::new(plain)));
        outcome.map_err(|error| LoadError::Archive(Box::new(error)))??;
        Ok(spool)
    }

    fn read(&mut self, mut reader: Reader<&mut dyn BufRead>) -> Result<(), LoadError> {
        let mut offset = 0;
        while let Some(entry) = reader.next_entry().map_err(archive)? {
            let path = clean("", &String::from_utf8_lossy(&entry.path));
            let link = || String::from_utf8_lossy(&entry.link).into_owned();
            let place = match entry.kind {
                Kind::File => {
                    let length = self.take(&mut reader)?;
                    offset += length;
                    Place::File(Range { offset: offset - length, length })
                }
                Kind::Symlink => Place::Link(clean(folder_of(&path), &link())),
                Kind::HardLink => Place::Link(clean("", &link())),
                Kind::Folder | Kind::CharDevice | Kind::BlockDevice | Kind::Fifo | Kind::Other(_) => continue,
            };
            if self.places.len() >= MOST_FILES {
                return Err(archive(TarError::Header));
            }
            self.places.insert(path, place);
        }
        // The client is still writing; it would take an early end for a failure.
        io::copy(&mut reader.into_inner(), &mut io::sink()).map_err(archive)?;
        Ok(())
    }

    /// Appends the stored bytes of the current entry.
    fn take(&mut self, reader: &mut Reader<&mut dyn BufRead>) -> Result<u64, LoadError> {
        let (mut length, mut unchecked) = (0, 0);
        loop {
            let chunk = reader.chunk(u64::MAX).map_err(archive)?;
            if chunk.is_empty() {
                return Ok(length);
            }
            self.file.write_all(chunk).map_err(StoreError::io("write", &self.folder))?;
            let count = chunk.len();
            reader.consume(count);
            length += count as u64;
            unchecked += count as u64;
            if unchecked >= CHECK_EVERY {
                unchecked = 0;
                check_room(self.file.as_fd()).map_err(|_| StoreError::Full)?;
            }
        }
    }

    /// Where a file lies, links followed.
    pub(super) fn find(&self, path: &str) -> Option<Range> {
        let mut path = clean("", path);
        for _ in 0..MOST_HOPS {
            match self.places.get(&path)? {
                Place::File(range) => return Some(*range),
                Place::Link(target) => path.clone_from(target),
            }
        }
        None
    }

    /// Where a file lies that must be there.
    pub(super) fn locate(&self, path: &str) -> Result<Range, LoadError> {
        self.find(path).ok_or_else(|| self.missing(path))
    }

    pub(super) fn missing(&self, path: &str) -> LoadError {
        LoadError::Missing(self.folder.join(path.trim_start_matches('/')).display().to_string())
    }

    /// A whole document.
    pub(super) fn document(&self, name: &str, range: Range) -> Result<Vec<u8>, LoadError> {
        if range.length > LARGEST_DOCUMENT {
            return Err(LoadError::TooLarge(name.to_owned()));
        }
        let mut bytes = Vec::new();
        self.reader(range, |_| {}).read_to_end(&mut bytes).map_err(StoreError::io("read", &self.folder))?;
        Ok(bytes)
    }

    /// The names of the archive's topmost folders, sorted.
    pub(super) fn folders(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.places.keys().filter_map(|path| path.split_once('/').map(|(folder, _)| folder)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Reads a file, telling how far it is.
    pub(super) fn reader<F: FnMut(u64)>(&self, range: Range, report: F) -> RangeReader<'_, F> {
        RangeReader { file: &self.file, range, at: 0, told: 0, report }
    }
}

/// Bytes between two reports.
const REPORT_EVERY: u64 = 512 * 1024;

/// A file of the spool as a stream.
pub(super) struct RangeReader<'a, F> {
    file: &'a File,
    range: Range,
    at: u64,
    told: u64,
    report: F,
}

impl<F: FnMut(u64)> Read for RangeReader<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.range.length - self.at;
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read_at(&mut buffer[..wanted], self.range.offset + self.at)?;
        self.at += count as u64;
        if self.at - self.told >= REPORT_EVERY || (self.at == self.range.length && self.told != self.at) {
            self.told = self.at;
            (self.report)(self.at);
        }
        Ok(count)
    }
}

fn archive(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> LoadError {
    LoadError::Archive(error.into())
}

/// A path without dots, relative to the archive's root.
fn clean(folder: &str, path: &str) -> String {
    let start = if path.starts_with('/') { "" } else { folder };
    let mut parts: Vec<&str> = Vec::new();
    for part in start.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}
