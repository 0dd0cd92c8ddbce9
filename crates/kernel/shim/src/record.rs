//! The exit record: how a container ended, on disk before anybody is told.

use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// How a container ended; `exit.json` in its folder under the exec root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// The container's id.
    pub id: String,
    /// Its first process.
    pub pid: u32,
    /// 0–255, or 128 and the signal.
    pub exit_code: i32,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether the kernel killed one of its processes for lack of memory.
    pub oom_killed: bool,
    /// The wall clock at its start, nanoseconds since 1970.
    pub started_at: u64,
    /// The wall clock at its end, nanoseconds since 1970.
    pub finished_at: u64,
}

/// The record's file name.
pub const FILE: &str = "exit.json";

impl ExitRecord {
    /// Reads the record of a container from its folder under the exec root; `None` if there is none.
    pub fn load(exec_dir: &Path) -> io::Result<Option<Self>> {
        match std::fs::read(exec_dir.join(FILE)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts the record in place; a reader sees all of it or none.
    pub fn store(&self, exec_dir: &Path) -> io::Result<()> {
        let bytes = serde_json::to_vec(self)?;
        replace(&exec_dir.join(FILE), &bytes)
    }
}

/// Writes a file aside and renames it into place. No sync: the exec root is memory.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("new");
    std::fs::File::create(&aside)?.write_all(bytes)?;
    std::fs::rename(&aside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_record_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(ExitRecord::load(dir.path()).unwrap(), None);
        let record = ExitRecord {
            id: "ab".into(),
            pid: 7,
            exit_code: 137,
            signal: Some(9),
            oom_killed: true,
            started_at: 1,
            finished_at: u64::MAX,
        };
        record.store(dir.path()).unwrap();
        assert_eq!(ExitRecord::load(dir.path()).unwrap(), Some(record));
    }
}
