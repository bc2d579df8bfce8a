//! 发票: over money that was there, each under numbers of its own.
//!
//! Money may go back after it was invoiced; then something is to be taken back by a red-letter invoice, and that alone is
//! no finding. So each invoice is judged by what was there when it was asked for: all that came onto its order, less what
//! two persons had given back before, less the other invoices of that moment.

use std::collections::{BTreeMap, BTreeSet};

use super::ledger::{Ledger, account_of};
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

pub(super) fn check(ledger: &Ledger<'_>, findings: &mut Findings) {
    let book = ledger.book;
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
    let (came, back) = (came(book), given_back(book));
    for (order, lives) in of_orders {
        let came = came.get(account_of(order).as_str()).copied().unwrap_or_default();
        let back = back.get(order).map(Vec::as_slice).unwrap_or_default();
        for asked in &lives {
            let live = lives.iter().filter(|other| other.lives_at(asked.from));
            let found = live.map(|other| other.fen).sum();
            let before = back.iter().filter(|(entry, _)| *entry < asked.from);
            let most = came - before.map(|(_, fen)| fen).sum::<i128>();
            if found > most {
                let violation = Violation::TooMuch { what: "sum of invoices of the order", found, most };
                findings.add(Rule::Money, "invoice", asked.id, violation);
            }
        }
    }
    files(book, findings);
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
    let (number, red) = (known.number.is_some(), known.red_number.is_some());
    let fits = match known.state.as_str() {
        "requested" | "refused" => !number && !red && known.file_sha256.is_none(),
        "issued" => number && !red,
        "red-lettered" => number && red,
        _ => false,
    };
    if !fits {
        let state = known.state.clone();
        findings.add(Rule::Money, "invoice", id, Violation::SumsAndState { state });
    }
}

fn life<'a>(book: &'a Book, id: &'a str, known: &Invoice) -> Life<'a> {
    let asked = book.log.events(id, Action::RequestInvoice).next().map_or(i64::MAX, |event| event.id);
    let mut steps = book.log.events(id, Action::IssueInvoice);
    let end = steps.find(|event| matches!(event.fact.as_deref(), Some("refused" | "red-lettered")));
    Life { id, fen: i128::from(known.amount_fen), from: asked, until: end.map(|event| event.id) }
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
    let approved = |state: &str| matches!(state, "approved" | "paid-out");
    for (id, known) in &book.adjustments {
        let Some(charge) = book.charges.get(&known.application) else { continue };
        let entry = book.log.events(id, Action::DecideAdjustment).next();
        if let Some(entry) = entry.filter(|_| known.kind == "refund" && approved(&known.state)) {
            back.entry(&charge.fee_order).or_default().push((entry.id, i128::from(known.amount_fen)));
        }
    }
    back
}

/// A file is that of its invoice; an invoice whose file was erased keeps the digest.
fn files(book: &Book, findings: &mut Findings) {
    for (id, sha256) in &book.invoice_files {
        match book.invoices.get(id) {
            Some(known) => {
                let expected = known.file_sha256.as_deref().unwrap_or("NULL");
                let place: Place<'_> = (Rule::Money, "invoice_file", id);
                findings.compare(place, "sha256", (sha256.as_str(), expected));
            }
            None => {
                let missing = Violation::ReferenceMissing { table: "invoice", id: id.clone() };
                findings.add(Rule::Money, "invoice_file", id, missing);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{
        Rule, Violation,
        testing::{Export, differs},
    };

    const FIRST: Option<&str> = Some("10000001");
    const RED: Option<&str> = Some("10000002");

    /// Of 200 yuan, 50 are asked for and 100 are invoiced; 70 were, and were taken back.
    fn books() -> Export {
        let mut export = Export::clean();
        export.add_invoice("i-taken", "01", ("red-lettered", 7_000), [Some("10000003"), Some("10000004")]);
        export.add_invoice("i-issued", "01", ("issued", 10_000), [FIRST, None]);
        export.add_invoice("i-asked", "01", ("requested", 5_000), [None, None]);
        export.add_invoice("i-refused", "01", ("refused", 5_000), [None, None]);
        export.add_file("i-issued");
        assert_eq!(export.violations(Rule::Money), []);
        export
    }

    fn changed(column: &str, to: Value) -> Vec<(&'static str, String, Violation)> {
        let mut export = books();
        export.change("invoice", "id", "i-issued", column, to);
        export.violations(Rule::Money)
    }

    fn of(id: &str, violation: Violation) -> (&'static str, String, Violation) {
        ("invoice", id.to_owned(), violation)
    }

    fn too_much(found: i128, most: i128) -> Violation {
        Violation::TooMuch { what: "sum of invoices of the order", found, most }
    }

    #[test]
    fn one_thing_changed() {
        let payer = Export::clean().payer();
        assert_eq!(changed("payer", json!("agent:9")), [of("i-issued", differs("payer", "agent:9", &payer))]);
        let missing = Violation::ReferenceMissing { table: "fee_order", id: "zz".to_owned() };
        assert_eq!(changed("fee_order", json!("zz"))[0], of("i-issued", missing));
        assert_eq!(
            changed("amount_fen", json!(0)),
            [of("i-issued", Violation::NotPositive { fen: 0 })],
            "nothing"
        );
        let late = Violation::TooMuch { what: "requested_at", found: 1, most: 0 };
        assert_eq!(changed("due_at", json!(0)), [of("i-issued", late)]);
        for state in ["requested", "refused", "red-lettered", "lost"] {
            let fits = Violation::SumsAndState { state: state.to_owned() };
            assert_eq!(changed("state", json!(state)), [of("i-issued", fits)]);
        }
        // The later of two keys is the second.
        for number in ["10000003", "10000004"] {
            assert_eq!(changed("number", json!(number)), [of("i-taken", Violation::Twice)], "{number}");
        }
        let file = vec![("invoice_file", "i-issued".to_owned(), differs("sha256", "f1", "ff"))];
        assert_eq!(changed("file_sha256", json!("ff")), file);
        let mut export = books();
        export.change("invoice_file", "invoice", "i-issued", "invoice", json!("zz"));
        let missing = Violation::ReferenceMissing { table: "invoice", id: "zz".to_owned() };
        assert_eq!(export.violations(Rule::Money), [("invoice_file", "zz".to_owned(), missing)]);
    }

    #[test]
    fn more_than_was_paid() {
        let mut export = books();
        export.add_invoice("i-rest", "01", ("requested", 5_000), [None, None]);
        assert_eq!(export.violations(Rule::Money), [], "to the fen");
        export.add_invoice("i-more", "01", ("issued", 1), [RED, None]);
        assert_eq!(export.violations(Rule::Money), [of("i-more", too_much(20_001, 20_000))]);
        // One that is not in the log was asked for after all others.
        export.remove_entry("request-invoice", "i-rest");
        let found = export.violations(Rule::Money);
        assert_eq!(found, [of("i-rest", too_much(20_001, 20_000))], "{found:?}");
    }

    #[test]
    fn money_that_goes_back_later_is_no_finding() {
        let mut export = books();
        export.refund("r", 0, ("paid-out", 16_000));
        assert_eq!(export.violations(Rule::Money), []);
        // Asked for afterwards, what went back is not there.
        export.add_invoice("i-late", "01", ("requested", 1), [None, None]);
        assert_eq!(export.violations(Rule::Money), [of("i-late", too_much(15_001, 4_000))]);
    }
}
