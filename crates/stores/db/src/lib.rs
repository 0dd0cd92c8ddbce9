//! Transactions over intent: named tables of small records, durable before the answer; knows no record.
//!
//! ```text
//!  commit(batch) ──▶ queue ──▶ leader: one frame per group ──▶ intent.log + fdatasync ──▶ memory ──▶ answers
//!  get, scan ────────────────────────────────────────────────────────────────────────────▶ memory
//! ```
//!
//! All records live in memory; the log is what survives. Committers that arrive while a sync is running
//! share the next one. The log is rewritten (aside, then renamed) once dead bytes outweigh live ones.
//! Why not a B-tree file: `docs/decisions/001-intent-log.md`.

mod batch;
mod frame;
mod log;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{Builder, JoinHandle};

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use batch::Batch;
use batch::Operation;
use log::{Log, Written};

/// A record's bytes, shared with the store.
pub type Value = Arc<[u8]>;

type Tables = BTreeMap<String, BTreeMap<String, Value>>;

/// Encoding a frame and syncing a file needs little.
const COMMIT_STACK: usize = 128 << 10;

/// Why the store could not be opened or a batch not made durable.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// Another process holds the store.
    #[error("the data root {} is in use by another daemon", dir.display())]
    InUse {
        /// The folder that holds the log.
        dir: PathBuf,
    },
    /// The log was written by something newer, or is not a log.
    #[error("{} is not an intent log that this version reads", path.display())]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// A frame in the middle of the log does not match its checksum.
    #[error("{} is damaged at byte {offset}: later records are intact, so nothing was changed; restore the file from a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the bad frame begins.
        offset: u64,
    },
    /// Reading, writing or syncing failed; the batch is not durable.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        cause: std::io::Error,
    },
    /// An earlier sync failed, so what the disk holds is unknown until the next start.
    #[error(
        "an earlier write of the intent log failed; the store takes no changes until the daemon is restarted"
    )]
    Failed,
    /// A record could not be encoded or decoded as JSON.
    #[error("record {table}/{key} cannot be read")]
    Record {
        /// The table.
        table: String,
        /// The record's key.
        key: String,
        /// What the decoder said.
        #[source]
        cause: serde_json::Error,
    },
}

/// The intent store of one data root. Cheap to clone; calls block, and only `commit` touches the disk.
#[derive(Clone)]
pub struct Db {
    shared: Arc<Shared>,
}

struct Shared {
    tables: RwLock<Tables>,
    queue: Mutex<Queue>,
    finished: Condvar,
}

/// What waits to be written, and who writes.
struct Queue {
    /// Absent while a leader writes.
    log: Option<Log>,
    pending: Vec<Waiting>,
    /// The group that `pending` will be written as.
    next_group: u64,
    /// Outcome of each group that some committer has still to read: how many will, and what happened.
    outcomes: BTreeMap<u64, (usize, Result<(), Arc<DbError>>)>,
}

/// A batch that is not written yet.
struct Waiting {
    operations: Vec<Operation>,
    /// Who wants to know when it is in the file.
    written: Option<Sender<()>>,
}

/// A group that is in the log, or failed to get there, and whoever holds this has to sync.
struct Begun {
    group: u64,
    readers: usize,
    operations: Vec<Operation>,
    log: Log,
    written: Result<Written, DbError>,
}

impl Db {
    /// Opens the store in `dir`, replaying the log; a torn last write is dropped, since it was never answered.
    ///
    /// # Errors
    /// [`DbError::InUse`] when another process has it open; [`DbError::Damaged`] when an answered write is unreadable.
    pub fn open(dir: &Path) -> Result<Db, DbError> {
        let mut tables = Tables::new();
        let log = Log::open(dir, |operations| apply(&mut tables, operations))?;
        let queue = Queue { log: Some(log), pending: Vec::new(), next_group: 0, outcomes: BTreeMap::new() };
        let shared =
            Shared { tables: RwLock::new(tables), queue: Mutex::new(queue), finished: Condvar::new() };
        Ok(Db { shared: Arc::new(shared) })
    }

    /// Finds a record.
    #[must_use]
    pub fn get(&self, table: &str, key: &str) -> Option<Value> {
        self.read().get(table)?.get(key).cloned()
    }

    /// Lists a table, sorted by key.
    #[must_use]
    pub fn scan(&self, table: &str) -> Vec<(String, Value)> {
        let tables = self.read();
        let Some(records) = tables.get(table) else { return Vec::new() };
        records.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// Finds a record and decodes it.
    ///
    /// # Errors
    /// [`DbError::Record`] when the bytes are not a `T`.
    pub fn get_json<T: DeserializeOwned>(&self, table: &str, key: &str) -> Result<Option<T>, DbError> {
        self.get(table, key).map(|value| decode(table, key, &value)).transpose()
    }

    /// Lists and decodes a table, sorted by key.
    ///
    /// # Errors
    /// [`DbError::Record`] at the first record that is not a `T`.
    pub fn scan_json<T: DeserializeOwned>(&self, table: &str) -> Result<Vec<(String, T)>, DbError> {
        self.scan(table)
            .into_iter()
            .map(|(key, value)| Ok((key.clone(), decode(table, &key, &value)?)))
            .collect()
    }

    /// Makes all of `batch` durable and visible, or none of it. Concurrent callers share one sync.
    ///
    /// # Errors
    /// [`DbError::Io`] when the disk refuses (full, for example): nothing changed. [`DbError::Failed`] after a failed sync.
    pub fn commit(&self, batch: Batch) -> Result<(), DbError> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut queue = self.queue();
        let group = queue.next_group;
        queue.pending.push(Waiting { operations: batch.into_operations(), written: None });
        self.wait_for(group, queue)
    }

    /// Writes `batch`, and has a thread of its own do the rest of what [`Db::commit`] does, for a caller that has work to
    /// do while the disk syncs. Returns when the batch is in the log, which a kill of this process cannot undo; only the
    /// loss of the machine can.
    ///
    /// # Errors
    /// When there can be no thread. A batch that fails is told by [`Commit::finish`].
    pub fn commit_aside(&self, batch: Batch) -> std::io::Result<Commit> {
        let (work, handed_over) = channel::<(u64, Option<Begun>)>();
        let db = self.clone();
        let thread = Builder::new().name("commit".to_owned()).stack_size(COMMIT_STACK);
        // The thread comes first: without one nothing has begun.
        let thread = thread.spawn(move || match handed_over.recv() {
            Ok((group, Some(begun))) => db.wait_for(group, db.end(begun)),
            Ok((group, None)) => db.wait_for(group, db.queue()),
            Err(_) => Ok(()),
        })?;
        let mut queue = self.queue();
        let (sender, written) = channel();
        let group = queue.next_group;
        queue.pending.push(Waiting { operations: batch.into_operations(), written: Some(sender) });
        let begun = queue.log.take().map(|log| self.begin(queue, log));
        let _ = work.send((group, begun));
        // Whoever syncs an earlier group writes this one next.
        let _ = written.recv();
        Ok(Commit { thread: Some(thread) })
    }

    /// Waits for the outcome of a group that has been queued, and leads if nobody does.
    fn wait_for<'a>(&'a self, group: u64, mut queue: MutexGuard<'a, Queue>) -> Result<(), DbError> {
        loop {
            if let Some((readers, outcome)) = queue.outcomes.get_mut(&group) {
                *readers -= 1;
                let (last, outcome) = (*readers == 0, outcome.clone());
                if last {
                    queue.outcomes.remove(&group);
                }
                return outcome.map_err(|cause| repeat(&cause));
            }
            queue = match queue.log.take() {
                Some(log) => self.end(self.begin(queue, log)),
                None => self.shared.finished.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Writes everything pending as one frame; the lock is not held meanwhile.
    fn begin(&self, mut queue: MutexGuard<'_, Queue>, mut log: Log) -> Begun {
        let group = queue.next_group;
        queue.next_group += 1;
        let batches = std::mem::take(&mut queue.pending);
        drop(queue);

        let readers = batches.len();
        let (operations, waiting): (Vec<_>, Vec<_>) =
            batches.into_iter().map(|batch| (batch.operations, batch.written)).unzip();
        let operations: Vec<Operation> = operations.into_iter().flatten().collect();
        let written = log.write(&operations);
        for waiting in waiting.iter().flatten() {
            let _ = waiting.send(());
        }
        Begun { group, readers, operations, log, written }
    }

    /// Syncs what was written, shows it to readers and tells its committers; the lock is held at the end.
    fn end(&self, begun: Begun) -> MutexGuard<'_, Queue> {
        let Begun { group, readers, operations, mut log, written } = begun;
        let outcome = written.and_then(|written| log.sync(written)).map_err(Arc::new);
        if outcome.is_ok() {
            apply(&mut self.write(), operations);
            if log.wants_rewrite() {
                // A failed rewrite leaves the old log in place, which is still whole.
                let _ = log.rewrite(&self.read());
            }
        }

        let mut queue = self.queue();
        queue.outcomes.insert(group, (readers, outcome));
        queue.log = Some(log);
        self.shared.finished.notify_all();
        queue
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Tables> {
        self.shared.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Tables> {
        self.shared.tables.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A commit that goes on by itself. Dropped, it is waited for.
#[derive(Debug)]
pub struct Commit {
    thread: Option<JoinHandle<Result<(), DbError>>>,
}

impl Commit {
    /// Waits until the batch is durable and visible.
    ///
    /// # Errors
    /// Those of [`Db::commit`].
    pub fn finish(mut self) -> Result<(), DbError> {
        self.join()
    }

    fn join(&mut self) -> Result<(), DbError> {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) => Err(DbError::Failed),
            None => Ok(()),
        }
    }
}

impl Drop for Commit {
    fn drop(&mut self) {
        let _ = self.join();
    }
}

fn decode<T: DeserializeOwned>(table: &str, key: &str, value: &[u8]) -> Result<T, DbError> {
    serde_json::from_slice(value).map_err(|cause| DbError::Record {
        table: table.to_owned(),
        key: key.to_owned(),
        cause,
    })
}

/// Encodes a record for [`Batch::put_json`].
fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    serde_json::to_vec(record).expect("records are plain structs with string keys, which JSON always encodes")
}

fn apply(tables: &mut Tables, operations: Vec<Operation>) {
    for operation in operations {
        match operation {
            Operation::Put { table, key, value } => {
                tables.entry(table).or_default().insert(key, value);
            }
            Operation::Delete { table, key } => {
                if let Some(records) = tables.get_mut(&table) {
                    records.remove(&key);
                }
            }
        }
    }
}

/// Gives each committer of a failed group its own error.
fn repeat(cause: &DbError) -> DbError {
    match cause {
        DbError::Io { action, path, cause } => {
            let cause =
                cause.raw_os_error().map_or_else(|| cause.kind().into(), std::io::Error::from_raw_os_error);
            DbError::Io { action, path: path.clone(), cause }
        }
        _ => DbError::Failed,
    }
}

#[cfg(test)]
mod tests;
