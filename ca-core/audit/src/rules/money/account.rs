//! Balances: those that the database keeps, and those that follow from payments, decisions and deliveries.

use std::collections::BTreeMap;

use super::{
    ledger::Ledger,
    route::{Class, METHODS},
};
use crate::{
    Rule, Violation,
    book::Book,
    report::{Findings, Place},
};

pub(super) fn check(ledger: &Ledger<'_>, findings: &mut Findings) {
    kept(ledger, findings);
    derived(ledger, findings);
}

fn is_owned(name: &str) -> bool {
    matches!(Class::of(name), Some(Class::Credit | Class::Order))
}

/// Accounts of payers and orders: as the database keeps them, and never below nothing.
fn kept(ledger: &Ledger<'_>, findings: &mut Findings) {
    let book = ledger.book;
    for (name, balance) in ledger.balances.iter().filter(|(name, _)| is_owned(name)) {
        let kept = book.ledger_accounts.get(*name).map(|row| i128::from(row.balance_fen));
        let place: Place<'_> = (Rule::Money, "ledger_account", name);
        findings.compare(place, "balance_fen", (kept.unwrap_or_default(), *balance));
        if *balance < 0 {
            findings.add(Rule::Money, "ledger_account", name, Violation::Overdrawn { fen: *balance });
        }
        if let Some(id) = name.strip_prefix("order:").filter(|id| !book.orders.contains_key(*id)) {
            let missing = Violation::ReferenceMissing { table: "fee_order", id: id.to_owned() };
            findings.add(Rule::Money, "ledger_account", name, missing);
        }
    }
    for (name, row) in &book.ledger_accounts {
        if !ledger.balances.contains_key(name.as_str()) && row.balance_fen != 0 {
            let place: Place<'_> = (Rule::Money, "ledger_account", name);
            findings.compare(place, "balance_fen", (i128::from(row.balance_fen), 0));
        }
    }
}

/// Accounts that everybody shares: what the other tables add up to.
fn derived(ledger: &Ledger<'_>, findings: &mut Findings) {
    let mut expected = expected(ledger.book);
    for name in ledger.balances.keys().filter(|name| !is_owned(name)) {
        expected.entry((*name).to_owned()).or_default();
    }
    for (name, fen) in &expected {
        let place: Place<'_> = (Rule::Money, "ledger_account", name);
        findings.compare(place, "balance in the book", (ledger.balance(name), *fen));
    }
}

fn expected(book: &Book) -> BTreeMap<String, i128> {
    let mut sums: BTreeMap<String, i128> = METHODS.iter().map(|name| ((*name).to_owned(), 0)).collect();
    let mut add = |name: &str, fen: i64, sign: i128| {
        *sums.entry(name.to_owned()).or_default() += sign * i128::from(fen);
    };
    for payment in book.payments.values() {
        add(&payment.method, payment.amount_fen, -1);
    }
    for line in book.bank_lines.values() {
        match line.state.as_str() {
            "unmatched" | "return-requested" => add("suspense", line.amount_fen, 1),
            "returned" => add("transfer", line.amount_fen, 1),
            _ => {}
        }
    }
    for known in book.adjustments.values().filter(|known| known.kind == "refund") {
        match (known.state.as_str(), &known.method) {
            ("approved", _) if known.into_credit == 0 => add("payable", known.amount_fen, 1),
            ("paid-out", Some(method)) => add(method, known.amount_fen, 1),
            _ => {}
        }
    }
    for known in book.chargebacks.values() {
        let method = book.payments.get(&known.payment).map_or("NULL", |payment| payment.method.as_str());
        add(method, known.amount_fen, 1);
        if known.settlement.is_none() {
            add("arrears", known.amount_fen, -1);
        }
    }
    for charge in book.charges.values() {
        add(&format!("revenue:{}", charge.kind), charge.earned_fen, 1);
        if charge.live != 0 {
            add("waiver", charge.waived_fen, -1);
        }
    }
    sums
}
