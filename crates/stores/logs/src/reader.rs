//! Records in order, from the wanted first one to the end, or on and on.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use log_format::{Record, parse_record};

use crate::files::{self, Identity, LogFile, Source, nanoseconds};
use crate::lines::Lines;
use crate::tail;
use crate::watch::Watch;

/// Which records are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Query {
    /// Only so many of the last records, counted before the other conditions; absent is all.
    pub tail: Option<u64>,
    /// None that is older.
    pub since: Option<SystemTime>,
    /// None that is newer; the first such one ends the reading.
    pub until: Option<SystemTime>,
    /// Whether to go on with records that are yet to be written.
    pub follow: bool,
}

/// What [`Reader::next`] gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// A record.
    Record(Record),
    /// None now; the reader's descriptor becomes readable when it is worth asking again.
    Pending,
    /// None any more.
    End,
}

/// Reads a log.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    since: u64,
    until: u64,
    /// Present while following.
    watch: Option<Watch>,
    /// Whether only what was there at the opening is read.
    is_bounded: bool,
    /// Files yet to be read, oldest first.
    ahead: VecDeque<Ahead>,
    current: Option<Current>,
    /// The newest time seen, to know a compressed file by that has been read under another name.
    last_time: u64,
    is_over: bool,
}

#[derive(Debug)]
struct Ahead {
    file: LogFile,
    start: u64,
    end: u64,
    skip: u64,
}

#[derive(Debug)]
struct Current {
    lines: Lines<Source>,
    identity: Identity,
    skip: u64,
    /// Whether it was put aside, so that nothing is added to it any more.
    is_final: bool,
}

impl Reader {
    /// Opens the log whose newest file is `path`. A log that has not been written yet is empty.
    ///
    /// # Errors
    /// When a file is there and cannot be read, or when the folder cannot be watched.
    pub fn open(path: &Path, query: Query) -> io::Result<Self> {
        // The watch comes first, so that nothing happens unnoticed between it and the files.
        let watch = query.follow.then(|| Watch::on_folder_of(path)).transpose()?;
        let since = query.since.and_then(nanoseconds).unwrap_or(0);
        let mut reader = Self {
            path: path.to_owned(),
            since,
            until: query.until.map_or(u64::MAX, |until| nanoseconds(until).unwrap_or(0)),
            watch,
            is_bounded: !query.follow,
            ahead: VecDeque::new(),
            current: None,
            last_time: 0,
            is_over: false,
        };
        let files = files::open_newest_first(path, |file| {
            since > 0 && file.last_time().is_some_and(|last| last < since)
        })?;
        reader.plan(files, query.tail)?;
        Ok(reader)
    }

    /// What to wait on after [`Next::Pending`]: readable when the log has changed. Absent unless following.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.watch.as_ref().map(AsFd::as_fd)
    }

    /// Ends following: what has been written so far is still given, then the end.
    pub fn stop_following(&mut self) {
        self.watch = None;
    }

    /// The next record. Lines that are none, torn or foreign, are passed over.
    ///
    /// # Errors
    /// When a file cannot be read.
    #[allow(clippy::should_implement_trait, reason = "an iterator cannot say that there is nothing yet")]
    pub fn next(&mut self) -> io::Result<Next> {
        let mut looked_again = false;
        while !self.is_over {
            match (self.next_record()?, &mut self.watch) {
                (Some(record), _) => {
                    self.last_time = self.last_time.max(record.time);
                    if record.time > self.until {
                        self.is_over = true;
                    } else if record.time >= self.since {
                        return Ok(Next::Record(record));
                    }
                }
                (None, None) => self.is_over = true,
                (None, Some(_)) if looked_again => return Ok(Next::Pending),
                (None, Some(watch)) => {
                    // What was written before this would not be noticed: look once more.
                    watch.clear();
                    looked_again = true;
                }
            }
        }
        Ok(Next::End)
    }

    /// Decides what to read of files that were opened newest first.
    fn plan(&mut self, files: Vec<LogFile>, tail: Option<u64>) -> io::Result<()> {
        let mut left = tail;
        for file in files {
            if left == Some(0) && !(self.ahead.is_empty() && self.watch.is_some()) {
                break;
            }
            let end = if self.is_bounded { file.file.metadata()?.len() } else { u64::MAX };
            let (mut start, mut skip) = (0, 0);
            if let Some(wanted) = left {
                let found = tail::find(&file, wanted)?;
                left = Some(wanted - found.lines);
                (start, skip) = (found.start, found.skip);
            }
            self.ahead.push_front(Ahead { file, start, end, skip });
        }
        Ok(())
    }

    fn next_record(&mut self) -> io::Result<Option<Record>> {
        loop {
            if self.current.is_none() && !self.advance()? {
                return Ok(None);
            }
            let Some(current) = &mut self.current else { return Ok(None) };
            if let Some(line) = current.lines.next_line()? {
                if line.is_empty() {
                    continue;
                }
                if current.skip > 0 {
                    current.skip -= 1;
                } else if let Ok(record) = parse_record(line) {
                    return Ok(Some(record));
                }
                continue;
            }
            let is_newest = self.ahead.is_empty();
            if is_newest && self.is_bounded {
                return Ok(current.lines.take_rest().and_then(|rest| parse_record(rest).ok()));
            }
            if is_newest && !current.is_final {
                // The newest file may grow, until another one has its name.
                if Identity::at(&self.path).is_none_or(|newest| newest == current.identity) {
                    return Ok(None);
                }
                // Something may have been added after the last look at it.
                current.is_final = true;
                continue;
            }
            if is_newest {
                self.find_newer()?;
            }
            if self.ahead.is_empty() {
                return Ok(None);
            }
            self.current = None;
        }
    }

    /// Goes to the next file; answers whether there is one.
    fn advance(&mut self) -> io::Result<bool> {
        if self.ahead.is_empty() && !self.is_bounded {
            self.find_newer()?;
        }
        let Some(Ahead { file, start, end, skip }) = self.ahead.pop_front() else { return Ok(false) };
        let identity = file.identity;
        let lines = Lines::new(file.into_source(start, end)?);
        self.current = Some(Current { lines, identity, skip, is_final: false });
        Ok(true)
    }

    /// Queues the files that are newer than the one at hand.
    fn find_newer(&mut self) -> io::Result<()> {
        let at_hand = self.current.as_ref().map(|current| current.identity);
        let last_time = self.last_time;
        let newer = files::open_newest_first(&self.path, |file| {
            Some(file.identity) == at_hand
                || (file.is_compressed && file.last_time().is_some_and(|last| last <= last_time))
        })?;
        let newer = newer.into_iter().rev();
        self.ahead.extend(newer.map(|file| Ahead { file, start: 0, end: u64::MAX, skip: 0 }));
        Ok(())
    }
}
