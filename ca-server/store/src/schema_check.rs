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
        (
            "application",
            "id, unit, unit_name, unit_code, agent, kind, profile, years, cps, entered_by, entered_before, entered_at, state",
        ),
        ("attempt", "id, application, workstation, clerk, created_at, lease_until, note, state"),
    ] {
        for state in [
            "nonsense",
            "approved",
            "rejected",
            "done",
            "personalising",
            "bound",
            "abandoned",
            "issued",
            "signed",
            "active",
        ] {
            let values = given.split(", ").map(|column| match column {
                "years" | "entered_at" | "created_at" | "lease_until" => "1".to_owned(),
                "state" => format!("'{state}'"),
                "kind" => "'new'".to_owned(),
                _ => "'x'".to_owned(),
            });
            let values = values.collect::<Vec<_>>().join(", ");
            bad.push(format!("INSERT INTO {table} ({given}) VALUES ({values}) "));
        }
    }
    for (kind, more, value) in [
        ("'upgrade'", "", ""),
        ("'new'", ", cause", ", 'lost'"),
        ("'renew'", "", ""),
        ("'hold'", "", ""),
        ("'replace'", ", cause", ", 'lost'"),
    ] {
        bad.push(format!(
            "INSERT INTO application (id, unit, unit_name, unit_code, agent, kind, profile, years, cps, entered_by, \
             entered_before, entered_at, state{more}) VALUES ('x', 'x', 'x', 'x', 'x', {kind}, 'x', 1, 'x', 'x', '[]', 1, 'submitted'{value})"
        ));
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
    for columns in ["'file', 'waiting', 0, NULL, NULL, NULL", "'file', 'sent', 1, NULL, NULL, NULL"]
        .into_iter()
        .chain(["'file', 'sent', 1, 1, 1, NULL", "'file', 'failed', 1, NULL, NULL, NULL"])
        .chain(["'post', 'waiting', 0, 1, NULL, NULL", "'file', 'waiting', -1, 1, NULL, NULL"])
        .chain(["'file', 'lost', 0, 1, NULL, NULL"])
    {
        bad.push(format!(
            "INSERT INTO notice_delivery (notice, channel, state, attempts, next_at, sent_at, error) VALUES ('x', {columns})"
        ));
    }
    for about in ["NULL, 30", "OCTET, NULL", "OCTET, 31"] {
        bad.push(format!(
            "INSERT INTO notice (id, recipient, template, created_at, certificate, step) \
             VALUES ('x', 'x', 'expiry-30', 1, {about})"
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
                "INSERT INTO unit (id, code, labour_no, name, province, city, registered_by, registered_at) \
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

/// A database from before the tables were rebuilt keeps every row, and every reference between them.
#[test]
fn rows_from_before_a_rebuild_stay() {
    for database in databases() {
        let mut connection = Target::parse(database.url()).unwrap().writer().unwrap();
        for _ in 0..4 {
            crate::migration::next(&mut connection).unwrap();
        }
        let id = |number: u8| format!("{number:032x}");
        connection
            .batch_execute(&format!(
                "INSERT INTO unit VALUES ('{0}', '91320104000000019U', '32010001', '南京公司', '江苏省', '南京市', 'x', 1, \
                 'nanjing'); \
                 INSERT INTO agent VALUES ('{1}', '张三', '11010519491231002X', 1); \
                 INSERT INTO agent_unit VALUES ('{1}', '{0}', 1, 'x', NULL, NULL); \
                 INSERT INTO application (id, unit, agent, profile, years, entered_by, entered_at, state, decided_by) \
                 VALUES ('{2}', '{0}', '{1}', 'unit-sign', 2, '{3}', 7, 'approved', '{3}'); \
                 INSERT INTO fee_order VALUES ('{4}', '{2}', '2026-1', 35000)",
                id(1), id(2), id(3), id(4), id(5)
            ))
            .unwrap();
        drop(connection);
        Store::migrate(database.url()).unwrap();
        let store = database.store();
        let application = ca_core::ApplicationId::parse(&id(3)).unwrap();
        store
            .read(|reader| {
                let known = reader.application(&application)?.unwrap();
                assert_eq!((known.kind, known.years), (ca_core::ApplicationKind::New, 2));
                let order = reader.bill_of(&application)?.unwrap().order;
                assert_eq!((order.total, order.state.name()), (ca_core::Fen::new(35_000), "due"));
                let found = crate::UnitFilter { name: Some("京公".into()), limit: 2, ..Default::default() };
                assert_eq!(reader.units(&found)?.len(), 1, "the search knows old units");
                assert!(reader.pair_confirmed(&known.agent, &known.unit)?);
                Ok::<_, StoreError>(())
            })
            .unwrap();
    }
}

/// A message whose file was written before each channel had a row is not written again.
#[test]
fn what_was_sent_stays_sent() {
    for database in databases() {
        let mut connection = migrated(&database);
        let kind = if database.name() == "sqlite" { "sqlite" } else { "postgres" };
        let step = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("migrations/{kind}/2026-11-25-000007_notice_delivery"));
        let step = |file: &str| std::fs::read_to_string(step.join(file)).unwrap();
        connection.batch_execute(&step("down.sql")).unwrap();
        connection
            .batch_execute(
                "INSERT INTO notice (id, recipient, template, created_at, sent_at) VALUES ('a', 'x', 'activation', 1, 7); \
                 INSERT INTO notice (id, recipient, template, created_at) VALUES ('b', 'x', 'activation', 1)",
            )
            .unwrap();
        connection.batch_execute(&step("up.sql")).unwrap();
        let rows =
            "SELECT notice || ' ' || channel || ' ' || state || ' ' || sent_at AS line FROM notice_delivery";
        assert_eq!(lines(&mut connection, rows), ["a file sent 7".to_owned()].into());
        let waiting = "SELECT id AS line FROM notice WHERE routed_at IS NULL";
        assert_eq!(lines(&mut connection, waiting), ["b".to_owned()].into());
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
