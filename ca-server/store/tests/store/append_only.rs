//! Tables that only grow refuse UPDATE, DELETE and TRUNCATE, whoever asks: here with SQL, past the store's verbs.

use ca_core::{Action, CertificateState};
use ca_store::{CrlRecord, StoreError, testing::databases};
use diesel::{Connection as _, PgConnection, QueryResult, SqliteConnection, connection::SimpleConnection};

use crate::world::*;

#[test]
fn what_is_written_once_stays() {
    for database in databases() {
        let store = database.store();
        enroll(&store);
        write(&store, |tx| personalising(tx, 1));
        store.record_intent_blocking(intent(1), |_| Ok::<_, StoreError>(())).map(drop).unwrap();
        write(&store, |tx| {
            tx.commit_issued(&intent(1), &[0x30], CertificateState::Good, NOW)?;
            tx.append_audit(&entry(Action::IssueCertificate, "certificate", serial(1)))?;
            tx.insert_crl(&CrlRecord {
                issuer: "issuing".into(),
                shard: 0,
                number: 1,
                this_update: NOW,
                next_update: NOW,
                epoch: 1,
                der: vec![0x30],
            })
        });
        let mut before = Vec::new();
        store.export(&mut before).unwrap();
        drop(store);

        let mut sql = raw(database.url());
        for (table, column) in [
            ("intent", "tbs"),
            ("certificate", "der"),
            ("audit", "actor"),
            ("posting", "debit"),
            ("crl", "der"),
        ] {
            for statement in
                [format!("UPDATE {table} SET {column} = {column}"), format!("DELETE FROM {table}")]
            {
                let error = sql(&statement).unwrap_err().to_string();
                assert!(error.contains(&format!("append-only: {table}")), "{statement}: {error}");
            }
            if database.name() == "postgres" {
                sql(&format!("TRUNCATE {table} CASCADE")).unwrap_err();
            }
        }
        let mut after = Vec::new();
        database.store().export(&mut after).unwrap();
        assert_eq!(before, after);
    }
}

type Sql = Box<dyn FnMut(&str) -> QueryResult<()>>;

fn raw(url: &str) -> Sql {
    match url.strip_prefix("sqlite:") {
        Some(path) => {
            let mut connection = SqliteConnection::establish(path).unwrap();
            Box::new(move |statement| connection.batch_execute(statement))
        }
        None => {
            let mut connection = PgConnection::establish(url).unwrap();
            Box::new(move |statement| connection.batch_execute(statement))
        }
    }
}
