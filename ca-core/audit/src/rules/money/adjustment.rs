//! Two persons for every fen that was not asked for or went back, and no more than they decided.

use super::{super::two_persons::Decision, ledger::Ledger, route::Route};
use crate::{
    Rule, Violation,
    log::Action,
    report::{Findings, Place},
};

pub(super) fn check(ledger: &Ledger<'_>, findings: &mut Findings) {
    for (id, known) in &ledger.book.adjustments {
        let decision = Decision {
            place: (Rule::Money, "adjustment", id),
            actions: &[Action::DecideAdjustment],
            decided_by: known.decided_by.as_deref(),
        };
        decision.check(&ledger.book.log, std::iter::once(known.requested_by.as_str()), findings);
        let (moved, amount) = (|route| ledger.moved(route, id), i128::from(known.amount_fen));
        let approved = matches!(known.state.as_str(), "approved" | "paid-out");
        let (approved, out) =
            (if approved { amount } else { 0 }, if known.state == "paid-out" { amount } else { 0 });
        let decided = match known.kind.as_str() {
            "waiver" => moved(Route::Waive),
            _ => moved(Route::RefundEarned) + moved(Route::RefundHeld),
        };
        let place: Place<'_> = (Rule::Money, "adjustment", id);
        findings.compare(place, "sum of postings", (decided, approved));
        findings.compare(place, "paid out in the book", (moved(Route::PayOut), out));
        let could_be_paid = known.kind == "refund" && known.into_credit == 0;
        if known.state == "paid-out" && !could_be_paid {
            let state = known.state.clone();
            findings.add(Rule::Money, "adjustment", id, Violation::SumsAndState { state });
        }
    }
}
