//! Invoices: over money that was there, each under numbers of its own.
//!
//! Money may go back after it was invoiced; then something is to be taken back, which a person does, and that alone is no
//! finding. So each invoice is judged by what was there when it was asked for: all that came onto its order, less what two
//! persons had given back before, less the other invoices of that moment.

use std::collections::{BTreeMap, BTreeSet};

use super::ledger::account_of;
use crate::{
    Rule, Violation,
    book::Book,
    log::Action,
    report::{Findings, Place},
    row::Invoice,
};

/// An invoice and when it was live, in numbers of entries.
struct Life<'a> {
    id: &'a str,
    fen: i128,
    from: i64,
    until: Option<i64>,
}

pub(super) fn check(book: &Book, findings: &mut Findings) {
    let mut numbers = BTreeSet::new();
    let mut of_orders: BTreeMap<&str, Vec<Life<'_>>> = BTreeMap::new();
    for (id, known) in &book.invoices {
        one(book, id, known, findings);
        for number in [&known.number, &known.red_number].into_iter().flatten() {
            if !numbers.insert(number.as_str()) {
                findings.add(Rule::Money, "invoice", id, Violation::Twice);
            }
        }
        of_orders.entry(&known.fee_order).or_default().push(life(book, id, known));
    }
    sums(book, findings);
    let (came, back) = (came(book), given_back(book));
    for (order, lives) in of_orders {
        let came = came.get(account_of(order).as_str()).copied().unwrap_or_default();
        let back = back.get(order).map(Vec::as_slice).unwrap_or_default();
        for asked in &lives {
            let found = lives.iter().filter(|other| other.lives_at(asked.from)).map(|other| other.fen).sum();
            let before = back.iter().filter(|(entry, _)| *entry < asked.from);
            let most = came - before.map(|(_, fen)| fen).sum::<i128>();
            if found > most {
                let violation = Violation::TooMuch { what: "sum of invoices", found, most };
                findings.add(Rule::Money, "invoice", asked.id, violation);
            }
        }
    }
}

/// Each order keeps what stands on its invoices that are asked for or issued: what must be taken back is found by it.
fn sums(book: &Book, findings: &mut Findings) {
    let mut sums: BTreeMap<&str, i128> = BTreeMap::new();
    for known in book.invoices.values().filter(|known| matches!(&*known.state, "requested" | "issued")) {
        *sums.entry(&known.fee_order).or_default() += i128::from(known.amount_fen);
    }
    for (id, order) in &book.orders {
        let expected = sums.get(id.as_str()).copied().unwrap_or_default();
        let place: Place<'_> = (Rule::Money, "fee_order", id);
        findings.compare(place, "invoiced_fen", (i128::from(order.invoiced_fen), expected));
    }
}

fn one(book: &Book, id: &String, known: &Invoice, findings: &mut Findings) {
    let place: Place<'_> = (Rule::Money, "invoice", id);
    match book.orders.get(&known.fee_order) {
        Some(order) => findings.compare(place, "payer", (known.payer.as_str(), order.payer.as_str())),
        None => {
            let missing = Violation::ReferenceMissing { table: "fee_order", id: known.fee_order.clone() };
            findings.add(Rule::Money, "invoice", id, missing);
        }
    }
    if known.amount_fen <= 0 {
        findings.add(Rule::Money, "invoice", id, Violation::NotPositive { fen: known.amount_fen });
    }
    if known.requested_at > known.due_at {
        let (found, most) = (i128::from(known.requested_at), i128::from(known.due_at));
        findings.add(Rule::Money, "invoice", id, Violation::TooMuch { what: "requested_at", found, most });
    }
    let numbers = (known.number.is_some(), known.red_number.is_some());
    let fits = match known.state.as_str() {
        "requested" | "refused" => numbers == (false, false),
        "issued" => numbers == (true, false),
        "red-lettered" => numbers == (true, true),
        _ => false,
    };
    // Only what a person left is erased, and nothing that must still be written.
    let erased = known.erased_at.is_some();
    let erasable = known.state != "requested" && known.payer.starts_with("agent:");
    if !fits || (erased && !erasable) {
        let state = known.state.clone();
        findings.add(Rule::Money, "invoice", id, Violation::SumsAndState { state });
    }
}

/// One that is in no entry was asked for after all others.
fn life<'a>(book: &'a Book, id: &'a str, known: &Invoice) -> Life<'a> {
    let from = book.log.events(id, Action::RequestInvoice).next().map_or(i64::MAX, |event| event.id);
    let ended = matches!(known.state.as_str(), "refused" | "red-lettered");
    let end = book.log.events(id, Action::IssueInvoice).last().filter(|_| ended);
    Life { id, fen: i128::from(known.amount_fen), from, until: end.map(|event| event.id) }
}

impl Life<'_> {
    fn lives_at(&self, entry: i64) -> bool {
        self.from <= entry && self.until.is_none_or(|until| until > entry)
    }
}

/// What came onto each order's account, whatever left it later.
fn came(book: &Book) -> BTreeMap<&str, i128> {
    let mut came: BTreeMap<&str, i128> = BTreeMap::new();
    for posting in book.postings.values().filter(|posting| matches!(&*posting.reason, "payment" | "draw")) {
        *came.entry(&posting.credit).or_default() += i128::from(posting.amount_fen);
    }
    came
}

/// What two persons gave back of each order, and when, in numbers of entries.
fn given_back(book: &Book) -> BTreeMap<&str, Vec<(i64, i128)>> {
    let mut back: BTreeMap<&str, Vec<(i64, i128)>> = BTreeMap::new();
    for (id, known) in book.adjustments.iter().filter(|(_, known)| known.kind == "refund") {
        let Some(charge) = book.charges.get(&known.application) else { continue };
        let approved = matches!(known.state.as_str(), "approved" | "paid-out");
        let entry = book.log.events(id, Action::DecideAdjustment).next().filter(|_| approved);
        if let Some(entry) = entry {
            back.entry(&charge.fee_order).or_default().push((entry.id, i128::from(known.amount_fen)));
        }
    }
    back
}
