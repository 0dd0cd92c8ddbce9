//! Reading record files: tail, since, until, follow across rotation; knows no container.
//!
//! ```text
//! <path>.2[.gz]  ──▶  <path>.1[.gz]  ──▶  <path>        oldest to newest; the writer renames them under our feet
//! ```
//!
//! A [`Reader`] is plain and synchronous: each [`Reader::read`] hands out a bounded block of records and says whether more is there.
//! One that follows is called again when its [`Watch`] becomes readable. Garbage between records is passed over.

mod files;
mod lines;
mod tail;
mod watch;

use std::io;
use std::path::{Path, PathBuf};

use log_format::{Record, parse_record};

use files::Source;
use lines::Lines;
pub use watch::Watch;

/// A block ends after about this many bytes of log file.
const BLOCK: usize = 64 << 10;

/// Why a log could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the log {}", path.display())]
pub struct LogError {
    /// The file.
    pub path: PathBuf,
    /// What the kernel said.
    #[source]
    pub cause: io::Error,
}

/// Which records are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Query {
    /// None before this time, in nanoseconds since 1970.
    pub since: Option<u64>,
    /// None after this time, in nanoseconds since 1970.
    pub until: Option<u64>,
    /// Only the last so many records of what is there now; counted before `since` and `until` apply, as Docker does.
    pub tail: Option<usize>,
}

/// What a read came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There is more to read now.
    More,
    /// All that is written has been read; a follower waits for its [`Watch`].
    CaughtUp,
    /// A record after `until` was seen: nothing more will match.
    Ended,
}

/// A place in a log.
pub struct Reader {
    path: PathBuf,
    query: Query,
    /// What is still to be read, the next one last.
    ahead: Vec<Source>,
    current: Option<Lines>,
    /// Records to pass over before the first that counts, for `tail`.
    passed_over: usize,
    seen: Seen,
}

/// How far the reader came, to find its place again after a rotation took the file away.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    /// The time of the last record.
    time: u64,
    /// How many records of that time were read.
    count: usize,
}

impl Seen {
    fn add(&mut self, time: u64) {
        if time == self.time {
            self.count += 1;
        } else {
            *self = Seen { time, count: 1 };
        }
    }
}

impl Reader {
    /// Opens the log at `path` with its rotated files. A log that was never written is an empty one.
    ///
    /// # Errors
    /// [`LogError`] when a file is there and cannot be read.
    pub fn open(path: &Path, query: Query) -> Result<Reader, LogError> {
        let failed = |cause| LogError { path: path.to_owned(), cause };
        let mut sources = files::open_all(path).map_err(failed)?;
        let passed_over = match query.tail {
            Some(count) => tail::keep_last(&mut sources, count).map_err(failed)?,
            None => 0,
        };
        sources.reverse();
        Ok(Reader {
            path: path.to_owned(),
            query,
            ahead: sources,
            current: None,
            passed_over,
            seen: Seen::default(),
        })
    }

    /// Hands the next block of records to `take`, oldest first.
    ///
    /// # Errors
    /// [`LogError`] when the disk fails; garbage in a file is no error.
    pub fn read(&mut self, mut take: impl FnMut(Record)) -> Result<Progress, LogError> {
        let mut budget = BLOCK;
        while budget > 0 {
            let Some(line) = self.next_line().map_err(|cause| LogError { path: self.path.clone(), cause })?
            else {
                return Ok(Progress::CaughtUp);
            };
            budget = budget.saturating_sub(line.len());
            let Ok(record) = parse_record(&line) else { continue };
            self.seen.add(record.time);
            if self.passed_over > 0 {
                self.passed_over -= 1;
                continue;
            }
            if self.query.until.is_some_and(|until| record.time > until) {
                return Ok(Progress::Ended);
            }
            if self.query.since.is_none_or(|since| record.time >= since) {
                take(record);
            }
        }
        Ok(Progress::More)
    }

    /// The next whole line, of this file or the ones after it.
    fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(lines) = &mut self.current
                && let Some(line) = lines.next_line()?
            {
                return Ok(Some(line));
            }
            if !self.advance()? {
                return Ok(None);
            }
        }
    }

    /// Moves on to the file after the one that was read to its end; false if that one is still being written.
    fn advance(&mut self) -> io::Result<bool> {
        if let Some(next) = self.ahead.pop() {
            self.current = Some(Lines::new(next)?);
            return Ok(true);
        }
        let Some(current) = &mut self.current else {
            return self.start_over();
        };
        let held = current.source().identity();
        if files::identity_at(&self.path)? == held {
            return Ok(false);
        }
        // Renamed away; what the writer added between our last read and the rename comes first.
        if current.has_more()? {
            return Ok(true);
        }
        let mut sources = files::open_all(&self.path)?;
        let Some(at) = sources.iter().position(|source| source.identity() == held) else {
            return self.find_place(sources);
        };
        sources.drain(..=at);
        if sources.is_empty() {
            return Ok(false);
        }
        sources.reverse();
        self.ahead = sources;
        self.current = None;
        self.advance()
    }

    fn start_over(&mut self) -> io::Result<bool> {
        let sources = files::open_all(&self.path)?;
        if sources.is_empty() { Ok(false) } else { self.find_place(sources) }
    }

    /// Our file was removed or compressed: reads what is there from the oldest on, and passes over what was seen.
    fn find_place(&mut self, sources: Vec<Source>) -> io::Result<bool> {
        let mut unseen = 0;
        let mut same = 0;
        for source in &sources {
            let mut lines = Lines::new(source.try_clone()?)?;
            while let Some(line) = lines.next_line()? {
                let Ok(record) = parse_record(&line) else { continue };
                if record.time < self.seen.time || (record.time == self.seen.time && same < self.seen.count) {
                    same += usize::from(record.time == self.seen.time);
                    unseen += 1;
                }
            }
        }
        self.passed_over += unseen;
        self.seen = Seen::default();
        let mut sources = sources;
        sources.reverse();
        self.ahead = sources;
        self.current = None;
        match self.ahead.pop() {
            Some(next) => {
                self.current = Some(Lines::new(next)?);
                Ok(true)
            }
            None => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests;
