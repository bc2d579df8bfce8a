//! I9: what is due, what was paid, what two persons decided, and the book agree, in fen.
//!
//! Everything is added up anew from the postings: sums that the database keeps are compared, never believed.

use std::collections::BTreeMap;

use crate::{
    Rule, Violation,
    book::Book,
    report::{Findings, Place},
    row::{Charge, FeeOrder},
};

/// What the book says, by cause and by account.
#[derive(Default)]
struct Sums<'a> {
    /// Credited less debited, by account.
    balances: BTreeMap<&'a str, i128>,
    /// Moved, by reason, cause and debited account.
    moved: BTreeMap<(&'a str, &'a str, &'a str), i128>,
    /// What came onto an order from its payer and stayed there until something was handed over.
    received: BTreeMap<&'a str, i128>,
}

pub(super) fn check(book: &Book, findings: &mut Findings) {
    let sums = add_up(book);
    accounts(book, &sums, findings);
    payments(book, &sums, findings);
    online(book, findings);
    orders(book, &sums, findings);
    adjustments(book, &sums, findings);
    applications(book, findings);
    for (serial, certificate) in book.certificates.iter().filter(|(_, known)| known.row.unit.is_some()) {
        let application = certificate.row.application.as_deref();
        if !application.is_some_and(|application| is_settled(book, application)) {
            findings.add(Rule::Money, "certificate", serial, Violation::Unpaid);
        }
    }
}

fn add_up(book: &Book) -> Sums<'_> {
    let mut sums = Sums::default();
    for posting in book.postings.values() {
        let amount = i128::from(posting.amount_fen);
        let (debit, credit) = (posting.debit.as_str(), posting.credit.as_str());
        *sums.balances.entry(debit).or_default() -= amount;
        *sums.balances.entry(credit).or_default() += amount;
        *sums.moved.entry((&posting.reason, &posting.cause, debit)).or_default() += amount;
        match posting.reason.as_str() {
            "payment" | "draw" => {
                if let Some(order) = credit.strip_prefix("order:") {
                    *sums.received.entry(order).or_default() += amount;
                }
            }
            "cancel" => {
                if let Some(order) = debit.strip_prefix("order:").filter(|_| credit != "waiver") {
                    *sums.received.entry(order).or_default() -= amount;
                }
            }
            _ => {}
        }
    }
    sums
}

/// Accounts of payers and orders: as the database keeps them, and never below nothing.
fn accounts(book: &Book, sums: &Sums<'_>, findings: &mut Findings) {
    let owned =
        |name: &str| ["unit:", "agent:", "order:", "arrears-"].iter().any(|prefix| name.starts_with(prefix));
    for (name, balance) in sums.balances.iter().filter(|(name, _)| owned(name)) {
        let kept = book.ledger_accounts.get(*name).map(|row| i128::from(row.balance_fen));
        let place: Place<'_> = (Rule::Money, "ledger_account", name);
        findings.compare(place, "balance_fen", (kept.unwrap_or_default(), *balance));
        if *balance < 0 && !name.starts_with("arrears-") {
            findings.add(Rule::Money, "ledger_account", name, Violation::Overdrawn { fen: *balance });
        }
    }
    for (name, row) in &book.ledger_accounts {
        if !sums.balances.contains_key(name.as_str()) && row.balance_fen != 0 {
            let place: Place<'_> = (Rule::Money, "ledger_account", name);
            findings.compare(place, "balance_fen", (i128::from(row.balance_fen), 0));
        }
    }
}

fn payments(book: &Book, sums: &Sums<'_>, findings: &mut Findings) {
    for (id, payment) in &book.payments {
        let posted = sums.moved.get(&("payment", id.as_str(), payment.method.as_str())).copied();
        let amounts = (posted.unwrap_or_default(), i128::from(payment.amount_fen));
        findings.compare((Rule::Money, "payment", id), "sum of postings", amounts);
        if let Some(order) = payment.fee_order.as_ref().filter(|order| !book.orders.contains_key(*order)) {
            let missing = Violation::ReferenceMissing { table: "fee_order", id: order.clone() };
            findings.add(Rule::Money, "payment", id, missing);
        }
    }
    for (id, posting) in book.postings.iter().filter(|(_, posting)| posting.reason == "payment") {
        if !book.payments.contains_key(&posting.cause) {
            let missing = Violation::ReferenceMissing { table: "payment", id: posting.cause.clone() };
            findings.add(Rule::Money, "posting", id, missing);
        }
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

fn orders(book: &Book, sums: &Sums<'_>, findings: &mut Findings) {
    let mut charges: BTreeMap<&str, Vec<&Charge>> = BTreeMap::new();
    for (id, charge) in &book.charges {
        charges.entry(&charge.fee_order).or_default().push(charge);
        for (table, missing) in [
            ("fee_order", (!book.orders.contains_key(&charge.fee_order)).then_some(&charge.fee_order)),
            ("application", (!book.applications.contains_key(id)).then_some(id)),
        ] {
            if let Some(id) = missing {
                let missing = Violation::ReferenceMissing { table, id: id.clone() };
                findings.add(Rule::Money, "charge", &charge.application, missing);
            }
        }
    }
    for (id, order) in &book.orders {
        let of = charges.get(id.as_str()).map(Vec::as_slice).unwrap_or_default();
        let place: Place<'_> = (Rule::Money, "fee_order", id);
        // What was cancelled is not part of it; what was given back in full still is.
        let counted = || of.iter().filter(|charge| charge.live != 0 || charge.refunded_fen != 0);
        let sum = |fen: fn(&Charge) -> i64| counted().map(|charge| i128::from(fen(charge))).sum::<i128>();
        let (total, waived) = (sum(|charge| charge.total_fen), sum(|charge| charge.waived_fen));
        let refunded = sum(|charge| charge.refunded_fen);
        let received = sums.received.get(id.as_str()).copied().unwrap_or_default();
        findings.compare(place, "total_fen", (i128::from(order.total_fen), total));
        findings.compare(place, "waived_fen", (i128::from(order.waived_fen), waived));
        findings.compare(place, "refunded_fen", (i128::from(order.refunded_fen), refunded));
        findings.compare(place, "received_fen", (i128::from(order.received_fen), received));
        if !fits(order) {
            let state = order.state.clone();
            findings.add(Rule::Money, "fee_order", id, Violation::SumsAndState { state });
        }
        if !order.payer.starts_with("unit:") && !order.payer.starts_with("agent:") {
            let missing = Violation::ReferenceMissing { table: "payer", id: order.payer.clone() };
            findings.add(Rule::Money, "fee_order", id, missing);
        }
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

/// Two persons for every fen that was not asked for or went back, and no more than they decided.
fn adjustments(book: &Book, sums: &Sums<'_>, findings: &mut Findings) {
    let mut decided: BTreeMap<(&str, &str), i128> = BTreeMap::new();
    for (id, known) in &book.adjustments {
        if known.decided_by.as_ref() == Some(&known.requested_by) {
            let person = known.requested_by.clone();
            findings.add(Rule::Money, "adjustment", id, Violation::SamePerson { person });
        }
        let approved = matches!(known.state.as_str(), "approved" | "paid-out");
        if approved {
            let key = (known.application.as_str(), known.kind.as_str());
            *decided.entry(key).or_default() += i128::from(known.amount_fen);
        }
        let out = if known.state == "paid-out" { i128::from(known.amount_fen) } else { 0 };
        let posted = sums.moved.get(&("pay-out", id.as_str(), "payable")).copied().unwrap_or_default();
        let place: Place<'_> = (Rule::Money, "adjustment", id);
        findings.compare(place, "paid out in the book", (posted, out));
        if known.state == "paid-out" && known.into_credit != 0 {
            findings.add(
                Rule::Money,
                "adjustment",
                id,
                Violation::SumsAndState { state: known.state.clone() },
            );
        }
    }
    for (id, charge) in &book.charges {
        let of = |kind| decided.get(&(id.as_str(), kind)).copied().unwrap_or_default();
        let place: Place<'_> = (Rule::Money, "charge", id);
        findings.compare(place, "refunded_fen", (i128::from(charge.refunded_fen), of("refund")));
        // A cancelled charge asks for nothing, whatever was waived of it.
        if charge.live != 0 {
            findings.compare(place, "waived_fen", (i128::from(charge.waived_fen), of("waiver")));
        }
    }
}

/// Applications reach these states through a settled order and never come back.
fn is_due(state: &str) -> bool {
    matches!(state, "paid" | "personalising" | "issued" | "delivered" | "active")
}

/// On an order of which nothing is outstanding. What buys no time may cost nothing; a new certificate or a renewal
/// without a price is a finding whatever the order says.
fn is_settled(book: &Book, application: &str) -> bool {
    let Some(charge) = book.charges.get(application) else { return false };
    let order = book.orders.get(&charge.fee_order);
    let settled = order.is_some_and(|order| matches!(order.state.as_str(), "paid" | "refunded"));
    let kind = book.applications.get(application).map(|known| known.kind.as_str());
    settled && (charge.total_fen > 0 || matches!(kind, Some("rekey" | "replace" | "change" | "unlock")))
}

fn applications(book: &Book, findings: &mut Findings) {
    for (id, application) in &book.applications {
        let charge = book.charges.get(id);
        if is_due(&application.state) && !is_settled(book, id) {
            let state = application.state.clone();
            findings.add(Rule::Money, "application", id, Violation::PaymentMissing { state });
        }
        let Some(charge) = charge else { continue };
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
        let handed_over = matches!(application.state.as_str(), "delivered" | "active");
        let kept = i128::from(charge.total_fen) - i128::from(charge.refunded_fen);
        let earned = if handed_over { kept } else { 0 };
        let place: Place<'_> = (Rule::Money, "charge", id);
        findings.compare(place, "earned_fen", (i128::from(charge.earned_fen), earned));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{CLERK, Export, OFFICER, differs};

    type Found = Vec<(&'static str, String, Violation)>;

    fn changed(table: &str, column: &str, to: Value) -> Found {
        let mut export = Export::clean();
        let row = export.rows_of(table)[0].clone();
        let key = if table == "charge" { "application" } else { "id" };
        let id = row[key].as_str().map_or_else(|| row[key].to_string(), str::to_owned);
        export.change(table, key, &id, column, to);
        export.violations(Rule::Money)
    }

    #[test]
    fn a_certificate_that_nobody_paid() {
        let mut export = Export::clean();
        let application = export.application.clone();
        for (column, to) in [("state", json!("due")), ("received_fen", json!(0))] {
            export.change("fee_order", "id", "01", column, to);
        }
        let found = export.violations(Rule::Money);
        let unpaid = Violation::PaymentMissing { state: "active".to_owned() };
        for expected in [
            ("application", application, unpaid),
            ("certificate", export.serial.clone(), Violation::Unpaid),
            ("fee_order", "01".to_owned(), differs("received_fen", "0", "20000")),
        ] {
            assert!(found.contains(&expected), "{expected:?} in {found:?}");
        }
    }

    #[test]
    fn every_sum_is_added_up_anew() {
        for (table, column, to) in [
            ("payment", "amount_fen", 20_001),
            ("fee_order", "total_fen", 20_001),
            ("fee_order", "waived_fen", 1),
            ("fee_order", "received_fen", 19_999),
            ("fee_order", "refunded_fen", 1),
            ("charge", "total_fen", 19_999),
            ("charge", "waived_fen", 1),
            ("charge", "refunded_fen", 1),
            ("charge", "earned_fen", 0),
            ("charge", "live", 0),
            ("posting", "amount_fen", 20_001),
        ] {
            assert_ne!(changed(table, column, json!(to)), [], "{table}.{column}");
        }
        for (table, column, to) in [
            ("fee_order", "state", "refunded"),
            ("fee_order", "payer", "staff:1"),
            ("payment", "fee_order", "zz"),
            ("payment", "method", "card"),
            ("posting", "reason", "draw"),
            ("posting", "cause", "zz"),
            ("posting", "credit", "suspense"),
            ("charge", "fee_order", "zz"),
            ("application", "payment", "zz"),
        ] {
            assert_ne!(changed(table, column, json!(to)), [], "{table}.{column}");
        }
        let mut export = Export::clean();
        export.change("ledger_account", "name", "order:01", "balance_fen", json!(5));
        let found = export.violations(Rule::Money);
        assert_eq!(found, [("ledger_account", "order:01".to_owned(), differs("balance_fen", "5", "0"))]);
    }

    #[test]
    fn nobody_spends_what_is_not_there() {
        let mut export = Export::clean();
        let unit = format!("unit:{}", export.unit);
        export.add(json!({
            "table": "posting", "id": 9, "reason": "draw", "cause": "01", "debit": unit, "credit": "suspense", "amount_fen": 7,
        }));
        export.change("ledger_account", "name", &unit, "balance_fen", json!(-7));
        let found = export.violations(Rule::Money);
        assert_eq!(found, [("ledger_account", unit, Violation::Overdrawn { fen: -7 })]);
    }

    #[test]
    fn only_what_buys_no_time_is_free() {
        for (kind, clean) in
            [("change", true), ("rekey", true), ("replace", true), ("new", false), ("renew", false)]
        {
            let mut export = Export::clean();
            let (application, payment) = (export.application.clone(), export.payment.clone());
            export.remove("payment", "id", &payment);
            for id in ["1", "2", "3"] {
                export.remove("posting", "id", id);
            }
            for account in [format!("unit:{}", export.unit), "order:01".to_owned()] {
                export.remove("ledger_account", "name", &account);
            }
            for column in ["total_fen", "received_fen"] {
                export.change("fee_order", "id", "01", column, json!(0));
            }
            for column in ["total_fen", "earned_fen"] {
                export.change("charge", "application", &application, column, json!(0));
            }
            export.change("application", "id", &application, "kind", json!(kind));
            assert_eq!(export.violations(Rule::Money).is_empty(), clean, "{kind}");
        }
    }

    #[test]
    fn paid_where_nothing_is_due() {
        for state in ["submitted", "approved", "rejected", "withdrawn"] {
            let mut export = Export::clean();
            let application = export.application.clone();
            export.change("application", "id", &application, "state", json!(state));
            let due = Violation::NotDue { application: application.clone(), state: state.to_owned() };
            let found = export.violations(Rule::Money);
            assert!(found.contains(&("charge", application, due)), "{found:?}");
        }
    }

    /// A gateway's money answers to what was asked of it.
    #[test]
    fn online_payments() {
        let paid = |state: &str, number: Value, amount: i64| {
            let mut export = Export::clean();
            let payment = export.payment.clone();
            for (column, to) in [("method", "online"), ("reference", "pay:T1")] {
                export.change("payment", "id", &payment, column, json!(to));
            }
            export.change("posting", "id", "1", "debit", json!("online"));
            export.add(json!({
                "table": "online_payment", "id": "07", "fee_order": "01", "gateway": "pay", "amount_fen": amount,
                "state": state, "transaction_no": number,
            }));
            (payment, export.violations(Rule::Money))
        };
        assert_eq!(paid("paid", json!("T1"), 20_000).1, []);
        let (payment, found) = paid("paid", json!("T1"), 20_001);
        let not_asked = Violation::NotAsked { reference: "pay:T1".to_owned() };
        assert_eq!(found, [("payment", payment, not_asked)]);
        for (state, number) in [("paid", json!("T2")), ("paid", Value::Null), ("closed", json!("T1"))] {
            let missing = Violation::PaymentMissing { state: state.to_owned() };
            assert_eq!(paid(state, number, 20_000).1, [("online_payment", "07".to_owned(), missing)]);
        }
    }

    /// What two persons decided is what the order and the book say.
    #[test]
    fn waivers_and_refunds() {
        let refund = |state: &str, by: Value| {
            let mut export = Export::clean();
            let application = export.application.clone();
            export.add(json!({
                "table": "adjustment", "id": "07", "kind": "refund", "application": application, "amount_fen": 5_000,
                "into_credit": 0, "requested_by": CLERK, "state": state, "decided_by": by,
            }));
            for (table, key) in [("charge", application.as_str()), ("fee_order", "01")] {
                let column = if table == "charge" { "application" } else { "id" };
                export.change(table, column, key, "refunded_fen", json!(5_000));
            }
            export.change("charge", "application", &application, "earned_fen", json!(15_000));
            let posting = |id: i64, reason: &str, debit: &str, credit: &str| {
                json!({
                    "table": "posting", "id": id, "reason": reason, "cause": "07", "debit": debit, "credit": credit,
                    "amount_fen": 5_000,
                })
            };
            export.add(posting(8, "refund", "revenue:new", "payable"));
            if state == "paid-out" {
                export.add(posting(9, "pay-out", "payable", "cash"));
            }
            export
        };
        for state in ["approved", "paid-out"] {
            assert_eq!(refund(state, json!(OFFICER)).violations(Rule::Money), [], "{state}");
        }
        let alone = refund("approved", json!(CLERK)).violations(Rule::Money);
        let person = CLERK.to_owned();
        assert_eq!(alone, [("adjustment", "07".to_owned(), Violation::SamePerson { person })]);
        assert_ne!(refund("requested", Value::Null).violations(Rule::Money), [], "nobody decided it");
        let mut unpaid = refund("paid-out", json!(OFFICER));
        unpaid.remove("posting", "id", "9");
        let out = differs("paid out in the book", "0", "5000");
        assert_eq!(unpaid.violations(Rule::Money), [("adjustment", "07".to_owned(), out)]);
    }
}
