//! The register of insured units: staged in pieces, found only when in force, the old one gone in pieces.

use ca_core::ImportState;
use ca_store::{RegisterRow, Store, StoreError};

use crate::world::*;

fn row(line: i32, labour_no: u32, name: &str) -> RegisterRow {
    RegisterRow {
        line,
        uscc: Some("91320104000000019U".to_owned()),
        org_code: None,
        labour_no: labour_no.to_string(),
        name: name.to_owned(),
        agency: "nanjing".to_owned(),
        region: None,
    }
}

fn staged(store: &Store, rows: Vec<RegisterRow>) -> i64 {
    let count = i64::try_from(rows.len()).unwrap();
    write(store, move |tx| {
        let number = tx.insert_register_import(digest(1), "operator:root", NOW)?;
        let import = tx.register_import(ImportState::Staging)?.unwrap();
        tx.stage_register_rows(&import, rows, (count, count, 0))?;
        Ok(number)
    })
}

fn activate(store: &Store, number: i64) {
    write(store, move |tx| tx.move_register_import(number, ImportState::Staging, ImportState::Active, NOW));
}

#[test]
fn only_what_is_in_force_is_found() {
    on_both(|store| {
        let first = staged(store, vec![row(2, 10_000_001, "南京甲公司"), row(3, 10_000_002, "南京乙公司")]);
        assert_eq!(read(store, |reader| reader.register_entry("10000001")), None);
        activate(store, first);
        let found = read(store, |reader| reader.register_entry("10000001"));
        assert_eq!(found, Some(row(2, 10_000_001, "南京甲公司")));
        assert_eq!(read(store, |reader| reader.register_by_name("南京", 10)).len(), 2);
        assert_eq!(read(store, |reader| reader.register_by_name("南京甲", 10)).len(), 1);
        assert_eq!(read(store, |reader| reader.register_by_name("甲", 10)), []);
        assert_eq!(read(store, |reader| reader.register_by_uscc("91320104000000019U", 1)).len(), 1);

        let second = staged(
            store,
            (2..1502).map(|line| row(line, 20_000_000 + u32::try_from(line).unwrap(), "丙")).collect(),
        );
        assert_eq!(read(store, |reader| reader.register_entry("20000002")), None);
        write(store, move |tx| {
            tx.move_register_import(first, ImportState::Active, ImportState::Superseded, NOW)?;
            tx.move_register_import(second, ImportState::Staging, ImportState::Active, NOW)
        });
        assert_eq!(read(store, |reader| reader.register_entry("10000001")), None);
        assert!(read(store, |reader| reader.register_entry("20000002")).is_some());
        assert_eq!(write(store, |tx| tx.delete_register_rows(1)), 1);
        assert_eq!(write(store, |tx| tx.delete_register_rows(1000)), 1);
        assert_eq!(write(store, |tx| tx.delete_register_rows(1000)), 0, "what is in force stays");
        let states: Vec<_> =
            read(store, |reader| reader.register_imports(9)).iter().map(|import| import.state).collect();
        assert_eq!(states, [ImportState::Active, ImportState::Superseded]);
    });
}

#[test]
fn two_programs_cannot_stage_the_same_lines() {
    on_both(|store| {
        staged(store, vec![row(2, 10_000_001, "甲")]);
        let second = refused(store, |tx| tx.insert_register_import(digest(2), "x", NOW).map(drop));
        assert_eq!(second, StoreError::Conflict { what: "register-import" });
        let read_before = read(store, |reader| reader.register_import(ImportState::Staging)).unwrap();
        let late = read_before.clone();
        write(store, move |tx| {
            tx.stage_register_rows(&read_before, vec![row(3, 10_000_002, "乙")], (2, 2, 0))
        });
        let late = refused(store, move |tx| {
            tx.stage_register_rows(&late, vec![row(3, 10_000_002, "乙")], (2, 2, 0))
        });
        assert_eq!(late, StoreError::Stale { what: "register-import" });
        let import = read(store, |reader| reader.register_import(ImportState::Staging)).unwrap();
        assert_eq!((import.staged_lines, import.good, import.bad), (2, 2, 0));
        let twice = refused(store, move |tx| {
            tx.stage_register_rows(&import, vec![row(4, 10_000_002, "丙")], (3, 3, 0))
        });
        assert_eq!(twice, StoreError::Conflict { what: "register-labour-number" });
    });
}
