//! Money that came in: at a counter, in a bank's statement, at a gateway.

use std::collections::{BTreeMap, BTreeSet};

use super::{ledger::Ledger, route::Route};
use crate::{
    Rule, Violation,
    book::Book,
    report::{Findings, Place},
};

pub(super) fn check(ledger: &Ledger<'_>, findings: &mut Findings) {
    payments(ledger, findings);
    bank_lines(ledger.book, findings);
    online(ledger.book, findings);
}

/// All of it to its payer, or kept while nobody knows for which order; of that to an order no more than came.
fn payments(ledger: &Ledger<'_>, findings: &mut Findings) {
    let mut counted = BTreeSet::new();
    for (id, payment) in &ledger.book.payments {
        let place: Place<'_> = (Rule::Money, "payment", id);
        // The other side's number counts once, for ever.
        if !counted.insert((payment.method.as_str(), payment.reference.as_str())) {
            findings.add(Rule::Money, "payment", id, Violation::Twice);
        }
        let (moved, amount) = (|route| ledger.moved(route, id), i128::from(payment.amount_fen));
        let if_so = |so: bool| if so { amount } else { 0 };
        let (kept, assigned) = (ledger.kept(id).is_some(), ledger.assigned(id).is_some());
        for (what, found, expected) in [
            ("sum of postings", moved(Route::Receive) + moved(Route::Keep) + moved(Route::Settle), amount),
            ("sum of postings to suspense", moved(Route::Keep), if_so(kept)),
            ("sum of postings for arrears", moved(Route::Settle), if_so(ledger.settled(id).is_some())),
            ("sum of postings from suspense", moved(Route::Assign), if_so(assigned)),
            ("sent back in the book", moved(Route::Return), if_so(ledger.returned(id).is_some())),
        ] {
            findings.compare(place, what, (found, expected));
        }
        // An assigned payment goes on to its order by a draw.
        let found = moved(Route::Spend) + moved(Route::Draw);
        if found > amount {
            let violation = Violation::TooMuch { what: "sum of postings to the order", found, most: amount };
            findings.add(Rule::Money, "payment", id, violation);
        }
        let Some(order) = &payment.fee_order else { continue };
        match (ledger.book.orders.get(order), &payment.payer) {
            (None, _) => {
                let missing = Violation::ReferenceMissing { table: "fee_order", id: order.clone() };
                findings.add(Rule::Money, "payment", id, missing);
            }
            (Some(order), Some(payer)) => {
                findings.compare(place, "payer", (payer.as_str(), order.payer.as_str()));
            }
            (Some(_), None) => {}
        }
    }
}

/// Each line is one payment, for the same order.
fn bank_lines(book: &Book, findings: &mut Findings) {
    let mut counted = BTreeSet::new();
    for (id, line) in &book.bank_lines {
        let Some(payment) = book.payments.get(&line.payment) else {
            let missing = Violation::ReferenceMissing { table: "payment", id: line.payment.clone() };
            findings.add(Rule::Money, "bank_line", id, missing);
            continue;
        };
        if !counted.insert(line.payment.as_str()) {
            findings.add(Rule::Money, "bank_line", id, Violation::Twice);
        }
        let known = match line.state.as_str() {
            "unmatched" | "return-requested" | "returned" => line.fee_order.is_none(),
            "matched" | "assigned" => line.fee_order.is_some(),
            _ => false,
        };
        if !known {
            let state = line.state.clone();
            findings.add(Rule::Money, "bank_line", id, Violation::SumsAndState { state });
        }
        let place: Place<'_> = (Rule::Money, "bank_line", id);
        let text = |order: &Option<String>| order.clone().unwrap_or_else(|| "NULL".to_owned());
        findings.compare(place, "amount_fen", (line.amount_fen, payment.amount_fen));
        findings.compare(place, "method of the payment", (payment.method.as_str(), "transfer"));
        findings.compare(place, "order of the payment", (text(&payment.fee_order), text(&line.fee_order)));
    }
}

/// Each payment that was told as paid is in the book once, and no gateway's money is there that nobody asked for.
fn online(book: &Book, findings: &mut Findings) {
    let taken: BTreeMap<&str, _> = book
        .payments
        .iter()
        .filter(|(_, payment)| payment.method == "online")
        .map(|(id, payment)| (payment.reference.as_str(), (id, payment)))
        .collect();
    let mut asked_for: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for (id, online) in &book.online_payments {
        asked_for.entry(online.fee_order.as_str()).or_default().push(online);
        let reference = online.transaction_no.as_ref().map(|number| format!("{}:{number}", online.gateway));
        let payment = reference.as_ref().and_then(|reference| taken.get(reference.as_str()));
        if (online.state == "paid") != payment.is_some() {
            let state = online.state.clone();
            findings.add(Rule::Money, "online_payment", id, Violation::PaymentMissing { state });
        } else if let Some((_, payment)) = payment {
            let found = payment.fee_order.as_deref().unwrap_or("NULL");
            let place: Place<'_> = (Rule::Money, "online_payment", id);
            findings.compare(place, "order of the payment", (found, online.fee_order.as_str()));
        }
    }
    for (reference, (id, payment)) in taken {
        let of = payment.fee_order.as_deref().and_then(|order| asked_for.get(order));
        let asked = of.into_iter().flatten().any(|online| {
            reference.strip_prefix(&online.gateway).is_some_and(|rest| rest.starts_with(':'))
                && payment.amount_fen == online.amount_fen
        });
        if !asked {
            let reference = reference.to_owned();
            findings.add(Rule::Money, "payment", id, Violation::NotAsked { reference });
        }
    }
}
