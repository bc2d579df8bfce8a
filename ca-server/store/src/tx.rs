//! What a closure gets: [`Reader`] for one snapshot, [`Tx`] for one transaction. Their verbs are in `verbs/`.

use std::ops::{Deref, DerefMut};

use diesel::QueryResult;

use crate::{StoreError, connection::AnyConnection};

/// One snapshot of the database.
pub struct Reader<'a> {
    connection: &'a mut AnyConnection,
    failed: bool,
}

/// One transaction. It reads what it has written.
pub struct Tx<'a> {
    reader: Reader<'a>,
    /// Serial numbers whose status moves with this transaction, and the epoch with them.
    touched: Vec<Vec<u8>>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(connection: &'a mut AnyConnection) -> Self {
        Self { connection, failed: false }
    }

    /// The only way to the connection, for [`run`] and its kin: notes when the database refused a statement.
    pub(crate) fn run<T>(
        &mut self,
        query: impl FnOnce(&mut AnyConnection) -> QueryResult<T>,
    ) -> Result<T, StoreError> {
        query(self.connection).map_err(|error| {
            self.failed = true;
            StoreError::from(error)
        })
    }
}

impl<'a> Tx<'a> {
    pub(crate) fn new(connection: &'a mut AnyConnection) -> Self {
        Self { reader: Reader::new(connection), touched: Vec::new() }
    }

    /// The epoch moves with this transaction, and this status with it.
    pub(crate) fn touch_status(&mut self, serial: &[u8]) {
        self.touched.push(serial.to_vec());
    }

    pub(crate) fn into_touched(self) -> Vec<Vec<u8>> {
        self.touched
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.reader.failed
    }
}

impl<'a> Deref for Tx<'a> {
    type Target = Reader<'a>;

    fn deref(&self) -> &Self::Target {
        &self.reader
    }
}

impl DerefMut for Tx<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.reader
    }
}

/// Runs one query on whichever connection it is.
macro_rules! run {
    ($reader:ident, $connection:ident => $query:expr) => {
        $reader.run(|any| $crate::connection::both!(any, $connection => $query))
    };
}
pub(crate) use run;

/// The row that a query by a key finds. `get_result`, not `first`: SQLite plans a statement with `LIMIT ?` anew at
/// every run.
macro_rules! one {
    ($reader:ident, $row:ident, $query:expr) => {
        $crate::tx::run!($reader, connection => $query.select($row::as_select()).get_result(connection).optional())
    };
}
pub(crate) use one;

/// The rows that a query finds.
macro_rules! all {
    ($reader:ident, $row:ident, $query:expr) => {
        $crate::tx::run!($reader, connection => $query.select($row::as_select()).load(connection))
    };
}
pub(crate) use all;

/// Inserts one row.
macro_rules! insert {
    ($tx:ident, $table:path, $row:expr) => {
        $crate::tx::run!($tx, connection => diesel::insert_into($table).values($row).execute(connection)).map(drop)
    };
}
pub(crate) use insert;

/// Runs an UPDATE or DELETE that must change exactly the one row that was read, or [`StoreError::Stale`].
macro_rules! change_one {
    ($tx:ident, $what:literal, $statement:expr) => {
        match $crate::tx::run!($tx, connection => $statement.execute(connection)) {
            Ok(1) => Ok(()),
            Ok(_) => Err($crate::StoreError::Stale { what: $what }),
            Err(error) => Err(error),
        }
    };
}
pub(crate) use change_one;
