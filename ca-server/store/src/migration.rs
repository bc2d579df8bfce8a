//! Migrations: applied by `ca-server migrate`, only compared when a store is opened.

use diesel::{
    OptionalExtension, QueryableByName, RunQueryDsl,
    backend::Backend,
    connection::SimpleConnection,
    migration::{Migration, MigrationSource, Result as MigrationResult},
    sql_query,
    sql_types::Text,
    sqlite::Sqlite,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::{
    StoreError,
    connection::{AnyConnection, Target},
};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// Two instances that migrate at once take turns, however long the first one needs. The number is "qianyin".
const LOCK: &str = "SET lock_timeout = 0; SELECT pg_advisory_lock(31925448325757294)";
const UNLOCK: &str = "SELECT pg_advisory_unlock(31925448325757294)";

/// Applies what is pending, each migration whole or not at all, and names it.
pub(crate) fn migrate(target: &Target) -> Result<Vec<String>, StoreError> {
    let applied = match &mut target.writer()? {
        AnyConnection::Postgres(connection) => {
            connection.batch_execute(LOCK)?;
            let applied = apply(connection, POSTGRES);
            connection.batch_execute(UNLOCK)?;
            applied
        }
        AnyConnection::Sqlite(connection) => {
            // Tables that are rebuilt leave their references alone for a moment (sqlite.org/lang_altertable.html §7).
            connection.batch_execute("PRAGMA foreign_keys = OFF")?;
            connection.exclusive_transaction(|connection| {
                let applied = apply(connection, SQLITE)?;
                match sql_query(DANGLING).get_result::<Dangling>(connection).optional()? {
                    Some(row) => Err(format!("a row of {} refers to nothing", row.from_table).into()),
                    None => Ok(applied),
                }
            })
        }
    };
    applied.map_err(StoreError::unavailable)
}

const DANGLING: &str = "SELECT \"table\" AS from_table FROM pragma_foreign_key_check LIMIT 1";

#[derive(QueryableByName)]
struct Dangling {
    #[diesel(sql_type = Text)]
    from_table: String,
}

/// Names of the migrations that this program knows and the database lacks, oldest first.
pub(crate) fn pending(target: &Target) -> Result<Vec<String>, StoreError> {
    if !target.exists() {
        return MigrationSource::<Sqlite>::migrations(&SQLITE)
            .map(|known| names(&known))
            .map_err(StoreError::unavailable);
    }
    match &mut target.writer()? {
        AnyConnection::Postgres(connection) => {
            connection.pending_migrations(POSTGRES).map(|pending| names(&pending))
        }
        AnyConnection::Sqlite(connection) => {
            connection.pending_migrations(SQLITE).map(|pending| names(&pending))
        }
    }
    .map_err(StoreError::unavailable)
}

fn apply<B: Backend>(
    connection: &mut impl MigrationHarness<B>,
    source: EmbeddedMigrations,
) -> MigrationResult<Vec<String>> {
    let pending = connection.pending_migrations(source)?;
    connection.run_migrations(&pending)?;
    Ok(names(&pending))
}

/// Applies the oldest pending one only: a test makes a database of an earlier day with it.
#[cfg(test)]
pub(crate) fn next(connection: &mut AnyConnection) -> MigrationResult<()> {
    match connection {
        AnyConnection::Postgres(connection) => connection.run_next_migration(POSTGRES).map(drop),
        AnyConnection::Sqlite(connection) => connection.run_next_migration(SQLITE).map(drop),
    }
}

fn names<B: Backend>(migrations: &[Box<dyn Migration<B>>]) -> Vec<String> {
    migrations.iter().map(|migration| migration.name().to_string()).collect()
}
