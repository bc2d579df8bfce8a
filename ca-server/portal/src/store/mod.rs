//! The portal's own SQLite. What is acknowledged is durable: WAL with `synchronous=FULL`, answered after COMMIT.

pub(crate) mod agents;
pub(crate) mod pairs;
pub(crate) mod submissions;
pub(crate) mod tries;

use std::{
    fs::OpenOptions,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::fault::Fault;

const SCHEMA: &str = include_str!("schema.sql");
const VERSION: i64 = 1;
/// Another process (an import) may hold the lock.
const BUSY: Duration = Duration::from_secs(5);

/// One connection: SQLite has one writer anyway, and the reads here are short.
#[derive(Clone, Debug)]
pub(crate) struct Store(Arc<Mutex<Connection>>);

/// Why a database file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// The file itself.
    #[error("{0}")]
    File(#[from] std::io::Error),
    /// SQLite's answer.
    #[error("{0}")]
    Database(#[from] rusqlite::Error),
    /// Made by a later version of this program, or by another one.
    #[error("schema version {0} is not this program's")]
    Version(i64),
}

impl Store {
    /// Opens the database, and makes it when there is none. Personal data stands in it: mode 0600.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreFault> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let mut permissions = file.metadata()?.permissions();
        permissions.set_mode(0o600);
        file.set_permissions(permissions)?;
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
             PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF;",
        )?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        match transaction.query_row("PRAGMA user_version", [], |row| row.get(0))? {
            VERSION => {}
            0 => transaction.execute_batch(SCHEMA)?,
            other => return Err(StoreFault::Version(other)),
        }
        transaction.commit()?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Runs one transaction on a thread that may wait. When it answers, the change is on the disk; an error undoes it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let store = self.clone();
        tokio::task::spawn_blocking(move || store.run_here(work)).await?
    }

    pub(crate) fn run_here<T, E: From<rusqlite::Error>>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = work(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }
}
