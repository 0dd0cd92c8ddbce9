//! The file that survives: append a frame, sync it; rewrite it when most of it is dead.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::batch::Operation;
use crate::{DbError, Tables, frame};

/// How far beyond its end the file is filled with zeros. A sync of bytes inside the file is one write to the disk; one
/// that makes the file longer also commits the file system's journal, with everything that others have in it.
const RESERVE: u64 = 128 << 10;

/// A log below this size is never rewritten: replaying it takes a few milliseconds.
const REWRITE_ABOVE: u64 = 4 << 20;

/// The open log, at its end.
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    /// Held for as long as the store is open.
    _lock: File,
    length: u64,
    /// Where the zeros behind the last frame end.
    reserved: u64,
    sequence: u64,
    /// Length right after the last rewrite, the measure of what is live.
    live: u64,
    failed: bool,
}

/// A group that is in the file and not yet on the disk.
#[must_use]
pub(crate) struct Written {
    size: u64,
}

impl Log {
    /// Opens or makes `intent.log` in `dir` and hands each durable group to `replay`, oldest first.
    pub(crate) fn open(dir: &Path, mut replay: impl FnMut(Vec<Operation>)) -> Result<Log, DbError> {
        std::fs::create_dir_all(dir).map_err(|cause| io("create", dir, cause))?;
        let lock = lock(dir)?;
        let path = dir.join("intent.log");
        let mut file = open_file(&path, false)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|cause| io("read", &path, cause))?;

        let mut offset = 0;
        let mut sequence = 0;
        while offset < bytes.len() {
            let Some(frame) = frame::decode(&bytes[offset..]) else { break };
            if frame.sequence <= sequence {
                return Err(DbError::Damaged { path, offset: offset as u64 });
            }
            sequence = frame.sequence;
            offset += frame.size;
            replay(frame.operations);
        }
        if offset < bytes.len() {
            check_torn(&bytes, offset, sequence, &path)?;
            file.set_len(offset as u64).map_err(|cause| io("truncate", &path, cause))?;
            file.sync_all().map_err(|cause| io("sync", &path, cause))?;
        }
        sync_dir(dir)?;
        let length = offset as u64;
        Ok(Log { path, file, _lock: lock, length, reserved: length, sequence, live: length, failed: false })
    }

    /// Appends one group to the file: a process that opens the log from now on sees it, even if this one is killed. Only
    /// [`Log::sync`] makes it outlive the machine.
    pub(crate) fn write(&mut self, operations: &[Operation]) -> Result<Written, DbError> {
        if self.failed {
            return Err(DbError::Failed);
        }
        let too_large = || io("encode", &self.path, std::io::ErrorKind::FileTooLarge.into());
        let bytes = frame::encode(self.sequence + 1, operations).ok_or_else(too_large)?;
        if let Err(cause) = self.file.write_all_at(&bytes, self.length) {
            // What was written of the frame must not stay in front of the next one.
            self.failed = self.file.set_len(self.length).is_err();
            self.reserved = self.length;
            return Err(io("write", &self.path, cause));
        }
        let size = bytes.len() as u64;
        self.reserve(self.length + size);
        Ok(Written { size })
    }

    /// Fills the file with zeros behind `end` when they are used up; on a full disk it goes on without.
    fn reserve(&mut self, end: u64) {
        if end > self.reserved {
            let zeros = vec![0; usize::try_from(RESERVE).unwrap_or(0)];
            self.reserved = self.file.write_all_at(&zeros, end).map_or(end, |()| end + RESERVE);
        }
    }

    /// Waits until the disk holds what was written.
    pub(crate) fn sync(&mut self, written: Written) -> Result<(), DbError> {
        if let Err(cause) = self.file.sync_data() {
            // After a failed sync the page cache may claim what the disk does not hold: only a new start can tell.
            self.failed = true;
            return Err(io("sync", &self.path, cause));
        }
        self.sequence += 1;
        self.length += written.size;
        Ok(())
    }

    /// True when three quarters of a large log are dead.
    pub(crate) fn wants_rewrite(&self) -> bool {
        self.length > REWRITE_ABOVE && self.length / 4 > self.live
    }

    /// Writes `tables` as a new log and renames it into place.
    pub(crate) fn rewrite(&mut self, tables: &Tables) -> Result<(), DbError> {
        let aside = self.path.with_extension("log.new");
        let mut file = open_file(&aside, true)?;
        let mut length = 0;
        let mut sequence = self.sequence;
        for operations in chunks(tables) {
            sequence += 1;
            let too_large = || io("encode", &aside, std::io::ErrorKind::FileTooLarge.into());
            let bytes = frame::encode(sequence, &operations).ok_or_else(too_large)?;
            file.write_all(&bytes).map_err(|cause| io("write", &aside, cause))?;
            length += bytes.len() as u64;
        }
        file.sync_all().map_err(|cause| io("sync", &aside, cause))?;
        std::fs::rename(&aside, &self.path).map_err(|cause| io("rename", &aside, cause))?;
        // From here on the old file is gone, so the new one is used even if its folder cannot be synced.
        self.file = file;
        self.sequence = sequence;
        self.length = length;
        self.reserved = length;
        self.live = length;
        sync_dir(self.path.parent().unwrap_or(Path::new(".")))
    }
}

/// All records, a few hundred to a frame.
fn chunks(tables: &Tables) -> impl Iterator<Item = Vec<Operation>> + '_ {
    let mut records = tables.iter().flat_map(|(table, records)| {
        records.iter().map(|(key, value)| Operation::Put {
            table: table.clone(),
            key: key.clone(),
            value: value.clone(),
        })
    });
    std::iter::from_fn(move || {
        let group: Vec<Operation> = records.by_ref().take(256).collect();
        (!group.is_empty()).then_some(group)
    })
}

/// Accepts an unreadable end as a torn last write, unless a later frame shows that it was once answered.
fn check_torn(bytes: &[u8], offset: usize, sequence: u64, path: &Path) -> Result<(), DbError> {
    if offset == 0
        && !bytes.starts_with(&frame::MAGIC[..bytes.len().min(8)])
        && bytes.iter().any(|byte| *byte != 0)
    {
        return Err(DbError::Format { path: path.to_owned() });
    }
    let rest = &bytes[offset + 1..];
    let later = rest.windows(8).enumerate().filter(|(_, window)| *window == frame::MAGIC);
    for (at, _) in later {
        if frame::decode(&rest[at..]).is_some_and(|frame| frame.sequence > sequence) {
            return Err(DbError::Damaged { path: path.to_owned(), offset: offset as u64 });
        }
    }
    Ok(())
}

fn lock(dir: &Path) -> Result<File, DbError> {
    let path = dir.join("intent.lock");
    let file = open_file(&path, false)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(DbError::InUse { dir: dir.to_owned() }),
        Err(errno) => Err(io("lock", &path, errno.into())),
    }
}

fn open_file(path: &Path, fresh: bool) -> Result<File, DbError> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(fresh).mode(0o600);
    options.open(path).map_err(|cause| io("open", path, cause))
}

fn sync_dir(dir: &Path) -> Result<(), DbError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|cause| io("sync", dir, cause))
}

fn io(action: &'static str, path: &Path, cause: std::io::Error) -> DbError {
    DbError::Io { action, path: path.to_owned(), cause }
}
