//! Money made of nothing, and decisions that were bent afterwards.

use serde_json::{Value, json};

use super::honest::books;
use crate::{
    Rule, Violation,
    testing::{CLERK, Export, OFFICER, differs},
};

type Found = Vec<(&'static str, String, Violation)>;

fn at(table: &'static str, id: &str, violation: Violation) -> (&'static str, String, Violation) {
    (table, id.to_owned(), violation)
}

fn not_allowed(reason: &str, debit: &str, credit: &str) -> Violation {
    let [reason, debit, credit] = [reason, debit, credit].map(str::to_owned);
    Violation::NotAllowed { reason, debit, credit }
}

fn balance(found: &str, expected: &str) -> Violation {
    differs("balance in the book", found, expected)
}

#[test]
fn drawn_from_waiver() {
    let mut export = Export::clean();
    let posting = export.post(("draw", "01"), ("waiver", "order:01"), 20_000);
    assert_eq!(
        export.violations(Rule::Money),
        [
            at("posting", &posting, not_allowed("draw", "waiver", "order:01")),
            at("ledger_account", "waiver", balance("-20000", "0")),
            at("fee_order", "01", balance("20000", "0")),
        ]
    );
}

#[test]
fn a_payment_from_revenue() {
    let mut export = Export::clean();
    let (payment, payer) = (export.payment.clone(), export.payer());
    let posting = export.post(("payment", &payment), ("revenue:new", &payer), 20_000);
    assert_eq!(
        export.violations(Rule::Money),
        [
            at("posting", &posting, not_allowed("payment", "revenue:new", &payer)),
            at("ledger_account", "revenue:new", balance("0", "20000")),
        ]
    );
}

#[test]
fn ways_that_there_are_not() {
    for (reason, debit, credit) in [
        ("gift", "cash", "agent:9"),
        ("payment", "gold", "agent:9"),
        ("payment", "waiver", "agent:9"),
        ("assign", "cash", "agent:9"),
        ("draw", "suspense", "order:01"),
        ("waiver", "waiver", "agent:9"),
        ("refund", "waiver", "agent:9"),
        ("pay-out", "revenue:new", "cash"),
        ("delivery", "order:01", "agent:9"),
        ("collect", "order:01", "agent:9"),
        ("cancel", "revenue:new", "agent:9"),
        ("payment", "cash", "arrears-agent:9"),
    ] {
        let mut export = Export::clean();
        let posting = export.post((reason, "01"), (debit, credit), 1);
        let expected = at("posting", &posting, not_allowed(reason, debit, credit));
        assert!(export.violations(Rule::Money).contains(&expected), "{reason} {debit} {credit}");
    }
}

#[test]
fn nothing_moves_backwards() {
    for fen in [-1, 0] {
        let mut export = books();
        let payer = export.payer();
        let posting = export.post(("draw", "o-drawn"), (&payer, "order:o-drawn"), fen);
        let found = export.violations(Rule::Money);
        assert_eq!(found[0], at("posting", &posting, Violation::NotPositive { fen }), "{found:?}");
    }
}

/// Decided for 50 yuan and booked as 5,000.
#[test]
fn more_refunded_than_decided() {
    let mut export = Export::clean();
    export.refund("r", 0, ("approved", 5_000));
    assert_eq!(export.violations(Rule::Money), []);
    let posting = export.rows_of("posting").last().unwrap()["id"].to_string();
    export.change("posting", "id", &posting, "amount_fen", json!(500_000));
    assert_eq!(
        export.violations(Rule::Money),
        [
            at("ledger_account", "payable", balance("500000", "5000")),
            at("ledger_account", "revenue:new", balance("-480000", "15000")),
            at("charge", &export.application, differs("earned_fen", "15000", "-480000")),
            at("adjustment", "r", differs("sum of postings", "500000", "5000")),
        ]
    );
}

/// And with all the sums bent to fit.
#[test]
fn more_refunded_than_paid() {
    let mut export = Export::clean();
    export.refund("r", 0, ("approved", 50_000));
    let found = export.violations(Rule::Money);
    let much = Violation::TooMuch { what: "waived_fen and refunded_fen", found: 50_000, most: 20_000 };
    assert!(found.contains(&at("charge", &export.application, much)), "{found:?}");
}

#[test]
fn earned_without_a_delivery() {
    let mut export = Export::clean();
    let application = export.application.clone();
    export.unpost("3");
    assert_eq!(
        export.violations(Rule::Money),
        [
            at("ledger_account", "revenue:new", balance("0", "20000")),
            at("charge", &application, differs("delivered in the book", "0", "20000")),
            at("charge", &application, differs("earned_fen", "20000", "0")),
            at("fee_order", "01", balance("20000", "0")),
        ]
    );
    let found = changed("charge", ("application", "a-old"), "earned_fen", json!(1));
    assert_eq!(found[1], at("charge", "a-old", differs("earned_fen", "1", "0")), "{found:?}");
}

/// Each change of one cell, and what exactly is found.
fn changed(table: &str, (key, id): (&str, &str), column: &str, to: Value) -> Found {
    let mut export = books();
    export.change(table, key, id, column, to);
    export.violations(Rule::Money)
}

#[test]
fn into_whose_hands_a_refund_goes() {
    let mut export = Export::clean();
    let payer = export.payer();
    export.refund("r", 0, ("approved", 5_000));
    export.change("adjustment", "id", "r", "into_credit", json!(1));
    let posting = export.rows_of("posting").last().unwrap()["id"].to_string();
    assert_eq!(
        export.violations(Rule::Money),
        [
            at("posting", &posting, differs("credit", "payable", &payer)),
            at("ledger_account", "payable", balance("5000", "0")),
        ]
    );
    let mut export = Export::clean();
    export.refund("r", 1, ("approved", 5_000));
    export.unpost(&export.rows_of("posting").last().unwrap()["id"].to_string());
    let posting = export.post(("refund", "r"), ("revenue:new", "agent:9"), 5_000);
    let other = differs("credit", "agent:9", &export.payer());
    assert_eq!(export.violations(Rule::Money), [at("posting", &posting, other)]);
}

#[test]
fn how_a_refund_is_paid_out() {
    let found = changed("adjustment", ("id", "r-out"), "method", json!("card"));
    let export = books();
    let posting = export.posting("pay-out", "r-out");
    let account = |name: &str| {
        export.rows_of("posting").iter().fold(0, |sum, row| {
            let fen = row["amount_fen"].as_i64().unwrap();
            sum + if row["credit"] == name { fen } else { 0 } - if row["debit"] == name { fen } else { 0 }
        })
    };
    let (card, cash) = (account("card"), account("cash"));
    let moved = |fen: i64, by: i64| balance(&fen.to_string(), &(fen + by).to_string());
    assert_eq!(
        found,
        [
            at("posting", &posting, differs("credit", "cash", "card")),
            at("ledger_account", "card", moved(card, 1_000)),
            at("ledger_account", "cash", moved(cash, -1_000)),
        ]
    );
}

#[test]
fn what_was_waived() {
    let mut export = books();
    let application = "a-old";
    // The waiver lands on an order that it was not decided for.
    export.unpost(&export.posting("waiver", "w-gone"));
    export.post(("waiver", "w-gone"), ("waiver", "order:o-drawn"), 3_000);
    assert_eq!(
        export.violations(Rule::Money),
        [
            at("ledger_account", "order:o-gone", Violation::Overdrawn { fen: -3_000 }),
            at("fee_order", "o-drawn", balance("5000", "2000")),
            at("fee_order", "o-gone", balance("-3000", "0")),
        ]
    );
    // A refund's approval is no waiver's.
    let mut export = books();
    export.change("adjustment", "id", "w-old", "kind", json!("refund"));
    let found = export.violations(Rule::Money);
    let missing = Violation::ReferenceMissing { table: "adjustment", id: "w-old".to_owned() };
    assert!(found.iter().any(|(table, _, violation)| (*table, violation) == ("posting", &missing)));
    let unwaived = differs("waived_fen", "5000", "0");
    assert!(found.contains(&at("charge", application, unwaived)), "{found:?}");
}

/// What was waived of a cancelled application goes back, and nothing else does.
#[test]
fn what_is_taken_back() {
    let mut export = books();
    export.unpost(&export.posting("cancel", "a-gone"));
    let found = export.violations(Rule::Money);
    assert!(
        found.contains(&at("charge", "a-gone", differs("waived and taken back", "0", "3000"))),
        "{found:?}"
    );
    let mut export = books();
    let payer = export.payer();
    export.post(("cancel", "a-drawn"), ("order:o-drawn", &payer), 2_000);
    export.change("fee_order", "id", "o-drawn", "received_fen", json!(0));
    export.change("fee_order", "id", "o-drawn", "state", json!("due"));
    let wanted = differs("given back by cancelling", "2000", "0");
    assert_eq!(export.violations(Rule::Money), [at("charge", "a-drawn", wanted)]);
}

#[test]
fn an_order_does_not_take_what_is_anothers() {
    let mut export = books();
    // The money that waits on one order pays for what another one delivers.
    export.unpost(&export.posting("delivery", "a-free"));
    let posting = export.post(("delivery", "a-free"), ("order:o-new", "revenue:new"), 20_000);
    assert_eq!(
        export.violations(Rule::Money),
        [
            at("posting", &posting, differs("debit", "order:o-new", "order:o-free")),
            at("fee_order", "o-free", balance("20000", "0")),
            at("fee_order", "o-new", balance("20000", "40000")),
        ]
    );
    let found = changed("charge", ("application", "a-drawn"), "kind", json!("renew"));
    assert_eq!(found, [at("charge", "a-drawn", differs("kind", "renew", "new"))]);
    let mut export = books();
    let posting = export.post(("collect", "zz"), ("order:o-new", "order:zz"), 5_000);
    let missing = Violation::ReferenceMissing { table: "fee_order", id: "zz".to_owned() };
    assert_eq!(
        export.violations(Rule::Money),
        [at("ledger_account", "order:zz", missing), at("fee_order", "o-new", balance("35000", "40000")),]
    );
    export.unpost(&posting);
    let posting = export.post(("collect", "o-new"), ("order:o-new", "order:o-bank"), 5_000);
    let found = export.violations(Rule::Money);
    assert!(found.contains(&at("posting", &posting, differs("credit", "order:o-bank", "order:o-new"))));
}

/// What is not wanted any more settles nothing; a certificate of it is revoked.
#[test]
fn given_back_and_made_all_the_same() {
    let mut export = Export::clean();
    let (application, serial) = (export.application.clone(), export.serial.clone());
    let payer = export.payer();
    export.unpost("3");
    export.add_adjustment("r", ("refund", 1), &application, ("approved", 20_000));
    export.post(("refund", "r"), ("order:01", &payer), 20_000);
    for (column, to) in [("refunded_fen", 20_000), ("earned_fen", 0), ("live", 0)] {
        export.change("charge", "application", &application, column, json!(to));
    }
    export.change("fee_order", "id", "01", "refunded_fen", json!(20_000));
    export.change("fee_order", "id", "01", "state", json!("refunded"));
    export.change("application", "id", &application, "state", json!("issued"));
    let paid = Violation::PaymentMissing { state: "issued".to_owned() };
    let unpaid = at("certificate", &serial, Violation::Unpaid);
    let found = export.violations(Rule::Money);
    assert_eq!(found, [at("application", &application, paid), unpaid.clone()]);
    export.change("application", "id", &application, "state", json!("withdrawn"));
    assert_eq!(export.violations(Rule::Money), [unpaid]);
    export.change("status", "serial", &serial, "state", json!("revoked"));
    assert_eq!(export.violations(Rule::Money), []);
}

/// Who asks does not decide, neither by the row nor by the log.
#[test]
fn one_person_alone() {
    let same = || at("adjustment", "r-yes", Violation::SamePerson { person: CLERK.to_owned() });
    let logged = differs("decided_by", &format!("staff:{CLERK}"), &format!("staff:{OFFICER}"));
    let found = changed("adjustment", ("id", "r-yes"), "decided_by", json!(CLERK));
    assert_eq!(found, [same(), at("adjustment", "r-yes", logged)]);
    let mut export = books();
    export.change_entry("decide-adjustment", "r-yes", "actor", json!(format!("staff:{CLERK}")));
    let row = differs("decided_by", &format!("staff:{OFFICER}"), &format!("staff:{CLERK}"));
    assert_eq!(export.violations(Rule::Money), [same(), at("adjustment", "r-yes", row)]);
}

#[test]
fn nobody_decided_or_paid_out() {
    for (id, column, to) in [("r-yes", "state", "requested"), ("r-asked", "state", "approved")] {
        let found = changed("adjustment", ("id", id), column, json!(to));
        let sums = if to == "approved" { ("0", "1000") } else { ("1000", "0") };
        let sums = differs("sum of postings", sums.0, sums.1);
        assert!(found.contains(&at("adjustment", id, sums)), "{found:?}");
    }
    let mut export = books();
    export.unpost(&export.posting("pay-out", "r-out"));
    let found = export.violations(Rule::Money);
    let missing = differs("paid out in the book", "0", "1000");
    assert!(found.contains(&at("adjustment", "r-out", missing)), "{found:?}");
    let found = changed("adjustment", ("id", "r-out"), "into_credit", json!(1));
    let state = Violation::SumsAndState { state: "paid-out".to_owned() };
    assert!(found.contains(&at("adjustment", "r-out", state)), "{found:?}");
}
