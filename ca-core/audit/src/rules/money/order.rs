//! Orders and their charges: what is due, waived, received, given back and earned, added up from what stands behind it.

use std::collections::BTreeMap;

use super::{
    is_handed_over,
    ledger::{Ledger, account_of},
    route::Route,
};
use crate::{
    Rule, Violation,
    report::{Findings, Place},
    row::{Charge, FeeOrder},
};

/// What two persons decided for one application, and what the book made of it.
#[derive(Clone, Copy, Default)]
struct Decided {
    waived: i128,
    refunded: i128,
    /// Given back of what was earned.
    from_revenue: i128,
    /// Given back of what was not earned yet.
    from_order: i128,
    /// Of a waiver, because all that was paid was given back.
    taken_back: i128,
}

pub(super) fn check(ledger: &Ledger<'_>, findings: &mut Findings) {
    let mut of_orders: BTreeMap<&str, Vec<&Charge>> = BTreeMap::new();
    let decided = decided(ledger);
    for (id, known) in &ledger.book.charges {
        of_orders.entry(&known.fee_order).or_default().push(known);
        references(ledger, id, known, findings);
        charge(ledger, known, decided.get(id.as_str()).copied().unwrap_or_default(), findings);
    }
    for (id, known) in &ledger.book.orders {
        let charges = of_orders.get(id.as_str()).map(Vec::as_slice).unwrap_or_default();
        order(ledger, (id, known), charges, findings);
    }
}

fn decided<'a>(ledger: &Ledger<'a>) -> BTreeMap<&'a str, Decided> {
    let mut decided: BTreeMap<&str, Decided> = BTreeMap::new();
    for (id, known) in &ledger.book.adjustments {
        let sums = decided.entry(&known.application).or_default();
        if matches!(known.state.as_str(), "approved" | "paid-out") {
            let sum = if known.kind == "waiver" { &mut sums.waived } else { &mut sums.refunded };
            *sum += i128::from(known.amount_fen);
        }
        sums.from_revenue += ledger.moved(Route::RefundEarned, id);
        sums.from_order += ledger.moved(Route::RefundHeld, id);
        sums.taken_back += ledger.moved(Route::TakeBack, id);
    }
    decided
}

fn references(ledger: &Ledger<'_>, id: &String, charge: &Charge, findings: &mut Findings) {
    let (book, order) = (ledger.book, &charge.fee_order);
    let application = book.applications.get(id);
    for (table, missing) in [
        ("fee_order", (!book.orders.contains_key(order)).then_some(order)),
        ("application", application.is_none().then_some(id)),
    ] {
        if let Some(missing) = missing {
            let missing = Violation::ReferenceMissing { table, id: missing.clone() };
            findings.add(Rule::Money, "charge", id, missing);
        }
    }
    if let Some(application) = application {
        let place: Place<'_> = (Rule::Money, "charge", id);
        findings.compare(place, "kind", (charge.kind.as_str(), application.kind.as_str()));
    }
}

/// One that is not wanted any more was cancelled, or all that was paid for it was given back before it was made.
fn charge(ledger: &Ledger<'_>, charge: &Charge, decided: Decided, findings: &mut Findings) {
    let id = charge.application.as_str();
    let (total, waived, refunded, earned) = (
        i128::from(charge.total_fen),
        i128::from(charge.waived_fen),
        i128::from(charge.refunded_fen),
        i128::from(charge.earned_fen),
    );
    let (live, cancelled) = (charge.live != 0, charge.live == 0 && refunded == 0);
    let taken_back = ledger.moved(Route::TakeBack, id) + decided.taken_back;
    let given_back = ledger.moved(Route::GiveBack, id);
    let delivered = ledger.moved(Route::Deliver, id);
    let state = ledger.book.applications.get(id).map(|known| known.state.as_str());
    // Of what is handed over all is earned that was not given back before.
    let to_deliver = if state.is_some_and(is_handed_over) { total - decided.from_order } else { 0 };
    let place: Place<'_> = (Rule::Money, "charge", &id);
    for (what, found, expected) in [
        ("waived_fen", waived, if cancelled { 0 } else { decided.waived }),
        ("waived and taken back", taken_back, if live { 0 } else { decided.waived }),
        ("refunded_fen", refunded, decided.refunded),
        ("given back by cancelling", given_back, if cancelled { given_back } else { 0 }),
        ("delivered in the book", delivered, to_deliver),
        ("earned_fen", earned, delivered - decided.from_revenue),
    ] {
        findings.compare(place, what, (found, expected));
    }
    if waived + refunded > total {
        let violation =
            Violation::TooMuch { what: "waived_fen and refunded_fen", found: waived + refunded, most: total };
        findings.add(Rule::Money, "charge", id, violation);
    }
}

fn order(
    ledger: &Ledger<'_>,
    (id, order): (&String, &FeeOrder),
    charges: &[&Charge],
    findings: &mut Findings,
) {
    let place: Place<'_> = (Rule::Money, "fee_order", id);
    let sum = |fen: fn(&Charge) -> i64, of: fn(&Charge) -> bool| -> i128 {
        charges.iter().filter(|charge| of(charge)).map(|charge| i128::from(fen(charge))).sum()
    };
    // What was cancelled is not part of it; what was given back in full still is.
    let counts = |charge: &Charge| charge.live != 0 || charge.refunded_fen != 0;
    let refunded = sum(|charge| charge.refunded_fen, counts);
    let received = ledger.received(id);
    for (what, found, expected) in [
        ("total_fen", order.total_fen, sum(|charge| charge.total_fen, counts)),
        ("waived_fen", order.waived_fen, sum(|charge| charge.waived_fen, counts)),
        ("refunded_fen", order.refunded_fen, refunded),
        ("received_fen", order.received_fen, received),
    ] {
        findings.compare(place, what, (i128::from(found), expected));
    }
    // The waiver of what was given back in full went back with it. What was given back of what was earned came from
    // there: earned and refunded together are what left the order.
    let waived = sum(|charge| charge.waived_fen, |charge| charge.live != 0);
    let left = sum(|charge| charge.earned_fen, |_| true) + refunded;
    let balance = ledger.balance(&account_of(id));
    findings.compare(place, "balance in the book", (balance, received + waived - left));
    if !fits(order) {
        let state = order.state.clone();
        findings.add(Rule::Money, "fee_order", id, Violation::SumsAndState { state });
    }
    if !order.payer.starts_with("unit:") && !order.payer.starts_with("agent:") {
        let missing = Violation::ReferenceMissing { table: "payer", id: order.payer.clone() };
        findings.add(Rule::Money, "fee_order", id, missing);
    }
}

/// Whether the sums are those of the state.
fn fits(order: &FeeOrder) -> bool {
    let outstanding =
        i128::from(order.total_fen) - i128::from(order.waived_fen) - i128::from(order.received_fen);
    let nothing_paid = order.received_fen == 0 && order.refunded_fen == 0;
    match order.state.as_str() {
        "quoted" => nothing_paid,
        "due" => nothing_paid && outstanding > 0,
        "part-paid" => order.received_fen > 0 && outstanding > 0 && order.refunded_fen == 0,
        "paid" => outstanding == 0 && (order.refunded_fen == 0 || order.refunded_fen < order.received_fen),
        "refunded" => outstanding == 0 && order.refunded_fen > 0 && order.refunded_fen == order.received_fen,
        "cancelled" => nothing_paid && order.total_fen == 0,
        _ => false,
    }
}
