//! Writes the log: files of records, bounded, rotated, never in the container's way.
//!
//! ```text
//! <path>      being written          a file that is full becomes <path>.1, what was .1 becomes .2 …
//! <path>.1    <path>.2 …             with compression <path>.1.gz, <path>.2.gz …
//! ```
//!
//! Whatever fails here (a full disk, a folder that is gone) costs records, never output: the pumps go on.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use log_format::{Lines, Piece, Stream, append_record, attributes_json, gzip_extra};

use crate::protocol::{JsonFile, LogPolicy};

/// Records are written when this many bytes are waiting, at the latest.
const BATCH: usize = 64 * 1024;

/// How much is compressed in one turn; a turn takes a millisecond or two.
const COMPRESS_TURN: usize = 64 * 1024;

/// The wall clock, nanoseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Where a container's output is recorded.
#[derive(Debug, Default)]
pub(crate) struct Log(Option<Box<Writer>>);

impl Log {
    /// Opens the log that `policy` names; appends to one that is there.
    pub(crate) fn open(policy: &LogPolicy) -> io::Result<Self> {
        match policy {
            LogPolicy::None => Ok(Self(None)),
            LogPolicy::JsonFile(wish) => Ok(Self(Some(Box::new(Writer::open(wish)?)))),
        }
    }

    /// Records what was read from a stream.
    pub(crate) fn take(&mut self, stream: Stream, bytes: &[u8]) {
        if let Some(writer) = &mut self.0 {
            writer.take(stream, bytes, now());
            writer.flush();
        }
    }

    /// Records unfinished lines: nothing more will come.
    pub(crate) fn finish(&mut self) {
        if let Some(writer) = &mut self.0 {
            writer.finish(now());
            writer.flush();
        }
    }

    /// Whether [`Self::turn`] has something to do.
    pub(crate) fn is_busy(&self) -> bool {
        self.0.as_ref().is_some_and(|writer| writer.job.is_some())
    }

    /// Does a small part of the work that can wait.
    pub(crate) fn turn(&mut self) {
        if let Some(writer) = &mut self.0 {
            writer.turn();
        }
    }

    /// Lets go of memory that is only needed while output flows.
    pub(crate) fn rest(&mut self) {
        if let Some(writer) = &mut self.0 {
            writer.batch = Vec::new();
        }
    }
}

#[derive(Debug)]
struct Writer {
    path: PathBuf,
    /// Absent if it could not be opened after a rotation; tried again with the next batch.
    file: Option<File>,
    size: u64,
    max_size: Option<u64>,
    max_files: u32,
    compress: bool,
    attributes: String,
    stdout: Lines,
    stderr: Lines,
    batch: Vec<u8>,
    last_time: u64,
    /// Whether the file may end within a record, after a write that failed.
    torn: bool,
    job: Option<Job>,
}

/// What is needed to write a record, apart from the state of the lines.
impl Writer {
    fn open(wish: &JsonFile) -> io::Result<Self> {
        let file = open_file(&wish.path, false)?;
        Ok(Self {
            size: file.metadata()?.len(),
            file: Some(file),
            path: wish.path.clone(),
            max_size: wish.max_size,
            max_files: wish.max_files.max(1),
            compress: wish.compress && wish.max_files > 1,
            attributes: attributes_json(&wish.attributes),
            stdout: Lines::default(),
            stderr: Lines::default(),
            batch: Vec::new(),
            last_time: 0,
            torn: false,
            job: None,
        })
    }

    fn take(&mut self, stream: Stream, bytes: &[u8], now: u64) {
        let mut lines = std::mem::take(self.lines(stream));
        lines.feed(bytes, now, |piece| self.record(stream, piece));
        *self.lines(stream) = lines;
    }

    fn finish(&mut self, now: u64) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let mut lines = std::mem::take(self.lines(stream));
            lines.finish(now, |piece| self.record(stream, piece));
        }
    }

    fn lines(&mut self, stream: Stream) -> &mut Lines {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    fn record(&mut self, stream: Stream, piece: Piece<'_>) {
        let waiting = u64::try_from(self.batch.len()).unwrap_or(u64::MAX);
        if self.max_size.is_some_and(|most| self.size.saturating_add(waiting) >= most) {
            self.flush();
            self.rotate();
        } else if self.batch.len() >= BATCH {
            self.flush();
        }
        append_record(&mut self.batch, piece.text, piece.ends_line, stream, &self.attributes, piece.time);
        self.last_time = piece.time;
    }

    fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        if self.write_batch().is_err() {
            self.torn = true;
        }
        self.batch.clear();
    }

    fn write_batch(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(open_file(&self.path, false)?),
        };
        if self.torn {
            file.write_all(b"\n")?;
            self.torn = false;
        }
        let outcome = file.write_all(&self.batch);
        self.size = match &outcome {
            Ok(()) => self.size + u64::try_from(self.batch.len()).unwrap_or(0),
            Err(_) => file.metadata()?.len(),
        };
        outcome
    }

    /// Puts the full file aside and begins a new one. If renaming fails the file is emptied: the bound holds.
    fn rotate(&mut self) {
        self.finish_job();
        self.file = None;
        if self.max_files > 1 {
            let suffix = if self.compress { ".gz" } else { "" };
            for number in (1..self.max_files - 1).rev() {
                let _ = std::fs::rename(
                    numbered(&self.path, number, suffix),
                    numbered(&self.path, number + 1, suffix),
                );
            }
            let _ = std::fs::rename(&self.path, numbered(&self.path, 1, ""));
        } else {
            let _ = std::fs::remove_file(&self.path);
        }
        self.file = open_file(&self.path, true).ok();
        self.size = 0;
        self.torn = false;
        if self.compress {
            self.job = Job::begin(&self.path, self.last_time).ok();
        }
    }

    fn turn(&mut self) {
        if let Some(job) = &mut self.job
            && job.turn() != Progress::More
        {
            self.job = None;
        }
    }

    fn finish_job(&mut self) {
        while self.job.is_some() {
            self.turn();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.finish_job();
    }
}

fn open_file(path: &Path, truncate: bool) -> io::Result<File> {
    if truncate {
        // Not together with opening: O_TRUNC and append exclude each other in the standard library.
        match OpenOptions::new().write(true).truncate(true).open(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

/// `<path>.<number><suffix>`.
fn numbered(path: &Path, number: u32, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}{suffix}"));
    PathBuf::from(name)
}

#[derive(Debug, PartialEq, Eq)]
enum Progress {
    More,
    Done,
    Failed,
}

/// The compression of `<path>.1`, in turns: a reader finds it under one of its two names, whole, at any time.
#[derive(Debug)]
struct Job {
    source: PathBuf,
    target: PathBuf,
    aside: PathBuf,
    from: File,
    to: GzEncoder<File>,
}

impl Job {
    fn begin(path: &Path, last_time: u64) -> io::Result<Self> {
        let aside = numbered(path, 1, ".gz.new");
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(&aside)?;
        let source = numbered(path, 1, "");
        Ok(Self {
            from: File::open(&source)?,
            to: GzBuilder::new().extra(gzip_extra(last_time)).write(file, Compression::default()),
            source,
            target: numbered(path, 1, ".gz"),
            aside,
        })
    }

    fn turn(&mut self) -> Progress {
        let outcome = self.step();
        if outcome.is_err() {
            let _ = std::fs::remove_file(&self.aside);
        }
        outcome.unwrap_or(Progress::Failed)
    }

    fn step(&mut self) -> io::Result<Progress> {
        let mut part = vec![0; COMPRESS_TURN];
        let length = self.from.read(&mut part)?;
        if length > 0 {
            self.to.write_all(&part[..length])?;
            return Ok(Progress::More);
        }
        self.to.try_finish()?;
        std::fs::rename(&self.aside, &self.target)?;
        std::fs::remove_file(&self.source)?;
        Ok(Progress::Done)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use flate2::read::MultiGzDecoder;
    use log_format::parse_record;

    use super::*;

    fn wish(dir: &Path) -> JsonFile {
        JsonFile {
            path: dir.join("x-json.log"),
            max_size: Some(1000),
            max_files: 3,
            compress: false,
            attributes: BTreeMap::new(),
        }
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn write_lines(log: &mut Log, range: std::ops::Range<u32>) {
        for number in range {
            log.take(Stream::Stdout, format!("line {number}\n").as_bytes());
        }
    }

    fn logs_of(bytes: &[u8]) -> Vec<String> {
        bytes.split_inclusive(|byte| *byte == b'\n').map(|line| parse_record(line).unwrap().log).collect()
    }

    #[test]
    fn a_full_file_makes_way_and_the_oldest_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::open(&LogPolicy::JsonFile(wish(dir.path()))).unwrap();
        write_lines(&mut log, 0..100);
        assert_eq!(names(dir.path()), ["x-json.log", "x-json.log.1", "x-json.log.2"]);
        let all: Vec<String> = ["x-json.log.2", "x-json.log.1", "x-json.log"]
            .iter()
            .flat_map(|name| logs_of(&std::fs::read(dir.path().join(name)).unwrap()))
            .collect();
        let expected: Vec<String> = (100 - all.len()..100).map(|number| format!("line {number}\n")).collect();
        assert_eq!(all, expected);
        for name in ["x-json.log.2", "x-json.log.1"] {
            let size = std::fs::metadata(dir.path().join(name)).unwrap().len();
            assert!((1000..1100).contains(&size), "{name} has {size} bytes");
        }
    }

    #[test]
    fn one_file_is_started_anew_when_it_is_full() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::open(&LogPolicy::JsonFile(JsonFile { max_files: 1, ..wish(dir.path()) })).unwrap();
        write_lines(&mut log, 0..100);
        assert_eq!(names(dir.path()), ["x-json.log"]);
        assert!(std::fs::metadata(dir.path().join("x-json.log")).unwrap().len() < 1100);
    }

    #[test]
    fn an_unbounded_log_is_not_rotated() {
        let dir = tempfile::tempdir().unwrap();
        let mut log =
            Log::open(&LogPolicy::JsonFile(JsonFile { max_size: None, ..wish(dir.path()) })).unwrap();
        log.take(Stream::Stderr, &b"x\n".repeat(100_000));
        assert_eq!(names(dir.path()), ["x-json.log"]);
        assert_eq!(logs_of(&std::fs::read(dir.path().join("x-json.log")).unwrap()).len(), 100_000);
    }

    #[test]
    fn older_files_are_compressed_in_turns() {
        let dir = tempfile::tempdir().unwrap();
        let mut log =
            Log::open(&LogPolicy::JsonFile(JsonFile { compress: true, ..wish(dir.path()) })).unwrap();
        write_lines(&mut log, 0..100);
        while log.is_busy() {
            log.turn();
        }
        assert_eq!(names(dir.path()), ["x-json.log", "x-json.log.1.gz", "x-json.log.2.gz"]);
        let mut decoder = MultiGzDecoder::new(File::open(dir.path().join("x-json.log.1.gz")).unwrap());
        let extra = decoder.header().and_then(|header| header.extra()).map(<[u8]>::to_vec).unwrap();
        let mut bytes = Vec::new();
        decoder.read_to_end(&mut bytes).unwrap();
        let last = bytes.split_inclusive(|byte| *byte == b'\n').next_back().unwrap();
        assert_eq!(
            log_format::parse_gzip_extra(&extra),
            Some(parse_record(last).unwrap().time),
            "the head names the last record's time"
        );
    }

    #[test]
    fn an_unfinished_line_is_recorded_at_the_end_and_a_new_writer_appends() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let mut log = Log::open(&LogPolicy::JsonFile(wish(dir.path()))).unwrap();
            log.take(Stream::Stdout, b"a");
            log.take(Stream::Stderr, b"e");
            log.finish();
        }
        assert_eq!(logs_of(&std::fs::read(dir.path().join("x-json.log")).unwrap()), ["a", "e", "a", "e"]);
    }

    #[test]
    fn a_write_that_fails_costs_records_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::open(&LogPolicy::JsonFile(wish(dir.path()))).unwrap();
        log.take(Stream::Stdout, b"before\n");
        let writer = log.0.as_mut().unwrap();
        writer.file = Some(OpenOptions::new().append(true).open("/dev/full").unwrap());
        log.take(Stream::Stdout, b"lost\n");
        let writer = log.0.as_mut().unwrap();
        assert!(writer.torn);
        writer.file = None;
        log.take(Stream::Stdout, b"after\n");
        let text = std::fs::read_to_string(dir.path().join("x-json.log")).unwrap();
        let logs: Vec<_> = text
            .lines()
            .filter(|line| !line.is_empty())
            .map(|line| parse_record(line.as_bytes()).unwrap().log)
            .collect();
        assert_eq!(logs, ["before\n", "after\n"]);
    }
}
