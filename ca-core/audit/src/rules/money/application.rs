//! What is made and handed over is settled.

use super::{is_handed_over, ledger::Ledger};
use crate::{
    Rule, Violation,
    book::Book,
    report::{Findings, Place},
    row::Charge,
};

pub(super) fn check(ledger: &Ledger<'_>, findings: &mut Findings) {
    let book = ledger.book;
    applications(book, findings);
    for (serial, certificate) in book.certificates.iter().filter(|(_, known)| known.row.unit.is_some()) {
        let revoked = book.statuses.get(serial).is_some_and(|status| status.state == "revoked");
        let settled = certificate.row.application.as_deref().is_some_and(|application| {
            is_settled(book, application) || (revoked && was_refunded(book, application))
        });
        if !settled {
            findings.add(Rule::Money, "certificate", serial, Violation::Unpaid);
        }
    }
}

/// Applications reach these states through a settled order and never come back.
fn is_due(state: &str) -> bool {
    matches!(state, "paid" | "personalising" | "issued") || is_handed_over(state)
}

/// On an order of which nothing is outstanding, and wanted. What buys no time may cost nothing; a new certificate or a
/// renewal without a price is a finding whatever the order says.
fn is_settled(book: &Book, application: &str) -> bool {
    let Some(charge) = book.charges.get(application) else { return false };
    let kind = book.applications.get(application).map(|known| known.kind.as_str());
    let priced = charge.total_fen > 0 || matches!(kind, Some("rekey" | "replace" | "change" | "unlock"));
    charge.live != 0 && is_paid(book, charge) && priced
}

/// Paid, and given back in full when its certificate had been given up.
fn was_refunded(book: &Book, application: &str) -> bool {
    let Some(charge) = book.charges.get(application) else { return false };
    let withdrawn = book.applications.get(application).is_some_and(|known| known.state == "withdrawn");
    charge.live == 0 && charge.refunded_fen > 0 && is_paid(book, charge) && withdrawn
}

fn is_paid(book: &Book, charge: &Charge) -> bool {
    let order = book.orders.get(&charge.fee_order);
    order.is_some_and(|order| matches!(order.state.as_str(), "paid" | "refunded"))
}

fn applications(book: &Book, findings: &mut Findings) {
    for (id, application) in &book.applications {
        if is_due(&application.state) && !is_settled(book, id) {
            let state = application.state.clone();
            findings.add(Rule::Money, "application", id, Violation::PaymentMissing { state });
        }
        let Some(charge) = book.charges.get(id) else { continue };
        if let Some(named) = &application.payment {
            let of = book.payments.get(named).and_then(|payment| payment.fee_order.as_ref());
            let place: Place<'_> = (Rule::Money, "application", id);
            let found = of.map_or("none", String::as_str);
            findings.compare(place, "order of the payment", (found, charge.fee_order.as_str()));
        }
        let order = book.orders.get(&charge.fee_order);
        let paid = order.is_some_and(|order| order.state == "paid") && charge.live != 0;
        if paid && !is_due(&application.state) {
            let (application, state) = (id.clone(), application.state.clone());
            findings.add(Rule::Money, "charge", id, Violation::NotDue { application, state });
        }
    }
}
