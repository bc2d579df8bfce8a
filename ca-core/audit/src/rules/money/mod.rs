//! I9: what is due, what was paid, what two persons decided, and the book agree, in fen.
//!
//! Everything is added up anew from the postings: sums that the database keeps are compared, never believed. Each posting
//! goes a way that is allowed (`route.rs`), between the accounts that its cause names (`ledger.rs`); for each cause they
//! add up to what the row says (`payment.rs`, `adjustment.rs`, `order.rs`), and all of them to the balances
//! (`account.rs`). So money comes from payments and from what two persons decided, and from nowhere else.

mod account;
mod adjustment;
mod application;
mod bank_return;
mod chargeback;
mod invoice;
mod ledger;
mod order;
mod payment;
mod route;
#[cfg(test)]
mod tests;

use self::ledger::Ledger;
use crate::{book::Book, report::Findings};

pub(super) fn check(book: &Book, findings: &mut Findings) {
    let ledger = Ledger::read(book, findings);
    account::check(&ledger, findings);
    payment::check(&ledger, findings);
    order::check(&ledger, findings);
    adjustment::check(&ledger, findings);
    chargeback::check(&ledger, findings);
    bank_return::check(book, findings);
    invoice::check(book, findings);
    application::check(&ledger, findings);
}

fn is_handed_over(state: &str) -> bool {
    matches!(state, "delivered" | "active")
}
