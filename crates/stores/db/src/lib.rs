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
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use batch::Batch;
use batch::Operation;
use log::Log;

/// A record's bytes, shared with the store.
pub type Value = Arc<[u8]>;

type Tables = BTreeMap<String, BTreeMap<String, Value>>;

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
    pending: Vec<Vec<Operation>>,
    /// The group that `pending` will be written as.
    next_group: u64,
    /// Outcome of each group that some committer has still to read: how many will, and what happened.
    outcomes: BTreeMap<u64, (usize, Result<(), Arc<DbError>>)>,
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
        queue.pending.push(batch.into_operations());
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
                Some(log) => self.lead(queue, log),
                None => self.shared.finished.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Writes everything pending as one frame; the lock is not held meanwhile.
    fn lead<'a>(&'a self, mut queue: MutexGuard<'a, Queue>, mut log: Log) -> MutexGuard<'a, Queue> {
        let group = queue.next_group;
        queue.next_group += 1;
        let batches = std::mem::take(&mut queue.pending);
        drop(queue);

        let readers = batches.len();
        let operations: Vec<Operation> = batches.into_iter().flatten().collect();
        let outcome = log.append(&operations).map_err(Arc::new);
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
