//! Money from nobody known: lines of statements and gateways.

use serde_json::{Value, json};

use super::honest::books;
use crate::{Rule, Violation, testing::differs};

type Found = Vec<(&'static str, String, Violation)>;

fn changed(table: &str, id: &str, column: &str, to: Value) -> Found {
    let mut export = books();
    export.change(table, "id", id, column, to);
    export.violations(Rule::Money)
}

#[test]
fn a_line_is_its_payment() {
    let line =
        |what, found, expected| vec![("bank_line", "l-found".to_owned(), differs(what, found, expected))];
    let change = |column, to| changed("bank_line", "l-found", column, to);
    assert_eq!(change("amount_fen", json!(1)), line("amount_fen", "1", "12000"));
    assert_eq!(change("fee_order", json!("o-new")), line("order of the payment", "o-bank", "o-new"));
    let none = change("fee_order", Value::Null);
    let state = Violation::SumsAndState { state: "matched".to_owned() };
    assert_eq!(none[0], ("bank_line", "l-found".to_owned(), state));
    let gone = change("payment", json!("zz"));
    let missing = Violation::ReferenceMissing { table: "payment", id: "zz".to_owned() };
    assert_eq!(gone, [("bank_line", "l-found".to_owned(), missing)]);
    let mut export = books();
    let mut again = export.row("bank_line", "id", "l-found");
    again["id"] = json!("l-again");
    export.add(again);
    // The later of the two keys is the second.
    assert_eq!(export.violations(Rule::Money), [("bank_line", "l-found".to_owned(), Violation::Twice)]);
}

#[test]
fn only_what_a_person_must_look_at_is_kept() {
    let mut export = books();
    export.change("bank_line", "id", "l-waits", "state", json!("matched"));
    export.change("bank_line", "id", "l-waits", "fee_order", json!("o-bank"));
    export.change("payment", "id", "p-waits", "fee_order", json!("o-bank"));
    let (found, payer) = (export.violations(Rule::Money), export.payer());
    let posting = export.posting("payment", "p-waits");
    assert_eq!(
        found,
        [
            ("posting", posting, differs("credit", "suspense", &payer)),
            ("ledger_account", "suspense".to_owned(), differs("balance in the book", "350", "250")),
            ("payment", "p-waits".to_owned(), differs("sum of postings to suspense", "100", "0")),
        ]
    );
}

#[test]
fn nobody_assigned_it() {
    let mut export = books();
    let payer = export.payer();
    let posting = export.post(("assign", "p-waits"), ("suspense", &payer), 100);
    let missing = Violation::ReferenceMissing { table: "bank_line", id: "p-waits".to_owned() };
    assert_eq!(
        export.violations(Rule::Money),
        [
            ("posting", posting, missing),
            ("ledger_account", "suspense".to_owned(), differs("balance in the book", "250", "350")),
            ("payment", "p-waits".to_owned(), differs("sum of postings from suspense", "100", "0")),
        ]
    );
}

#[test]
fn assigned_twice() {
    let mut export = books();
    let payer = export.payer();
    export.post(("assign", "p-most"), ("suspense", &payer), 9_000);
    assert_eq!(
        export.violations(Rule::Money),
        [
            ("ledger_account", "suspense".to_owned(), differs("balance in the book", "-8650", "350")),
            ("payment", "p-most".to_owned(), differs("sum of postings from suspense", "18000", "9000")),
        ]
    );
}

#[test]
fn assigned_to_another_payer() {
    let mut export = books();
    let payer = export.payer();
    export.unpost(&export.posting("assign", "p-late"));
    let posting = export.post(("assign", "p-late"), ("suspense", "agent:9"), 300);
    let found = export.violations(Rule::Money);
    assert_eq!(found, [("posting", posting, differs("credit", "agent:9", &payer))]);
}

#[test]
fn more_goes_to_the_order_than_came() {
    let mut export = books();
    let payer = export.payer();
    export.add_order("o-more", "part-paid", [20_000, 0, 400, 0]);
    export.add_charge("a-more", ("o-more", "approved", 1), [20_000, 0, 0, 0]);
    for (table, id) in [("bank_line", "l-late"), ("payment", "p-late")] {
        export.change(table, "id", id, "fee_order", json!("o-more"));
    }
    export.post(("draw", "p-late"), (&payer, "order:o-more"), 400);
    let much = Violation::TooMuch { what: "sum of postings to the order", found: 400, most: 300 };
    assert_eq!(export.violations(Rule::Money), [("payment", "p-late".to_owned(), much)]);
}

/// Somebody's credit pays an order of somebody else.
#[test]
fn only_the_payer_pays() {
    let mut export = books();
    let payer = export.payer();
    export.unpost(&export.posting("draw", "o-drawn"));
    let posting = export.post(("draw", "o-drawn"), ("agent:9", "order:o-drawn"), 500);
    assert_eq!(
        export.violations(Rule::Money),
        [
            ("posting", posting, differs("debit", "agent:9", &payer)),
            ("ledger_account", "agent:9".to_owned(), Violation::Overdrawn { fen: -500 }),
        ]
    );
}

#[test]
fn a_number_counts_once() {
    let found = changed("payment", "p-new", "reference", json!("R1"));
    // The clean export's own payment has that number; its key comes first.
    assert_eq!(found, [("payment", "p-new".to_owned(), Violation::Twice)]);
    let found = changed("payment", "p-new", "payer", json!("agent:9"));
    let payer = books().payer();
    assert_eq!(found, [("payment", "p-new".to_owned(), differs("payer", "agent:9", &payer))]);
}

/// The gateway's money stands with the order for which it was asked.
#[test]
fn online_money_of_another_order() {
    let paid = |order: &str| {
        let mut export = books();
        for (column, to) in [("method", "online"), ("reference", "pay:T1")] {
            export.change("payment", "id", "p-new", column, json!(to));
        }
        let received = export.posting("payment", "p-new");
        export.change("posting", "id", &received, "debit", json!("online"));
        for (id, order, state, number) in
            [("n1", order, "paid", json!("T1")), ("n2", "o-new", "closed", Value::Null)]
        {
            export.add(json!({
                "table": "online_payment", "id": id, "fee_order": order, "gateway": "pay", "amount_fen": 36_000,
                "state": state, "transaction_no": number,
            }));
        }
        export.violations(Rule::Money)
    };
    assert_eq!(paid("o-new"), []);
    let other = differs("order of the payment", "o-new", "o-bank");
    assert_eq!(paid("o-bank"), [("online_payment", "n1".to_owned(), other)]);
}
