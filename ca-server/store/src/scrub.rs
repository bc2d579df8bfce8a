//! Removes what was deleted from the database's files.

use diesel::{QueryableByName, RunQueryDsl, connection::SimpleConnection, sql_query, sql_types::Integer};

use crate::{StoreError, connection::AnyConnection};

/// Where personal data stands or stood. PostgreSQL writes each into a new file and removes the old one.
const POSTGRES: [&str; 5] = [
    "VACUUM FULL agent",
    "VACUUM FULL agent_clear",
    "VACUUM FULL agent_card",
    "VACUUM FULL personal_opening",
    "VACUUM FULL idempotency",
];

#[derive(QueryableByName)]
struct Checkpoint {
    #[diesel(sql_type = Integer)]
    busy: i32,
}

pub(crate) fn scrub(connection: &mut AnyConnection) -> Result<(), StoreError> {
    match connection {
        AnyConnection::Postgres(connection) => {
            POSTGRES.iter().try_for_each(|statement| connection.batch_execute(statement))?;
        }
        AnyConnection::Sqlite(connection) => {
            connection.batch_execute("VACUUM")?;
            let done: Checkpoint = sql_query("PRAGMA wal_checkpoint(TRUNCATE)").get_result(connection)?;
            if done.busy != 0 {
                return Err(StoreError::Busy);
            }
        }
    }
    Ok(())
}
