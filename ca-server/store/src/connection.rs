//! Connections to both databases, and what every one of them is told before its first statement.

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt, path::Path, time::Duration};

use diesel::{Connection as _, PgConnection, QueryResult, SqliteConnection, connection::SimpleConnection};

use crate::StoreError;

/// A connection to either database. Not diesel's `MultiConnection`: that one writes each statement's text anew at
/// every run, and cannot do upserts.
pub(crate) enum AnyConnection {
    /// PostgreSQL.
    Postgres(PgConnection),
    /// SQLite.
    Sqlite(SqliteConnection),
}

/// The same expression on either concrete connection: written once, compiled twice.
macro_rules! both {
    ($connection:expr, $inner:ident => $query:expr) => {
        match $connection {
            $crate::connection::AnyConnection::Postgres($inner) => $query,
            $crate::connection::AnyConnection::Sqlite($inner) => $query,
        }
    };
}
pub(crate) use both;

impl SimpleConnection for AnyConnection {
    fn batch_execute(&mut self, statements: &str) -> QueryResult<()> {
        both!(self, connection => connection.batch_execute(statements))
    }
}

/// I1: acknowledged means durable. lock_timeout turns a forgotten lock into `Busy`.
const POSTGRES: &str =
    "SET synchronous_commit = on; SET lock_timeout = '10s'; SET client_min_messages = warning";
/// I1 again: FULL syncs the write-ahead log at every commit.
const SQLITE: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
    PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY";
/// Serial numbers and digests are random, so every certificate touches its own pages of every index: a write-ahead
/// log of up to 256 MB lets many certificates share each page that a checkpoint writes. A larger cache would cost
/// more than it saves: SQLite walks all of it whenever an index grows a page.
const SQLITE_WRITER: &str = "PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 64000";

/// Which database. No `Debug`: a URL may hold a password.
#[derive(Clone)]
pub(crate) enum Target {
    /// PostgreSQL, by its whole URL.
    Postgres(String),
    /// SQLite, by its path.
    Sqlite(String),
}

impl Target {
    pub(crate) fn parse(url: &str) -> Result<Self, StoreError> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(url.to_owned()));
        }
        match url.strip_prefix("sqlite:") {
            // In-memory databases have one connection and forget: neither fits here.
            Some("" | ":memory:") | None => Err(StoreError::WrongUrl),
            Some(path) => Ok(Self::Sqlite(path.to_owned())),
        }
    }

    /// Whether there is anything to connect to; SQLite would make an empty file.
    pub(crate) fn exists(&self) -> bool {
        match self {
            Self::Postgres(_) => true,
            Self::Sqlite(path) => Path::new(path).exists(),
        }
    }

    /// "postgres" or "sqlite".
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "postgres",
            Self::Sqlite(_) => "sqlite",
        }
    }

    /// A connection that may write.
    pub(crate) fn writer(&self) -> Result<AnyConnection, StoreError> {
        let mut connection = self.connect()?;
        if let AnyConnection::Sqlite(connection) = &mut connection {
            connection.batch_execute(SQLITE_WRITER)?;
        }
        Ok(connection)
    }

    /// A connection that cannot write.
    pub(crate) fn reader(&self) -> Result<AnyConnection, StoreError> {
        let mut connection = self.connect()?;
        connection.batch_execute(match connection {
            AnyConnection::Postgres(_) => "SET default_transaction_read_only = on",
            AnyConnection::Sqlite(_) => "PRAGMA query_only = ON",
        })?;
        Ok(connection)
    }

    fn connect(&self) -> Result<AnyConnection, StoreError> {
        match self {
            Self::Postgres(url) => {
                let mut connection = PgConnection::establish(url).map_err(StoreError::unavailable)?;
                connection.batch_execute(POSTGRES)?;
                Ok(AnyConnection::Postgres(connection))
            }
            Self::Sqlite(path) => {
                // Personal data: for the owner's eyes only. SQLite gives its other files the same mode. A file that
                // cannot be made is the next line's error, one that is there keeps its mode.
                drop(OpenOptions::new().write(true).create_new(true).mode(0o600).open(path));
                let mut connection = SqliteConnection::establish(path).map_err(StoreError::unavailable)?;
                patiently(|| connection.batch_execute(SQLITE))?;
                Ok(AnyConnection::Sqlite(connection))
            }
        }
    }
}

/// Programs that open a new database at once get in each other's way when it becomes WAL: SQLite answers "busy" to that
/// without waiting as long as it was told.
fn patiently(mut work: impl FnMut() -> QueryResult<()>) -> Result<(), StoreError> {
    const TRIES: u32 = 500;
    const PAUSE: Duration = Duration::from_millis(20);
    for _ in 0..TRIES {
        match work().map_err(StoreError::from) {
            Err(StoreError::Busy) => std::thread::sleep(PAUSE),
            other => return other,
        }
    }
    Err(StoreError::Busy)
}
