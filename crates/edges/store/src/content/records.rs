//! Small things about assemblies that a node must still know after a restart: messages that are
//! alive, requests that were started, results.

use std::{fmt, path::Path};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use thiserror::Error;

/// A table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Message id -> a message that is alive.
    Messages,
    /// Request id -> that it was started here, and how it ended.
    Requests,
    /// Request id -> what came of it.
    Results,
    /// A name -> anything else.
    Other,
}

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// The disk failed.
#[derive(Debug, Error)]
#[error("{doing} records of assemblies")]
pub struct RecordsError {
    doing: &'static str,
    #[source]
    source: fjall::Error,
}

impl RecordsError {
    fn of(doing: &'static str) -> impl FnOnce(fjall::Error) -> Self {
        move |source| Self { doing, source }
    }
}

/// The tables. Clones are the same ones.
#[derive(Clone)]
pub struct Records {
    db: Database,
    messages: Keyspace,
    requests: Keyspace,
    results: Keyspace,
    other: Keyspace,
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Records(..)")
    }
}

impl Records {
    /// Opens the tables in a folder and makes those that are not there.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn open(folder: &Path) -> Result<Self, RecordsError> {
        let failed = || RecordsError::of("open");
        let db = Database::builder(folder)
            .cache_size(8 << 20)
            .max_journaling_size(64 << 20)
            .worker_threads(1)
            .open()
            .map_err(failed())?;
        let table = |name: &str| {
            let options = || KeyspaceCreateOptions::default().max_memtable_size(4 << 20);
            db.keyspace(name, options).map_err(failed())
        };
        let (messages, requests) = (table("messages")?, table("requests")?);
        let (results, other) = (table("results")?, table("other")?);
        Ok(Self { db, messages, requests, results, other })
    }

    const fn table(&self, table: Table) -> &Keyspace {
        match table {
            Table::Messages => &self.messages,
            Table::Requests => &self.requests,
            Table::Results => &self.results,
            Table::Other => &self.other,
        }
    }

    /// Keeps a value. With `is_synced` it is on disk when this returns.
    ///
    /// # Errors
    /// When the disk failed.
    pub fn put(
        &self,
        table: Table,
        key: &[u8],
        value: &[u8],
        is_synced: bool,
    ) -> Result<(), RecordsError> {
        self.table(table).insert(key, value).map_err(RecordsError::of("write"))?;
        if is_synced { self.sync() } else { Ok(()) }
    }

    /// Everything that was put so far is on disk when this returns.
    ///
    /// # Errors
    /// When the disk failed.
    pub fn sync(&self) -> Result<(), RecordsError> {
        self.db.persist(PersistMode::SyncData).map_err(RecordsError::of("sync"))
    }

    /// Forgets a value.
    ///
    /// # Errors
    /// When the disk failed.
    pub fn remove(&self, table: Table, key: &[u8]) -> Result<(), RecordsError> {
        self.table(table).remove(key).map_err(RecordsError::of("remove"))
    }

    /// A value.
    ///
    /// # Errors
    /// When the disk failed.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, RecordsError> {
        let found = self.table(table).get(key).map_err(RecordsError::of("read"))?;
        Ok(found.map(|value| value.to_vec()))
    }

    /// Every value with its key, in the order of keys.
    ///
    /// # Errors
    /// When the disk failed.
    pub fn all(&self, table: Table) -> Result<Vec<Pair>, RecordsError> {
        let mut found = Vec::new();
        for pair in self.table(table).iter() {
            let (key, value) = pair.into_inner().map_err(RecordsError::of("read"))?;
            found.push((key.to_vec(), value.to_vec()));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let records = Records::open(dir.path()).unwrap();
        records.put(Table::Results, b"b", b"2", false).unwrap();
        records.put(Table::Results, b"a", b"1", true).unwrap();
        records.put(Table::Requests, b"a", b"3", true).unwrap();
        records.remove(Table::Requests, b"a").unwrap();
        drop(records);
        let records = Records::open(dir.path()).unwrap();
        assert_eq!(records.get(Table::Results, b"a").unwrap(), Some(b"1".to_vec()));
        assert_eq!(records.get(Table::Requests, b"a").unwrap(), None);
        let all = records.all(Table::Results).unwrap();
        assert_eq!(all, [(b"a".to_vec(), b"1".to_vec()), (b"b".to_vec(), b"2".to_vec())]);
    }
}
