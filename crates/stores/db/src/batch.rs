//! What one transaction changes.

use serde::Serialize;

use crate::Value;

/// One change to one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    Put { table: String, key: String, value: Value },
    Delete { table: String, key: String },
}

/// Changes that become durable together. Later ones win over earlier ones on the same record.
#[derive(Debug, Default, Clone)]
pub struct Batch {
    operations: Vec<Operation>,
}

impl Batch {
    /// An empty batch; committing it does nothing.
    #[must_use]
    pub fn new() -> Batch {
        Batch::default()
    }

    /// Writes a record. Tables are at most 255 bytes long, keys 65,535, values 4 GiB.
    #[must_use]
    pub fn put(mut self, table: &str, key: &str, value: impl Into<Vec<u8>>) -> Batch {
        let value = value.into().into();
        self.operations.push(Operation::Put { table: table.to_owned(), key: key.to_owned(), value });
        self
    }

    /// Writes a record as JSON.
    #[must_use]
    pub fn put_json<T: Serialize>(self, table: &str, key: &str, record: &T) -> Batch {
        self.put(table, key, crate::encode(record))
    }

    /// Deletes a record; one that is not there is no error.
    #[must_use]
    pub fn delete(mut self, table: &str, key: &str) -> Batch {
        self.operations.push(Operation::Delete { table: table.to_owned(), key: key.to_owned() });
        self
    }

    /// Adds everything that `other` changes, after what this one does.
    #[must_use]
    pub fn and(mut self, other: Batch) -> Batch {
        self.operations.extend(other.operations);
        self
    }

    /// True when nothing would change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    pub(crate) fn into_operations(self) -> Vec<Operation> {
        self.operations
    }
}
