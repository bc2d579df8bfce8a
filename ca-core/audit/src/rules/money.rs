//! I9: what is due, what was paid and the postings agree, in fen.

use std::collections::BTreeMap;

use crate::{
    Rule, Violation,
    book::Book,
    report::{Findings, Place},
    row::Payment,
};

/// Payments by application.
type Paid<'a> = BTreeMap<&'a str, Vec<&'a Payment>>;

pub(super) fn check(book: &Book, findings: &mut Findings) {
    let paid = payments(book, findings);
    applications(book, &paid, findings);
    postings(book, findings);
    for (serial, certificate) in book.certificates.iter().filter(|(_, known)| known.row.unit.is_some()) {
        let application = certificate.row.application.as_deref();
        if !application
            .is_some_and(|application| paid.contains_key(application) || is_free(book, application))
        {
            findings.add(Rule::Money, "certificate", serial, Violation::Unpaid);
        }
    }
}

fn payments<'a>(book: &'a Book, findings: &mut Findings) -> Paid<'a> {
    let mut paid = Paid::new();
    for (id, payment) in &book.payments {
        let Some(order) = book.orders.get(&payment.fee_order) else {
            let missing = Violation::ReferenceMissing { table: "fee_order", id: payment.fee_order.clone() };
            findings.add(Rule::Money, "payment", id, missing);
            continue;
        };
        let row: Place<'_> = (Rule::Money, "payment", id);
        findings.compare(row, "amount_fen", (payment.amount_fen, order.total_fen));
        match book.applications.get(&order.application) {
            Some(known) if is_due(&known.state) => {}
            Some(known) => {
                let (application, state) = (known.id.clone(), known.state.clone());
                findings.add(Rule::Money, "payment", id, Violation::NotDue { application, state });
            }
            None => {
                let missing =
                    Violation::ReferenceMissing { table: "application", id: order.application.clone() };
                findings.add(Rule::Money, "payment", id, missing);
            }
        }
        paid.entry(&order.application).or_default().push(payment);
    }
    paid
}

/// Applications reach these states through a payment and never come back; a withdrawal is possible only before it.
fn is_due(state: &str) -> bool {
    matches!(state, "paid" | "personalising" | "issued" | "delivered" | "active")
}

/// What buys no time may cost nothing; a new certificate or a renewal without a payment is a finding whatever the order
/// says.
fn is_free(book: &Book, application: &str) -> bool {
    let kind = book.applications.get(application).map(|known| known.kind.as_str());
    let due = book.orders.values().any(|order| order.application == application && order.total_fen != 0);
    matches!(kind, Some("rekey" | "replace" | "change" | "unlock")) && !due
}

fn applications(book: &Book, paid: &Paid<'_>, findings: &mut Findings) {
    for (id, application) in book.applications.iter().filter(|(_, known)| is_due(&known.state)) {
        match paid.get(id.as_str()).map(Vec::as_slice) {
            None | Some([]) if is_free(book, id) => {}
            None | Some([]) => {
                let state = application.state.clone();
                findings.add(Rule::Money, "application", id, Violation::PaymentMissing { state });
            }
            Some([payment]) => {
                if let Some(named) = &application.payment {
                    findings.compare((Rule::Money, "application", id), "payment", (named, &payment.id));
                }
            }
            Some([first, second, ..]) => {
                let (first, second) = (first.id.clone(), second.id.clone());
                findings.add(Rule::Money, "application", id, Violation::PaidTwice { first, second });
            }
        }
    }
}

fn postings(book: &Book, findings: &mut Findings) {
    let mut posted: BTreeMap<&str, i128> = BTreeMap::new();
    for (id, posting) in &book.postings {
        *posted.entry(&posting.payment).or_default() += i128::from(posting.amount_fen);
        if !book.payments.contains_key(&posting.payment) {
            let missing = Violation::ReferenceMissing { table: "payment", id: posting.payment.clone() };
            findings.add(Rule::Money, "posting", id, missing);
        }
    }
    for (id, payment) in &book.payments {
        let sum = posted.get(id.as_str()).copied().unwrap_or_default();
        findings.compare(
            (Rule::Money, "payment", id),
            "sum of postings",
            (sum, i128::from(payment.amount_fen)),
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{Export, differs};

    #[test]
    fn a_certificate_that_nobody_paid() {
        let mut export = Export::clean();
        let (application, payment) = (export.application.clone(), export.payment.clone());
        export.remove("payment", "id", &payment);
        export.remove("posting", "payment", &payment);
        assert_eq!(
            export.violations(Rule::Money),
            [
                ("application", application, Violation::PaymentMissing { state: "active".to_owned() }),
                ("certificate", export.serial.clone(), Violation::Unpaid),
            ]
        );
    }

    #[test]
    fn an_amount_that_is_not_due_or_not_posted() {
        let mut export = Export::clean();
        let payment = export.payment.clone();
        export.change("payment", "id", &payment, "amount_fen", json!(20_001));
        assert_eq!(
            export.violations(Rule::Money),
            [
                ("payment", payment.clone(), differs("amount_fen", "20001", "20000")),
                ("payment", payment.clone(), differs("sum of postings", "20000", "20001")),
            ]
        );
        let mut export = Export::clean();
        let mut posting = export.row("posting", "payment", &payment);
        posting["id"] = json!(9);
        export.add(posting);
        let found = export.violations(Rule::Money);
        assert_eq!(found, [("payment", payment, differs("sum of postings", "40000", "20000"))]);
    }

    #[test]
    fn only_what_buys_no_time_is_free() {
        for (kind, total, clean) in [
            ("change", 0, true),
            ("rekey", 0, true),
            ("new", 0, false),
            ("renew", 0, false),
            ("replace", 5_000, false),
        ] {
            let mut export = Export::clean();
            let (application, payment) = (export.application.clone(), export.payment.clone());
            export.remove("payment", "id", &payment);
            export.remove("posting", "payment", &payment);
            export.change("application", "id", &application, "kind", json!(kind));
            export.change("fee_order", "id", "01", "total_fen", json!(total));
            assert_eq!(export.violations(Rule::Money).is_empty(), clean, "{kind} {total}");
        }
    }

    #[test]
    fn paid_twice() {
        let mut export = Export::clean();
        let (payment, application) = (export.payment.clone(), export.application.clone());
        for (table, column) in [("payment", "id"), ("posting", "payment")] {
            let mut row = export.row(table, column, &payment);
            row["id"] = if table == "payment" { json!("zz") } else { json!(9) };
            row[column] = json!("zz");
            export.add(row);
        }
        let twice = Violation::PaidTwice { first: payment, second: "zz".to_owned() };
        assert_eq!(export.violations(Rule::Money), [("application", application, twice)]);
    }

    #[test]
    fn paid_where_nothing_is_due() {
        for state in ["submitted", "approved", "rejected", "withdrawn"] {
            let mut export = Export::clean();
            let application = export.application.clone();
            export.change("application", "id", &application, "state", json!(state));
            let due = Violation::NotDue { application, state: state.to_owned() };
            assert_eq!(export.violations(Rule::Money), [("payment", export.payment.clone(), due)]);
        }
    }

    #[test]
    fn an_application_that_names_another_payment() {
        let mut export = Export::clean();
        let application = export.application.clone();
        export.change("application", "id", &application, "payment", json!("zz"));
        let found = export.violations(Rule::Money);
        assert_eq!(found, [("application", application, differs("payment", "zz", &export.payment))]);
    }

    #[test]
    fn orders_and_payments_that_do_not_exist() {
        let mut export = Export::clean();
        let (payment, application) = (export.payment.clone(), export.application.clone());
        export.change("payment", "id", &payment, "fee_order", json!("zz"));
        export.change("posting", "payment", &payment, "payment", json!("zz"));
        let found = export.violations(Rule::Money);
        let missing = |table| Violation::ReferenceMissing { table, id: "zz".to_owned() };
        assert!(found.contains(&("payment", payment, missing("fee_order"))), "{found:?}");
        assert!(found.contains(&("posting", "1".to_owned(), missing("payment"))), "{found:?}");
        let unpaid = Violation::PaymentMissing { state: "active".to_owned() };
        assert!(found.contains(&("application", application, unpaid)), "{found:?}");
    }
}
