//! One thing changed at a time, and what is found then.

mod attack;
mod bank;
mod bank_return;
mod chargeback;
mod honest;
mod invoice;
mod shift;

use serde_json::{Value, json};

use crate::{
    Rule, Violation,
    testing::{Export, differs},
};

type Found = Vec<(&'static str, String, Violation)>;

fn changed(table: &str, column: &str, to: Value) -> Found {
    let mut export = Export::clean();
    let row = export.rows_of(table)[0].clone();
    let key = if table == "charge" { "application" } else { "id" };
    let id = row[key].as_str().map_or_else(|| row[key].to_string(), str::to_owned);
    export.change(table, key, &id, column, to);
    export.violations(Rule::Money)
}

#[test]
fn a_certificate_that_nobody_paid() {
    let mut export = Export::clean();
    let application = export.application.clone();
    for (column, to) in [("state", json!("due")), ("received_fen", json!(0))] {
        export.change("fee_order", "id", "01", column, to);
    }
    let found = export.violations(Rule::Money);
    let unpaid = Violation::PaymentMissing { state: "active".to_owned() };
    for expected in [
        ("application", application, unpaid),
        ("certificate", export.serial.clone(), Violation::Unpaid),
        ("fee_order", "01".to_owned(), differs("received_fen", "0", "20000")),
    ] {
        assert!(found.contains(&expected), "{expected:?} in {found:?}");
    }
}

#[test]
fn every_sum_is_added_up_anew() {
    for (table, column, to) in [
        ("payment", "amount_fen", 20_001),
        ("fee_order", "total_fen", 20_001),
        ("fee_order", "waived_fen", 1),
        ("fee_order", "received_fen", 19_999),
        ("fee_order", "refunded_fen", 1),
        ("charge", "total_fen", 19_999),
        ("charge", "waived_fen", 1),
        ("charge", "refunded_fen", 1),
        ("charge", "earned_fen", 0),
        ("charge", "live", 0),
        ("posting", "amount_fen", 20_001),
    ] {
        assert_ne!(changed(table, column, json!(to)), [], "{table}.{column}");
    }
    for (table, column, to) in [
        ("fee_order", "state", "refunded"),
        ("fee_order", "payer", "staff:1"),
        ("payment", "fee_order", "zz"),
        ("payment", "method", "card"),
        ("posting", "reason", "draw"),
        ("posting", "cause", "zz"),
        ("posting", "credit", "suspense"),
        ("charge", "fee_order", "zz"),
        ("application", "payment", "zz"),
    ] {
        assert_ne!(changed(table, column, json!(to)), [], "{table}.{column}");
    }
    let mut export = Export::clean();
    export.change("ledger_account", "name", "order:01", "balance_fen", json!(5));
    let found = export.violations(Rule::Money);
    assert_eq!(found, [("ledger_account", "order:01".to_owned(), differs("balance_fen", "5", "0"))]);
}

#[test]
fn nobody_spends_what_is_not_there() {
    let mut export = Export::clean();
    let unit = format!("unit:{}", export.unit);
    export.post(("draw", "01"), (&unit, "order:01"), 7);
    let found = export.violations(Rule::Money);
    assert_eq!(found[0], ("ledger_account", unit, Violation::Overdrawn { fen: -7 }), "{found:?}");
}

#[test]
fn only_what_buys_no_time_is_free() {
    for (kind, clean) in
        [("change", true), ("rekey", true), ("replace", true), ("new", false), ("renew", false)]
    {
        let mut export = Export::clean();
        let (application, payment) = (export.application.clone(), export.payment.clone());
        export.remove("payment", "id", &payment);
        for id in ["1", "2", "3"] {
            export.remove("posting", "id", id);
        }
        for account in [format!("unit:{}", export.unit), "order:01".to_owned()] {
            export.remove("ledger_account", "name", &account);
        }
        for column in ["total_fen", "received_fen"] {
            export.change("fee_order", "id", "01", column, json!(0));
        }
        for column in ["total_fen", "earned_fen"] {
            export.change("charge", "application", &application, column, json!(0));
        }
        export.change("application", "id", &application, "kind", json!(kind));
        export.change("charge", "application", &application, "kind", json!(kind));
        assert_eq!(export.violations(Rule::Money).is_empty(), clean, "{kind}");
    }
}

#[test]
fn paid_where_nothing_is_due() {
    for state in ["submitted", "approved", "rejected", "withdrawn"] {
        let mut export = Export::clean();
        let application = export.application.clone();
        export.change("application", "id", &application, "state", json!(state));
        let due = Violation::NotDue { application: application.clone(), state: state.to_owned() };
        let found = export.violations(Rule::Money);
        assert!(found.contains(&("charge", application, due)), "{found:?}");
    }
}

/// A gateway's money answers to what was asked of it.
#[test]
fn online_payments() {
    let paid = |state: &str, number: Value, amount: i64| {
        let mut export = Export::clean();
        let payment = export.payment.clone();
        for (column, to) in [("method", "online"), ("reference", "pay:T1")] {
            export.change("payment", "id", &payment, column, json!(to));
        }
        export.change("posting", "id", "1", "debit", json!("online"));
        export.add(json!({
            "table": "online_payment", "id": "07", "fee_order": "01", "gateway": "pay", "amount_fen": amount,
            "state": state, "transaction_no": number,
        }));
        (payment, export.violations(Rule::Money))
    };
    assert_eq!(paid("paid", json!("T1"), 20_000).1, []);
    let (payment, found) = paid("paid", json!("T1"), 20_001);
    let not_asked = Violation::NotAsked { reference: "pay:T1".to_owned() };
    assert_eq!(found, [("payment", payment, not_asked)]);
    for (state, number) in [("paid", json!("T2")), ("paid", Value::Null), ("closed", json!("T1"))] {
        let missing = Violation::PaymentMissing { state: state.to_owned() };
        assert_eq!(paid(state, number, 20_000).1, [("online_payment", "07".to_owned(), missing)]);
    }
}
