//! What banks and gateways took back: no more than was paid, and made up for once, by a payment of its own.

use std::collections::BTreeSet;

use super::{ledger::Ledger, route::Route};
use crate::{
    Rule, Violation,
    report::{Findings, Place},
};

pub(super) fn check(ledger: &Ledger<'_>, findings: &mut Findings) {
    let (mut taken, mut settlements) = (BTreeSet::new(), BTreeSet::new());
    for (id, known) in &ledger.book.chargebacks {
        let place: Place<'_> = (Rule::Money, "chargeback", id);
        let amount = i128::from(known.amount_fen);
        findings.compare(place, "sum of postings", (ledger.moved(Route::ChargeBack, id), amount));
        if !taken.insert(known.payment.as_str()) {
            findings.add(Rule::Money, "chargeback", id, Violation::Twice);
        }
        match ledger.book.payments.get(&known.payment) {
            None => {
                let missing = Violation::ReferenceMissing { table: "payment", id: known.payment.clone() };
                findings.add(Rule::Money, "chargeback", id, missing);
            }
            Some(payment) => {
                let order = payment.fee_order.as_deref().unwrap_or("NULL");
                findings.compare(place, "order of the payment", (order, known.fee_order.as_str()));
                // Nobody takes notes and coins out of a till from afar.
                let most = if payment.method == "cash" { 0 } else { i128::from(payment.amount_fen) };
                if amount > most {
                    let violation = Violation::TooMuch { what: "amount_fen", found: amount, most };
                    findings.add(Rule::Money, "chargeback", id, violation);
                }
            }
        }
        let settled = known.state == "settled";
        if settled != known.settlement.is_some()
            || !matches!(known.state.as_str(), "open" | "held" | "settled")
        {
            let state = known.state.clone();
            findings.add(Rule::Money, "chargeback", id, Violation::SumsAndState { state });
        }
        let Some(settlement) = &known.settlement else { continue };
        if !settlements.insert(settlement.as_str()) {
            findings.add(Rule::Money, "chargeback", id, Violation::Twice);
        }
        let paid = ledger.book.payments.get(settlement).map(|payment| i128::from(payment.amount_fen));
        findings.compare(place, "amount of the settlement", (paid.unwrap_or_default(), amount));
    }
}
