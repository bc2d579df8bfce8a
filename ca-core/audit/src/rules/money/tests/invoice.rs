//! Invoices over money that was not paid, and out of the log.

use serde_json::json;

use super::honest::books;
use crate::{Rule, Violation};

#[test]
fn more_on_invoices_than_was_paid() {
    let mut export = books();
    export.change("invoice", "id", "i-red", "state", json!("issued"));
    let violation = Violation::TooMuch { what: "sum of invoices", found: 40_000, most: 20_000 };
    assert_eq!(export.violations(Rule::Money), [("fee_order", "01".to_owned(), violation)]);
    let mut export = books();
    export.change("invoice", "id", "i-asked", "fee_order", json!("zz"));
    let violation = Violation::TooMuch { what: "sum of invoices", found: 10_000, most: 0 };
    assert_eq!(export.violations(Rule::Money), [("fee_order", "zz".to_owned(), violation)]);
}

#[test]
fn a_step_that_is_not_in_the_log() {
    for (id, state, action, expected) in [
        ("i-asked", "issued", "issue-invoice", 1),
        ("i-number", "red-lettered", "issue-invoice", 2),
        ("i-file", "requested", "issue-invoice", 0),
    ] {
        let mut export = books();
        export.change("invoice", "id", id, "state", json!(state));
        let found = export.violations(Rule::LogEntry);
        let violation = match id {
            "i-asked" => Violation::EntryMissing { action },
            _ => {
                let count = if id == "i-file" { 2 } else { 1 };
                Violation::EntryRepeated { action, count, expected }
            }
        };
        assert_eq!(found, [("invoice", id.to_owned(), violation)]);
    }
    let mut export = books();
    export.remove("invoice", "id", "i-refused");
    let found = export.violations(Rule::LogEntry);
    let gone = |action| Violation::RecordMissing { action, table: "invoice" };
    assert!(found.iter().all(|(table, _, _)| *table == "audit") && found.len() == 2, "{found:?}");
    assert!(found.iter().any(|found| found.2 == gone("issue-invoice")), "{found:?}");
}
