//! Throw-away databases for tests: a SQLite file and a PostgreSQL server of its own, gone when dropped.

mod postgres;

use std::{
    fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

pub use postgres::Postgres;

use diesel::connection::SimpleConnection;

use crate::{Store, connection::Target};

/// An empty database of either kind. Dropped, it is gone.
pub struct Database {
    url: String,
    keeper: Keeper,
}

/// What must live as long as the database.
enum Keeper {
    Sqlite { _directory: Directory },
    Postgres { _server: Postgres },
}

/// One empty database of each kind.
///
/// # Panics
/// When PostgreSQL cannot be started: its message says what to install. Nothing is skipped.
#[must_use]
pub fn databases() -> [Database; 2] {
    [Database::sqlite(), Database::postgres()]
}

impl Database {
    /// A SQLite file that does not exist yet, in a directory of its own.
    ///
    /// # Panics
    /// When the directory cannot be made.
    #[must_use]
    pub fn sqlite() -> Self {
        let directory = Directory::new("sqlite");
        let url = format!("sqlite:{}", directory.path().join("ca.db").display());
        Self { url, keeper: Keeper::Sqlite { _directory: directory } }
    }

    /// An empty database on a PostgreSQL server of its own.
    ///
    /// # Panics
    /// When PostgreSQL cannot be started.
    #[must_use]
    pub fn postgres() -> Self {
        let server = Postgres::start();
        Self { url: server.url(), keeper: Keeper::Postgres { _server: server } }
    }

    /// For [`Store::migrate`] and [`Store::open`].
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// "sqlite" or "postgres", for messages.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.keeper {
            Keeper::Sqlite { .. } => "sqlite",
            Keeper::Postgres { .. } => "postgres",
        }
    }

    /// Migrates and opens.
    ///
    /// # Panics
    /// When either fails.
    #[must_use]
    pub fn store(&self) -> Store {
        must(Store::migrate(&self.url), "migrate");
        must(Store::open(&self.url), "open")
    }
}

/// Runs statements past the store, as somebody with the database's password can.
///
/// # Panics
/// When one of them fails.
pub fn execute(url: &str, statements: &str) {
    let mut connection = must(Target::parse(url).and_then(|target| target.writer()), "connect");
    must(connection.batch_execute(statements), "execute");
}

/// A directory that is removed when dropped.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new(kind: &str) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        // Short: a Unix socket's path has 107 octets at most.
        let path = std::env::temp_dir().join(format!("qianyin-{kind}-{}-{number}-{nanos:x}", process::id()));
        must(fs::create_dir(&path), "make a temporary directory");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} is left behind: {error}", self.0.display());
        }
    }
}

/// A test stops at the first surprise.
pub(crate) fn must<T, E: std::fmt::Display>(result: Result<T, E>, what: &str) -> T {
    result.unwrap_or_else(|error| panic!("cannot {what}: {error}"))
}
