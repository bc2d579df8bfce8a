//! Money that was taken back: what somebody could make of it.

use serde_json::{Value, json};

use super::honest::books;
use crate::{
    Rule, Violation,
    testing::{Export, differs},
};

fn found(bend: impl FnOnce(&mut Export)) -> Vec<(&'static str, String, Violation)> {
    let mut export = books();
    bend(&mut export);
    let mut all = export.violations(Rule::Money);
    all.extend(export.violations(Rule::LogEntry));
    all
}

#[test]
fn a_till_is_not_taken_from() {
    let all = found(|export| {
        export.change("payment", "id", "p-missing", "method", json!("cash"));
        let (payment, back) =
            (export.posting("payment", "p-missing"), export.posting("chargeback", "c-missing"));
        export.change("posting", "id", &payment, "debit", json!("cash"));
        export.change("posting", "id", &back, "credit", json!("cash"));
    });
    let violation = Violation::TooMuch { what: "amount_fen", found: 12_000, most: 0 };
    assert_eq!(all, [("chargeback", "c-missing".to_owned(), violation)]);
}

#[test]
fn more_is_taken_back_than_was_paid() {
    let all = found(|export| export.change("chargeback", "id", "c-missing", "amount_fen", json!(20_001)));
    let place =
        |what, found, expected| ("chargeback", "c-missing".to_owned(), differs(what, found, expected));
    assert!(all.contains(&place("sum of postings", "12000", "20001")), "{all:?}");
    let too_much = Violation::TooMuch { what: "amount_fen", found: 20_001, most: 20_000 };
    assert!(all.contains(&("chargeback", "c-missing".to_owned(), too_much)), "{all:?}");
}

#[test]
fn it_is_said_to_be_settled_and_no_money_came() {
    let all = found(|export| export.change("chargeback", "id", "c-missing", "state", json!("settled")));
    let violation = Violation::SumsAndState { state: "settled".to_owned() };
    assert_eq!(all, [("chargeback", "c-missing".to_owned(), violation)]);
    // Settled by money that was for something else.
    let all = found(|export| {
        export.change("chargeback", "id", "c-missing", "state", json!("settled"));
        export.change("chargeback", "id", "c-missing", "settlement", json!("p-settles"));
    });
    let named = |violation| ("chargeback", "c-missing".to_owned(), violation);
    let (twice, missing) = (Violation::Twice, Violation::EntryMissing { action: "settle-chargeback" });
    assert!(all.contains(&named(twice)) && all.contains(&named(missing)), "{all:?}");
    assert!(all.contains(&named(differs("amount of the settlement", "20000", "12000"))), "{all:?}");
}

#[test]
fn arrears_are_made_of_nothing() {
    let all = found(|export| drop(export.post(("chargeback", "nobody"), ("arrears", "card"), 500)));
    let gone = Violation::ReferenceMissing { table: "chargeback", id: "nobody".to_owned() };
    assert!(all.iter().any(|(table, _, violation)| *table == "posting" && *violation == gone), "{all:?}");
    let all = found(|export| drop(export.post(("settle", "p-missing"), ("card", "arrears"), 500)));
    let gone = Violation::ReferenceMissing { table: "chargeback", id: "p-missing".to_owned() };
    assert!(all.iter().any(|(table, _, violation)| *table == "posting" && *violation == gone), "{all:?}");
    assert!(
        all.iter().any(|(table, id, _)| (*table, id.as_str()) == ("ledger_account", "arrears")),
        "{all:?}"
    );
}

#[test]
fn the_row_is_gone() {
    let all = found(|export| export.remove("chargeback", "id", "c-missing"));
    let missing = Violation::RecordMissing { action: "record-chargeback", table: "chargeback" };
    assert!(all.iter().any(|(table, _, violation)| *table == "audit" && *violation == missing), "{all:?}");
    let none = found(|export| export.change("chargeback", "id", "c-missing", "payment", Value::from("zz")));
    let missing = Violation::ReferenceMissing { table: "payment", id: "zz".to_owned() };
    assert!(none.contains(&("chargeback", "c-missing".to_owned(), missing)), "{none:?}");
}
