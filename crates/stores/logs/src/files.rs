//! Which files a log consists of, opened so that a rotation in between loses and doubles nothing.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::read::GzDecoder;

/// More files than this nobody keeps.
const MOST_FILES: u32 = 10_000;

/// How often opening begins anew because the log was rotated meanwhile.
const TRIES: u32 = 5;

/// The clock of files lags behind that of records by up to a tick.
const CLOCK_SLACK: Duration = Duration::from_secs(1);

/// What makes a file the same file whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity(u64, u64);

impl Identity {
    fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self(metadata.dev(), metadata.ino()))
    }

    /// The file that has this name now.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|metadata| Self(metadata.dev(), metadata.ino()))
    }
}

/// One file of a log.
#[derive(Debug)]
pub(crate) struct LogFile {
    pub(crate) file: File,
    pub(crate) identity: Identity,
    pub(crate) is_compressed: bool,
}

impl LogFile {
    fn open(path: &Path, is_compressed: bool) -> io::Result<Option<Self>> {
        match File::open(path) {
            Ok(file) => Ok(Some(Self { identity: Identity::of(&file)?, file, is_compressed })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens the n-th older file, under either of its names.
    fn open_older(path: &Path, number: u32) -> io::Result<Option<Self>> {
        match Self::open(&numbered(path, number, ""), false)? {
            Some(file) => Ok(Some(file)),
            None => Self::open(&numbered(path, number, ".gz"), true),
        }
    }

    /// The time of the last record, or a time after it, if that is cheap to know.
    pub(crate) fn last_time(&mut self) -> Option<u64> {
        if !self.is_compressed {
            return nanoseconds(self.file.metadata().ok()?.modified().ok()?.checked_add(CLOCK_SLACK)?);
        }
        let mut decoder = GzDecoder::new(&self.file);
        // The head is read with the first byte.
        let _ = decoder.read(&mut [0]);
        let time = decoder.header().and_then(|head| log_format::parse_gzip_extra(head.extra()?));
        self.file.seek(SeekFrom::Start(0)).ok()?;
        time
    }

    /// What can be read from it between two positions; a compressed file always whole.
    pub(crate) fn into_source(mut self, start: u64, end: u64) -> io::Result<Source> {
        if self.is_compressed {
            return Ok(Source::Compressed(Box::new(GzDecoder::new(self.file))));
        }
        self.file.seek(SeekFrom::Start(start))?;
        Ok(Source::Plain(self.file.take(end.saturating_sub(start))))
    }
}

/// The bytes of a file, decompressed where needed.
#[derive(Debug)]
pub(crate) enum Source {
    Plain(io::Take<File>),
    Compressed(Box<GzDecoder<File>>),
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Source::Plain(file) => file.read(buffer),
            // A file that was cut off ends where it is cut off.
            Source::Compressed(decoder) => match decoder.read(buffer) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => Ok(0),
                other => other,
            },
        }
    }
}

/// Opens all files of the log at `path`, newest first, up to the one for which `is_old` answers true (not included).
pub(crate) fn open_newest_first(
    path: &Path,
    mut is_old: impl FnMut(&mut LogFile) -> bool,
) -> io::Result<Vec<LogFile>> {
    for _ in 1..TRIES {
        let files = try_open(path, &mut is_old)?;
        if files.first().map(|file| file.identity) == Identity::at(path) {
            return Ok(files);
        }
    }
    try_open(path, &mut is_old)
}

/// A rotation gives files higher numbers only, so going upwards misses none; one that moved meanwhile is
/// met twice and left out then.
fn try_open(path: &Path, is_old: &mut impl FnMut(&mut LogFile) -> bool) -> io::Result<Vec<LogFile>> {
    let mut files: Vec<LogFile> = Vec::new();
    let mut next = LogFile::open(path, false)?;
    for number in 1..MOST_FILES {
        let Some(mut file) = next else {
            // No current file: in the midst of a rotation, or the writer could not open a new one.
            if number == 1 {
                next = LogFile::open_older(path, number)?;
                continue;
            }
            break;
        };
        if files.iter().all(|known| known.identity != file.identity) {
            if is_old(&mut file) {
                break;
            }
            files.push(file);
        }
        next = LogFile::open_older(path, number)?;
    }
    Ok(files)
}

fn numbered(path: &Path, number: u32, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}{suffix}"));
    PathBuf::from(name)
}

/// Nanoseconds since 1970, as records count.
pub(crate) fn nanoseconds(time: SystemTime) -> Option<u64> {
    u64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()
}
