//! Invoices: of no more than was paid.

use std::collections::BTreeMap;

use crate::{Rule, Violation, book::Book, report::Findings};

/// No more is on invoices than was paid. What went back later is to be taken back from them, which a person does.
pub(super) fn check(book: &Book, findings: &mut Findings) {
    let mut sums: BTreeMap<&str, i128> = BTreeMap::new();
    for known in book.invoices.values().filter(|known| matches!(known.state.as_str(), "requested" | "issued"))
    {
        *sums.entry(&known.fee_order).or_default() += i128::from(known.amount_fen);
    }
    for (id, sum) in sums {
        let most = book.orders.get(id).map_or(0, |order| i128::from(order.received_fen));
        if sum > most {
            let violation = Violation::TooMuch { what: "sum of invoices", found: sum, most };
            findings.add(Rule::Money, "fee_order", id, violation);
        }
    }
}
