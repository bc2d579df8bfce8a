//! Money that went back to whoever sent it: what somebody could make of it.

use serde_json::{Value, json};

use super::honest::books;
use crate::{
    Rule, Violation,
    testing::{CLERK, OFFICER, differs},
};

type Found = Vec<(&'static str, String, Violation)>;

fn line(violation: Violation) -> (&'static str, String, Violation) {
    ("bank_line", "l-home".to_owned(), violation)
}

fn changed(column: &str, to: Value) -> Found {
    let mut export = books();
    export.change("bank_line", "id", "l-home", column, to);
    export.violations(Rule::Money)
}

#[test]
fn one_person_sends_it_back() {
    let found = changed("return_approved_by", json!(CLERK));
    let same = Violation::SamePerson { person: CLERK.to_owned() };
    let (clerk, officer) = (format!("staff:{CLERK}"), format!("staff:{OFFICER}"));
    assert_eq!(found, [line(same), line(differs("return_approved_by", &clerk, &officer))]);
    // In the log alone: who asked has said yes.
    let mut export = books();
    export.change_entry("approve-return", "l-home", "actor", json!(clerk));
    let differs = differs("return_approved_by", &officer, &clerk);
    assert_eq!(export.violations(Rule::Money), [line(differs)]);
}

#[test]
fn it_is_said_to_be_back_and_is_not() {
    let mut export = books();
    export.unpost(&export.posting("return", "p-home"));
    assert_eq!(
        export.violations(Rule::Money),
        [
            ("ledger_account", "suspense".to_owned(), differs("balance in the book", "1100", "350")),
            ("ledger_account", "transfer".to_owned(), differs("balance in the book", "-22400", "-21650")),
            ("payment", "p-home".to_owned(), differs("sent back in the book", "0", "750")),
        ]
    );
}

#[test]
fn it_goes_back_and_nobody_decided() {
    let mut export = books();
    let posting = export.post(("return", "p-asked"), ("suspense", "transfer"), 250);
    let found = export.violations(Rule::Money);
    let missing = Violation::ReferenceMissing { table: "bank_line", id: "p-asked".to_owned() };
    assert_eq!(found[0], ("posting", posting, missing), "{found:?}");
    let sent = ("payment", "p-asked".to_owned(), differs("sent back in the book", "250", "0"));
    assert!(found.contains(&sent), "{found:?}");
    // As cash it would be out of the till.
    let mut export = books();
    let posting = export.posting("return", "p-home");
    export.change("posting", "id", &posting, "credit", json!("cash"));
    let found = export.violations(Rule::Money);
    assert_eq!(found[0], ("posting", posting, differs("credit", "cash", "transfer")), "{found:?}");
}

#[test]
fn columns_of_another_state() {
    let state = |state: &str| line(Violation::SumsAndState { state: state.to_owned() });
    for column in ["return_by", "return_approved_by", "return_reference"] {
        assert_eq!(changed(column, Value::Null), [state("returned")], "{column}");
    }
    for other in ["unmatched", "return-requested"] {
        assert!(changed("state", json!(other)).contains(&state(other)), "{other}");
    }
    assert!(changed("fee_order", json!("o-new")).contains(&state("returned")));
}

/// The bank's number of our transfer is one transfer's, whatever it was for.
#[test]
fn a_transfer_counts_once() {
    let mut export = books();
    export.add_unmatched("l-other", "p-other", 10);
    export.ask_back("l-other");
    export.send_back("l-other", "OUT-BACK");
    let twice = ("bank_line", "l-other".to_owned(), Violation::Twice);
    assert_eq!(export.violations(Rule::Money), [twice]);
    let mut export = books();
    let refund = export.rows_of("adjustment").into_iter().find(|row| row["state"] == "paid-out").cloned();
    let refund = refund.unwrap();
    let id = refund["id"].as_str().unwrap();
    export.change("adjustment", "id", id, "reference", json!("OUT-BACK"));
    assert_eq!(export.violations(Rule::Money), [], "paid out in cash: another kind of number");
    export.change("adjustment", "id", id, "method", json!("transfer"));
    assert!(export.violations(Rule::Money).contains(&line(Violation::Twice)));
}
