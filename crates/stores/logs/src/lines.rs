//! Whole lines of one file, plain or compressed; a line that is still being written waits for its newline.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use flate2::read::MultiGzDecoder;

use crate::files::Source;

const CHUNK: usize = 32 << 10;

/// A line longer than this is no record (they hold 16 KiB of text, escaped at the worst sixfold): it is passed over.
const LONGEST: usize = 1 << 20;

pub(crate) struct Lines {
    source: Source,
    decoder: Option<MultiGzDecoder<File>>,
    buffer: Vec<u8>,
    /// Where the next line begins in `buffer`.
    start: usize,
    /// Up to where `buffer` is known to hold no newline.
    searched: usize,
    /// Whether the line being read was too long and only its end is awaited.
    skipping: bool,
    /// How much of a plain file was read.
    position: u64,
}

impl Lines {
    /// Lines from where the source's file stands.
    pub(crate) fn new(mut source: Source) -> io::Result<Lines> {
        let position = source.file.stream_position()?;
        let decoder =
            if source.is_compressed { Some(MultiGzDecoder::new(source.file.try_clone()?)) } else { None };
        Ok(Lines { source, decoder, buffer: Vec::new(), start: 0, searched: 0, skipping: false, position })
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// The next whole line with its newline; `None` at what is the end for now.
    pub(crate) fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(found) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
                let end = self.searched + found + 1;
                let line = self.buffer[self.start..end].to_vec();
                self.start = end;
                self.searched = end;
                if std::mem::take(&mut self.skipping) {
                    continue;
                }
                return Ok(Some(line));
            }
            self.searched = self.buffer.len();
            if self.searched - self.start > LONGEST {
                self.skipping = true;
                self.start = self.searched;
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Whether a plain file has grown past what was read.
    pub(crate) fn has_more(&mut self) -> io::Result<bool> {
        Ok(self.decoder.is_none() && self.source.file.metadata()?.len() > self.position)
    }

    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        let held = self.buffer.len();
        self.buffer.resize(held + CHUNK, 0);
        let read = match &mut self.decoder {
            // A damaged archive ends where the damage begins.
            Some(decoder) => decoder.read(&mut self.buffer[held..]).unwrap_or(0),
            None => self.read_plain(held)?,
        };
        self.buffer.truncate(held + read);
        Ok(read > 0)
    }

    fn read_plain(&mut self, held: usize) -> io::Result<usize> {
        let mut read = self.source.file.read(&mut self.buffer[held..])?;
        if read == 0 && self.source.file.metadata()?.len() < self.position {
            // Emptied and written anew: by the writer, whose renaming failed, or by a user's `> file`.
            self.source.file.seek(SeekFrom::Start(0))?;
            self.position = 0;
            read = self.source.file.read(&mut self.buffer[held..])?;
        }
        self.position += u64::try_from(read).unwrap_or(0);
        Ok(read)
    }
}
