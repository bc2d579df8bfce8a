//! Who decided about money stands in the log, as often as the rows and the book say.

use std::collections::{BTreeMap, BTreeSet};

use super::{another_amount, once, times};
use crate::{
    Rule, Violation,
    book::Book,
    log::{Action, Event},
    report::Findings,
};

pub(super) fn check(book: &Book, findings: &mut Findings) {
    adjustments(book, findings);
    chargebacks(book, findings);
    shifts(book, findings);
    invoices(book, findings);
    assignments(book, findings);
    spent(book, findings);
    collections(book, findings);
}

fn adjustments(book: &Book, findings: &mut Findings) {
    for (id, known) in &book.adjustments {
        let state = known.state.as_str();
        let (out, approved) = (state == "paid-out", matches!(state, "approved" | "paid-out"));
        for (action, expected, names_amount) in [
            // Who takes it back says so under the same name.
            (Action::RequestAdjustment, 1 + usize::from(state == "withdrawn"), true),
            (Action::DecideAdjustment, usize::from(approved || state == "rejected"), approved),
            (Action::PayOutRefund, usize::from(out), out),
        ] {
            times(&book.log, ("adjustment", id), (action, expected), findings);
            if names_amount {
                let amount = known.amount_fen;
                amounts(book.log.events(id, action), ("adjustment", id), amount, findings);
            }
        }
        for event in book.log.events(id, Action::RequestAdjustment) {
            by(event, ("adjustment", id), ("requested_by", Some(&known.requested_by)), findings);
        }
        // Whom the row names is I9's.
        for event in book.log.events(id, Action::DecideAdjustment).filter(|_| known.decided_by.is_none()) {
            by(event, ("adjustment", id), ("decided_by", None), findings);
        }
    }
}

fn chargebacks(book: &Book, findings: &mut Findings) {
    for (id, known) in &book.chargebacks {
        let settled = usize::from(known.settlement.is_some());
        for (action, expected) in [(Action::RecordChargeback, 1), (Action::SettleChargeback, settled)] {
            let place = ("chargeback", id.as_str());
            times(&book.log, place, (action, expected), findings);
            amounts(book.log.events(id, action), place, known.amount_fen, findings);
        }
    }
}

/// Asked for once; written, refused or taken back as often as its state says, and once more when its file came.
fn invoices(book: &Book, findings: &mut Findings) {
    for (id, known) in &book.invoices {
        let place = ("invoice", id.as_str());
        once(&book.log, place, Action::RequestInvoice, findings);
        let count = book.log.count(id, Action::IssueInvoice);
        let expected = match known.state.as_str() {
            "requested" => 0..=0,
            "refused" => 1..=1,
            "issued" => 1..=2,
            _ => 2..=3,
        };
        if !expected.contains(&count) {
            times(&book.log, place, (Action::IssueInvoice, *expected.start()), findings);
        }
        for action in [Action::RequestInvoice, Action::IssueInvoice] {
            amounts(book.log.events(id, action), place, known.amount_fen, findings);
        }
    }
}

/// A counter's day was closed at least once; as often as it was opened again, somebody asked and another agreed.
fn shifts(book: &Book, findings: &mut Findings) {
    for (id, known) in &book.shifts {
        let place = ("shift", id.as_str());
        let count = |action| book.log.count(id, action);
        let reopened = usize::from(known.state == "reopened");
        for (action, least) in [
            (Action::CloseShift, 1),
            (Action::RequestReopen, usize::from(known.requested_by.is_some())),
            (Action::DecideReopen, reopened),
        ] {
            if count(action) < least {
                times(&book.log, place, (action, least), findings);
            }
        }
        let last = |action| book.log.events(id, action).last().and_then(|event| event.by.as_deref());
        let (asked, agreed) = (last(Action::RequestReopen), last(Action::DecideReopen));
        let same = known.decided_by.is_some() && known.decided_by == known.requested_by;
        if same || (asked.is_some() && asked == agreed) {
            let person = known.decided_by.clone().or(agreed.map(str::to_owned)).unwrap_or_default();
            findings.add(Rule::TwoPersons, "shift", id, Violation::SamePerson { person });
        }
    }
}

fn assignments(book: &Book, findings: &mut Findings) {
    for (id, line) in &book.bank_lines {
        let (place, action) = (("bank_line", id.as_str()), Action::AssignMoney);
        times(&book.log, place, (action, usize::from(line.state == "assigned")), findings);
        amounts(book.log.events(id, action), place, line.amount_fen, findings);
        for event in book.log.events(id, action) {
            by(event, place, ("assigned_by", line.assigned_by.as_ref()), findings);
        }
    }
}

/// Credit that was spent on an order because somebody asked for it.
fn spent(book: &Book, findings: &mut Findings) {
    let mut drawn: BTreeMap<&str, (usize, i128)> = BTreeMap::new();
    for posting in book.postings.values().filter(|posting| posting.reason == "draw") {
        let (count, fen) = drawn.entry(&posting.cause).or_default();
        *count += 1;
        *fen += i128::from(posting.amount_fen);
    }
    for id in book.orders.keys() {
        let (count, fen) = drawn.get(id.as_str()).copied().unwrap_or_default();
        times(&book.log, ("fee_order", id), (Action::SpendCredit, count), findings);
        let logged = book.log.events(id, Action::SpendCredit).filter_map(|event| event.fact.as_deref());
        let logged: i128 = logged.filter_map(|amount| amount.parse::<i128>().ok()).sum();
        if book.log.count(id, Action::SpendCredit) == count {
            findings.compare((Rule::LogEntry, "fee_order", id), "amount in the log", (logged, fen));
        }
    }
}

/// Each order that was made of others: every order starts with one charge.
fn collections(book: &Book, findings: &mut Findings) {
    let mut charges: BTreeMap<&str, usize> = BTreeMap::new();
    for charge in book.charges.values() {
        *charges.entry(&charge.fee_order).or_default() += 1;
    }
    let collects = || book.postings.iter().filter(|(_, posting)| posting.reason == "collect");
    let mut made: BTreeSet<&str> = collects().map(|(_, posting)| posting.cause.as_str()).collect();
    made.extend(charges.into_iter().filter(|(_, count)| *count > 1).map(|(order, _)| order));
    let mut named: BTreeSet<(&str, &str)> = BTreeSet::new();
    for new in made {
        once(&book.log, ("fee_order", new), Action::CollectOrders, findings);
        for event in book.log.events(new, Action::CollectOrders) {
            named.extend(event.fact.iter().flat_map(|orders| orders.split(' ')).map(|old| (new, old)));
        }
    }
    for (id, posting) in collects() {
        let (new, old) = (posting.cause.as_str(), posting.debit.trim_start_matches("order:"));
        if book.log.count(new, Action::CollectOrders) > 0 && !named.contains(&(new, old)) {
            let violation = Violation::NotNamed { action: Action::CollectOrders.name(), id: old.to_owned() };
            findings.add(Rule::LogEntry, "posting", id, violation);
        }
    }
}

/// An entry that withdraws or rejects names no amount.
fn amounts<'a>(
    events: impl Iterator<Item = &'a Event>,
    (table, id): (&'static str, &str),
    amount: i64,
    findings: &mut Findings,
) {
    let (events, amount): (Vec<&Event>, String) = (events.collect(), amount.to_string());
    let named = |event: &&&Event| event.fact.is_some();
    let wrong = match events.iter().any(|event| named(&event)) {
        true => events.iter().filter(named).find(|event| event.fact.as_deref() != Some(&amount)),
        false => events.first(),
    };
    if let Some(event) = wrong {
        findings.add(Rule::LogEntry, table, id, another_amount(event, amount));
    }
}

fn by(
    event: &Event,
    (table, id): (&'static str, &str),
    (column, person): (&'static str, Option<&String>),
    findings: &mut Findings,
) {
    let expected = person.map_or_else(|| "NULL".to_owned(), |person| format!("staff:{person}"));
    let found = event.by.as_deref().unwrap_or("NULL").to_owned();
    findings.compare((Rule::LogEntry, table, &id), column, (found, expected));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        Rule, Violation,
        testing::{CLERK, Export, OFFICER, differs},
    };

    /// A refund that was paid out, an assigned line, spent credit, and two orders that became one.
    fn books() -> Export {
        let mut export = Export::clean();
        let payer = export.payer();
        export.refund("r", 0, ("paid-out", 1_000));
        export.add_unmatched("l", "p", 900);
        export.assign("l", "01");
        export.add_order("new", "part-paid", [40_000, 500, 800, 0]);
        for application in ["a1", "a2"] {
            export.add_charge(application, ("new", "approved", 1), [20_000, 0, 0, 0]);
        }
        export.post(("collect", "new"), ("order:old", "order:new"), 500);
        export.log("collect-orders", "new", json!({ "orders": "old other" }));
        for fen in [300, 500] {
            export.post(("draw", "new"), (&payer, "order:new"), fen);
            export.log("spend-credit", "new", json!({ "amount": fen.to_string() }));
        }
        assert_eq!(export.violations(Rule::LogEntry), []);
        export
    }

    const ENTRIES: [(&str, &str, &str, usize); 6] = [
        ("adjustment", "r", "request-adjustment", 1),
        ("adjustment", "r", "decide-adjustment", 1),
        ("adjustment", "r", "pay-out-refund", 1),
        ("bank_line", "l", "assign-money", 1),
        ("fee_order", "new", "collect-orders", 1),
        ("fee_order", "new", "spend-credit", 2),
    ];

    #[test]
    fn each_stands_there_as_often_as_it_was_done() {
        for (table, id, action, expected) in ENTRIES {
            let mut export = books();
            export.log(action, id, json!({ "amount": "1000", "orders": "old" }));
            let found = export.violations(Rule::LogEntry);
            let count = expected + 1;
            let found = found
                .iter()
                .find(|(.., violation)| *violation == Violation::EntryRepeated { action, count, expected });
            assert_eq!(found.map(|(table, id, _)| (*table, id.as_str())), Some((table, id)), "{action}");
            let mut export = books();
            for _ in 0..expected {
                export.remove_entry(action, id);
            }
            let missing = Violation::EntryMissing { action };
            assert_eq!(export.violations(Rule::LogEntry), [(table, id.to_owned(), missing)]);
        }
    }

    #[test]
    fn nothing_was_done_that_the_log_says() {
        let mut export = books();
        export.log("assign-money", "l", json!({ "amount": "900" }));
        export.change("bank_line", "id", "l", "state", json!("unmatched"));
        let twice = Violation::EntryRepeated { action: "assign-money", count: 2, expected: 0 };
        assert!(export.violations(Rule::LogEntry).contains(&("bank_line", "l".to_owned(), twice)));
        let mut export = books();
        export.change("adjustment", "id", "r", "state", json!("withdrawn"));
        let found = export.violations(Rule::LogEntry);
        for violation in [
            Violation::EntryRepeated { action: "request-adjustment", count: 1, expected: 2 },
            Violation::EntryRepeated { action: "decide-adjustment", count: 1, expected: 0 },
            Violation::EntryRepeated { action: "pay-out-refund", count: 1, expected: 0 },
        ] {
            assert!(found.contains(&("adjustment", "r".to_owned(), violation)), "{found:?}");
        }
    }

    #[test]
    fn another_amount() {
        for (table, id, action, expected) in ENTRIES.into_iter().filter(|entry| entry.2 != "collect-orders") {
            let mut export = books();
            export.change_entry(action, id, "detail", json!({ "amount": "1" }));
            let (found, amount) = match action {
                "spend-credit" => ("501", "800"),
                "assign-money" => ("1", "900"),
                _ => ("1", "1000"),
            };
            let differs = differs("amount in the log", found, amount);
            assert_eq!(export.violations(Rule::LogEntry), [(table, id.to_owned(), differs)], "{expected}");
        }
        let mut export = books();
        export.change_entry("request-adjustment", "r", "detail", json!({}));
        let none = differs("amount in the log", "NULL", "1000");
        assert_eq!(export.violations(Rule::LogEntry), [("adjustment", "r".to_owned(), none)]);
    }

    #[test]
    fn another_person() {
        let staff = |person: &str| format!("staff:{person}");
        for (table, id, column, action) in [
            ("adjustment", "r", "requested_by", "request-adjustment"),
            ("bank_line", "l", "assigned_by", "assign-money"),
        ] {
            let mut export = books();
            export.change_entry(action, id, "actor", json!(staff(OFFICER)));
            let other = differs(column, &staff(OFFICER), &staff(CLERK));
            assert_eq!(export.violations(Rule::LogEntry), [(table, id.to_owned(), other)]);
        }
    }

    #[test]
    fn a_row_that_names_nobody() {
        let mut export = books();
        export.change("adjustment", "id", "r", "decided_by", json!(null));
        let nobody = differs("decided_by", &format!("staff:{OFFICER}"), "NULL");
        assert_eq!(export.violations(Rule::LogEntry), [("adjustment", "r".to_owned(), nobody)]);
    }

    #[test]
    fn an_order_that_the_collection_does_not_name() {
        let mut export = books();
        export.change_entry("collect-orders", "new", "detail", json!({ "orders": "other" }));
        let posting = export.row("posting", "reason", "collect")["id"].to_string();
        let not_named = Violation::NotNamed { action: "collect-orders", id: "old".to_owned() };
        assert_eq!(export.violations(Rule::LogEntry), [("posting", posting, not_named)]);
    }
}
