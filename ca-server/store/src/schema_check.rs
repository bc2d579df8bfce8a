//! The schemas of both databases compared with each other, with diesel's tables, with the export, with the words for
//! conflicts, and with what the types know.

use std::collections::BTreeSet;

use diesel::{QueryableByName, RunQueryDsl, connection::SimpleConnection, sql_query, sql_types::Text};

use crate::{
    Store, StoreError,
    connection::{AnyConnection, Target, both},
    error::conflict,
    export::TABLES,
    testing::{Database, databases},
};

const SQLITE_COLUMNS: &str = "
    SELECT m.name || '.' || c.name || ' ' || CASE c.type WHEN 'INTEGER' THEN 'integer' WHEN 'TEXT' THEN 'text'
        WHEN 'BLOB' THEN 'octets' ELSE c.type END || iif(c.\"notnull\", '', ' nullable') AS line
    FROM sqlite_schema m, pragma_table_info(m.name) c
    WHERE m.type = 'table' AND m.name NOT LIKE '\\_\\_%' ESCAPE '\\' AND m.name NOT LIKE 'sqlite%'";
const POSTGRES_COLUMNS: &str = "
    SELECT table_name || '.' || column_name || ' ' || CASE data_type WHEN 'bigint' THEN 'integer'
        WHEN 'smallint' THEN 'integer' WHEN 'bytea' THEN 'octets' ELSE data_type END
        || CASE is_nullable WHEN 'YES' THEN ' nullable' ELSE '' END AS line
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '\\_\\_%'";

/// Each as `table_column_column`, followed by `where` when it holds for some rows only. An integer key of SQLite has
/// no index of its own.
const SQLITE_UNIQUE: &str = "
    SELECT m.name || '_' || (SELECT group_concat(i.name, '_') FROM
        (SELECT name FROM pragma_index_info(l.name) ORDER BY seqno) i) || iif(l.partial, ' where', '') AS line
    FROM sqlite_schema m, pragma_index_list(m.name) l
    WHERE m.type = 'table' AND l.\"unique\" AND m.name NOT LIKE '\\_\\_%' ESCAPE '\\'
    UNION
    SELECT m.name || '_' || c.name FROM sqlite_schema m, pragma_table_info(m.name) c
    WHERE m.type = 'table' AND c.pk = 1 AND c.type = 'INTEGER' AND m.name NOT LIKE '\\_\\_%' ESCAPE '\\'
        AND (SELECT max(k.pk) FROM pragma_table_info(m.name) k) = 1";
const POSTGRES_UNIQUE: &str = "
    SELECT t.relname || '_' || string_agg(a.attname, '_' ORDER BY k.place)
        || CASE WHEN i.indpred IS NULL THEN '' ELSE ' where' END AS line
    FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace,
        unnest(i.indkey) WITH ORDINALITY k(number, place), pg_attribute a
    WHERE i.indisunique AND n.nspname = 'public' AND t.relname NOT LIKE '\\_\\_%'
        AND a.attrelid = t.oid AND a.attnum = k.number
    GROUP BY i.indexrelid, t.relname, i.indpred";
const POSTGRES_UNIQUE_NAMES: &str = "
    SELECT x.relname || CASE WHEN i.indpred IS NULL THEN '' ELSE ' where' END AS line
    FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
        JOIN pg_class x ON x.oid = i.indexrelid
    WHERE i.indisunique AND n.nspname = 'public' AND t.relname NOT LIKE '\\_\\_%'";

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

fn migrated(database: &Database) -> AnyConnection {
    Store::migrate(database.url()).unwrap();
    Target::parse(database.url()).unwrap().writer().unwrap()
}

fn lines(connection: &mut AnyConnection, query: &str) -> BTreeSet<String> {
    let rows: Vec<Line> = both!(connection, inner => sql_query(query).load(inner)).unwrap();
    assert!(!rows.is_empty(), "{query}");
    rows.into_iter().map(|row| row.line).collect()
}

#[test]
fn both_schemas_are_equal_and_named() {
    let [mut sqlite, mut postgres] = databases().map(|database| (migrated(&database), database));
    let columns = lines(&mut sqlite.0, SQLITE_COLUMNS);
    assert_eq!(columns, lines(&mut postgres.0, POSTGRES_COLUMNS));
    let unique = lines(&mut sqlite.0, SQLITE_UNIQUE);
    assert_eq!(unique, lines(&mut postgres.0, POSTGRES_UNIQUE));
    assert_eq!(unique, lines(&mut postgres.0, POSTGRES_UNIQUE_NAMES), "names say table and columns");
    for constraint in unique {
        let name = constraint.trim_end_matches(" where");
        assert_ne!(conflict(name), "row", "{name} has no word");
    }

    let exported: BTreeSet<String> = TABLES
        .iter()
        .flat_map(|(table, _, columns)| columns.split_whitespace().map(move |column| (table, column)))
        .map(|(table, column)| format!("{table}.{}", column.split(':').next().unwrap()))
        .collect();
    let known: BTreeSet<String> =
        columns.iter().map(|column| column.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(exported, known, "the export leaves nothing out");
}

/// What the CHECKs refuse, so that a wrong state cannot even be written past this crate.
#[test]
fn states_need_their_columns() {
    let mut bad = Vec::new();
    for (table, given) in [
        ("application", "id, unit, agent, profile, years, entered_by, entered_at, state"),
        ("attempt", "id, application, workstation, clerk, created_at, lease_until, note, state"),
    ] {
        for state in
            ["nonsense", "approved", "rejected", "paid", "bound", "abandoned", "issued", "signed", "active"]
        {
            let values = given.split(", ").map(|column| match column {
                "years" | "entered_at" | "created_at" | "lease_until" => "1".to_owned(),
                "state" => format!("'{state}'"),
                _ => "'x'".to_owned(),
            });
            let values = values.collect::<Vec<_>>().join(", ");
            bad.push(format!("INSERT INTO {table} ({given}) VALUES ({values}) "));
        }
    }
    for held in ["NULL, NULL", "'x', NULL", "'y', 'x'", "NULL, 'x'"] {
        bad.push(format!(
            "INSERT INTO attempt (id, application, workstation, clerk, created_at, lease_until, note, state, \
             held_application, held_workstation) VALUES ('x', 'x', 'x', 'x', 1, 1, '', 'claimed', {held})"
        ));
    }
    for (state, more, value) in [
        ("'nonsense'", "", ""),
        ("'held'", "", ""),
        ("'held'", ", activated", ", 2"),
        ("'good'", ", activated", ", 1"),
        ("'revoked'", ", reason", ", 'superseded'"),
        ("'revoked'", ", reason, revoked_at", ", 'bored', 1"),
        ("'burned'", ", revoked_at", ", 1"),
    ] {
        bad.push(format!(
            "INSERT INTO status (serial, issuer, shard, not_after, changed_at, state{more}) \
             VALUES (OCTET, 'issuing', 0, 1, 1, {state}{value})"
        ));
    }
    for database in databases() {
        let mut connection = migrated(&database);
        // Only the CHECKs are in question here, not what the rows refer to.
        let (foreign_keys_off, octet) = match connection {
            AnyConnection::Sqlite(_) => ("PRAGMA foreign_keys = OFF", "x'01'"),
            AnyConnection::Postgres(_) => ("SET session_replication_role = replica", "'\\x01'::bytea"),
        };
        connection.batch_execute(foreign_keys_off).unwrap();
        for statement in &bad {
            let error = connection.batch_execute(&statement.replace("OCTET", octet)).unwrap_err();
            let message = error.to_string();
            assert!(message.contains("CHECK") || message.contains("check"), "{statement}: {message}");
        }
    }
}

#[test]
fn a_bad_row_is_an_error_and_never_a_default() {
    for database in databases() {
        let store = database.store();
        let mut connection = migrated(&database);
        connection
            .batch_execute(
                "INSERT INTO unit (id, uscc, labour_no, name, province, city, registered_by, registered_at) \
                 VALUES ('00000000000000000000000000000001', '91320104000000019A', '32010001', 'x', 'x', 'x', 'x', 1); INSERT INTO staff VALUES ('00000000000000000000000000000002', 'x', '{}', 'x')",
            )
            .unwrap();
        let id = ca_core::UnitId::parse("00000000000000000000000000000001").unwrap();
        let unit = StoreError::Corrupt { table: "unit", id: id.to_string() };
        assert_eq!(store.read(|reader| reader.unit(&id)), Err(unit));
        let staff = StoreError::Corrupt { table: "staff", id: "00000000000000000000000000000002".to_owned() };
        assert_eq!(store.read(|reader| reader.staff_list()), Err(staff));
    }
}

/// A development database can be taken down again; whatever `down.sql` forgets, the second migration trips over.
#[test]
fn down_undoes_up() {
    for database in databases() {
        let mut connection = migrated(&database);
        let folder = match connection {
            AnyConnection::Sqlite(_) => "migrations/sqlite",
            AnyConnection::Postgres(_) => "migrations/postgres",
        };
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let steps: BTreeSet<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        for step in steps.iter().rev() {
            connection.batch_execute(&std::fs::read_to_string(step.join("down.sql")).unwrap()).unwrap();
        }
        connection.batch_execute("DELETE FROM __diesel_schema_migrations").unwrap();
        drop(connection);
        assert_eq!(Store::migrate(database.url()).unwrap().len(), steps.len());
    }
}
