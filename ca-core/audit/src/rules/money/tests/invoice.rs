//! Invoices over money that was not paid, and out of the log.

use serde_json::{Value, json};

use super::honest::books;
use crate::{
    Rule, Violation,
    testing::{Export, differs},
};

type Found = Vec<(&'static str, String, Violation)>;

fn changed(column: &str, to: Value) -> Found {
    let mut export = books();
    export.change("invoice", "id", "i-number", column, to);
    on_invoices(&export)
}

/// Without what does not fit the order's sum any more.
fn on_invoices(export: &Export) -> Found {
    let found = export.violations(Rule::Money);
    found.into_iter().filter(|(table, ..)| *table == "invoice").collect()
}

fn of(id: &str, violation: Violation) -> (&'static str, String, Violation) {
    ("invoice", id.to_owned(), violation)
}

fn too_much(found: i128, most: i128) -> Violation {
    Violation::TooMuch { what: "sum of invoices", found, most }
}

#[test]
fn one_thing_changed() {
    let payer = books().payer();
    assert_eq!(changed("payer", json!("agent:9")), [of("i-number", differs("payer", "agent:9", &payer))]);
    let missing = Violation::ReferenceMissing { table: "fee_order", id: "zz".to_owned() };
    let nowhere = changed("fee_order", json!("zz"));
    assert_eq!(nowhere, [of("i-number", missing), of("i-number", too_much(5_000, 0))]);
    let nothing = Violation::NotPositive { fen: 0 };
    assert_eq!(changed("amount_fen", json!(0)), [of("i-number", nothing)]);
    let late = Violation::TooMuch { what: "requested_at", found: 1, most: 0 };
    assert_eq!(changed("due_at", json!(0)), [of("i-number", late)]);
    for state in ["requested", "refused", "red-lettered", "lost"] {
        let fits = Violation::SumsAndState { state: state.to_owned() };
        assert!(changed("state", json!(state)).contains(&of("i-number", fits)), "{state}");
    }
    // Of a number that stands there twice the later key is found.
    for number in ["10000001", "10000002"] {
        assert_eq!(changed("number", json!(number)), [of("i-red", Violation::Twice)], "{number}");
    }
}

#[test]
fn more_on_invoices_than_was_paid() {
    let mut export = books();
    // 17,500 are left, and 17,000 are on invoices.
    export.add_invoice("i-more", "01", ("requested", 500), [None, None]);
    assert_eq!(export.violations(Rule::Money), [], "to the fen");
    export.change("invoice", "id", "i-more", "amount_fen", json!(501));
    assert_eq!(on_invoices(&export), [of("i-more", too_much(17_501, 17_500))]);
}

/// Money that goes back later is no finding; afterwards it is not there.
#[test]
fn what_went_back_before_is_not_invoiced() {
    let mut export = Export::clean();
    export.add_invoice("i-early", "01", ("issued", 20_000), [Some("10000001"), None]);
    export.refund("r", 0, ("paid-out", 16_000));
    assert_eq!(export.violations(Rule::Money), []);
    export.change("invoice", "id", "i-early", "state", json!("red-lettered"));
    export.change("invoice", "id", "i-early", "red_number", json!("10000002"));
    export.log("issue-invoice", "i-early", json!({ "amount": "20000" }));
    export.add_invoice("i-late", "01", ("requested", 4_001), [None, None]);
    assert_eq!(on_invoices(&export), [of("i-late", too_much(4_001, 4_000))]);
    // One that is not in the log was asked for after all others.
    let mut export = Export::clean();
    export.add_invoice("i-early", "01", ("issued", 20_000), [Some("10000001"), None]);
    export.refund("r", 0, ("paid-out", 16_000));
    export.remove_entry("request-invoice", "i-early");
    assert_eq!(export.violations(Rule::Money), [of("i-early", too_much(20_000, 4_000))]);
}

#[test]
fn the_order_keeps_the_sum_of_its_invoices() {
    let order = |found: &str, expected: &str| {
        ("fee_order", "01".to_owned(), differs("invoiced_fen", found, expected))
    };
    for (to, found) in [(json!(0), "0"), (json!(16_999), "16999")] {
        let mut export = books();
        export.change("fee_order", "id", "01", "invoiced_fen", to);
        assert_eq!(export.violations(Rule::Money), [order(found, "17000")]);
    }
    let mut export = books();
    export.change("invoice", "id", "i-asked", "state", json!("refused"));
    assert_eq!(export.violations(Rule::Money), [order("17000", "10000")]);
}

#[test]
fn only_what_a_person_left_is_erased() {
    let mut export = books();
    export.change("invoice", "id", "i-number", "erased_at", json!(9));
    let fits = |state: &str| Violation::SumsAndState { state: state.to_owned() };
    assert_eq!(on_invoices(&export), [of("i-number", fits("issued"))], "a unit's");
    let agent = json!("agent:9");
    for id in ["i-number", "i-asked"] {
        let mut export = books();
        export.change("invoice", "id", id, "payer", agent.clone());
        export.change("fee_order", "id", "01", "payer", agent.clone());
        export.change("invoice", "id", id, "erased_at", json!(9));
        let found: Vec<Violation> =
            on_invoices(&export).into_iter().filter(|(_, of, _)| of == id).map(|(.., why)| why).collect();
        assert_eq!(found, if id == "i-asked" { vec![fits("requested")] } else { vec![] });
    }
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
