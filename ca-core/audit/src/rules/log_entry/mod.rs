//! I4: every state change stands in the log, and what the log says was done exists.

mod bank_return;
mod money;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Rule, Violation,
    book::Book,
    log::{Action, Event, Log},
    octets::Octets,
    report::Findings,
};

pub(super) fn check(book: &Book, findings: &mut Findings) {
    for serial in book.intents.keys() {
        once(&book.log, ("intent", &serial.to_string()), Action::RecordIntent, findings);
    }
    for serial in book.certificates.keys() {
        once(&book.log, ("certificate", &serial.to_string()), Action::IssueCertificate, findings);
    }
    statuses(book, findings);
    payments(book, findings);
    money::check(book, findings);
    bank_return::check(book, findings);
    applications(book, findings);
    records(book, findings);
}

fn once(log: &Log, place: (&'static str, &str), action: Action, findings: &mut Findings) {
    times(log, place, (action, 1), findings);
}

fn times(
    log: &Log,
    (table, object): (&'static str, &str),
    (action, expected): (Action, usize),
    findings: &mut Findings,
) {
    let (count, name) = (log.count(object, action), action.name());
    let violation = match count {
        _ if count == expected => return,
        0 => Violation::EntryMissing { action: name },
        _ => Violation::EntryRepeated { action: name, count, expected },
    };
    findings.add(Rule::LogEntry, table, object, violation);
}

/// Follows the log from the first state to the last and compares.
fn statuses(book: &Book, findings: &mut Findings) {
    for (serial, status) in &book.statuses {
        let name = serial.to_string();
        if status.state == "burned" {
            once(&book.log, ("status", &name), Action::BurnSerial, findings);
            continue;
        }
        let of_application =
            book.certificates.get(serial).is_some_and(|known| known.row.application.is_some());
        // Certificates of the CA itself and of staff are good from the start: nobody activates them.
        let first = if of_application { "not-activated" } else { "good" };
        let logged = book
            .log
            .of(&name)
            .iter()
            .filter(|event| is_change(event))
            .fold(first, |_, event| event.fact.as_deref().unwrap_or("?"));
        if status.state != logged {
            let violation =
                Violation::StateNotLogged { state: status.state.clone(), logged: logged.to_owned() };
            findings.add(Rule::LogEntry, "status", name, violation);
        }
    }
}

fn is_change(event: &Event) -> bool {
    matches!(
        event.action,
        Action::ActivateCertificate
            | Action::HoldCertificate
            | Action::ReleaseCertificate
            | Action::RevokeCertificate
    )
}

fn payments(book: &Book, findings: &mut Findings) {
    // Entries of the first days name the application.
    let mut of_orders: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    for (application, charge) in &book.charges {
        for event in book.log.events(application, Action::RecordPayment) {
            of_orders.entry(&charge.fee_order).or_default().push(event);
        }
    }
    for (id, payment) in &book.payments {
        let mut events: Vec<&Event> = book.log.events(id, Action::RecordPayment).collect();
        if events.is_empty() {
            let of_order = payment.fee_order.as_deref().and_then(|order| of_orders.get(order));
            events = of_order.cloned().unwrap_or_default();
        }
        let amount = payment.amount_fen.to_string();
        let violation = match events.first() {
            None => Violation::EntryMissing { action: Action::RecordPayment.name() },
            Some(_) if events.iter().any(|event| event.fact.as_deref() == Some(&amount)) => continue,
            Some(first) => another_amount(first, amount),
        };
        findings.add(Rule::LogEntry, "payment", id, violation);
    }
}

fn another_amount(event: &Event, expected: String) -> Violation {
    let found = event.fact.as_deref().unwrap_or("NULL").to_owned();
    Violation::Differs { what: "amount in the log", found, expected }
}

fn applications(book: &Book, findings: &mut Findings) {
    for (id, application) in &book.applications {
        let decided = match application.state.as_str() {
            "submitted" => None,
            "rejected" => {
                rejected(&book.log, id, findings);
                None
            }
            "withdrawn" => Some(Action::WithdrawApplication),
            "expired" => Some(Action::ExpireApplication),
            _ => {
                approved(&book.log, id, findings);
                None
            }
        };
        once(&book.log, ("application", id), Action::SubmitApplication, findings);
        if let Some(action) = decided {
            once(&book.log, ("application", id), action, findings);
        }
        made_after_event(&book.log, id, &application.state, findings);
    }
}

/// What an event of the unit makes of an application that was approved before: it is to be approved anew.
const ANEW: &str = " approve-anew";

fn stopped<'a>(log: &'a Log, id: &str) -> impl Iterator<Item = &'a Event> {
    let events = log.events(id, Action::ApplyUnitEvent);
    events.filter(|event| event.fact.as_deref().is_some_and(|fact| fact.ends_with(ANEW)))
}

/// Once, and once more after each event that asks for that.
fn approved(log: &Log, id: &str, findings: &mut Findings) {
    let action = Action::ApproveApplication;
    let (count, most) = (log.count(id, action), 1 + stopped(log, id).count());
    if count == 0 {
        findings.add(Rule::LogEntry, "application", id, Violation::EntryMissing { action: action.name() });
    } else if count > most {
        let violation = Violation::EntryRepeated { action: action.name(), count, expected: most };
        findings.add(Rule::LogEntry, "application", id, violation);
    }
}

/// Nothing is made of it between the event and the approval after that.
fn made_after_event(log: &Log, id: &str, state: &str, findings: &mut Findings) {
    let Some(last) = stopped(log, id).last() else { return };
    let again = log.events(id, Action::ApproveApplication).any(|event| event.id > last.id);
    if !again && matches!(state, "personalising" | "issued" | "delivered" | "active") {
        let action = Action::ApproveApplication.name();
        findings.add(Rule::LogEntry, "application", id, Violation::EntryMissing { action });
    }
}

/// Once, and once more after each correction.
fn rejected(log: &Log, id: &str, findings: &mut Findings) {
    let (action, count) = (Action::RejectApplication, log.count(id, Action::RejectApplication));
    let most = log.count(id, Action::CorrectApplication) + 1;
    if count == 0 {
        let violation = Violation::EntryMissing { action: action.name() };
        findings.add(Rule::LogEntry, "application", id, violation);
    } else if count > most {
        let violation = Violation::EntryRepeated { action: action.name(), count, expected: most };
        findings.add(Rule::LogEntry, "application", id, violation);
    }
}

/// The other way round: a row that was removed leaves its entry behind.
fn records(book: &Book, findings: &mut Findings) {
    // Entries of the first days name the application.
    let orders = book.payments.values().filter_map(|payment| payment.fee_order.as_deref());
    let orders: BTreeSet<&str> = orders.collect();
    let charges = book.charges.values().filter(|charge| orders.contains(charge.fee_order.as_str()));
    let paid: BTreeSet<&str> = charges.map(|charge| charge.application.as_str()).collect();
    for (object, events) in book.log.objects() {
        let serial = hex::decode(object).map(|octets| Octets::new(&octets)).unwrap_or_default();
        for event in events {
            let (table, exists) = match event.action {
                Action::RecordIntent => ("intent", book.intents.contains_key(&serial)),
                Action::IssueCertificate => ("certificate", book.certificates.contains_key(&serial)),
                Action::BurnSerial => {
                    ("status", book.statuses.get(&serial).is_some_and(|status| status.state == "burned"))
                }
                Action::RecordPayment => {
                    ("payment", book.payments.contains_key(object) || paid.contains(object))
                }
                Action::SubmitApplication => ("application", book.applications.contains_key(object)),
                Action::AssignMoney | Action::RequestReturn | Action::ApproveReturn => {
                    ("bank_line", book.bank_lines.contains_key(object))
                }
                Action::SpendCredit | Action::CollectOrders => {
                    ("fee_order", book.orders.contains_key(object))
                }
                Action::RequestAdjustment | Action::DecideAdjustment | Action::PayOutRefund => {
                    ("adjustment", book.adjustments.contains_key(object))
                }
                Action::RecordChargeback | Action::SettleChargeback => {
                    ("chargeback", book.chargebacks.contains_key(object))
                }
                Action::RequestInvoice | Action::IssueInvoice => {
                    ("invoice", book.invoices.contains_key(object))
                }
                Action::CloseShift | Action::RequestReopen | Action::DecideReopen => {
                    ("shift", book.shifts.contains_key(object))
                }
                _ => continue,
            };
            if !exists {
                let violation = Violation::RecordMissing { action: event.action.name(), table };
                findings.add(Rule::LogEntry, "audit", event.id, violation);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{Export, differs};

    fn missing(action: &'static str) -> Violation {
        Violation::EntryMissing { action }
    }

    #[test]
    fn a_change_that_is_not_in_the_log() {
        for (action, table) in [
            ("record-intent", "intent"),
            ("issue-certificate", "certificate"),
            ("record-payment", "payment"),
            ("submit-application", "application"),
            ("approve-application", "application"),
        ] {
            let mut export = Export::clean();
            let key = match table {
                "payment" => export.payment.clone(),
                "application" => export.application.clone(),
                _ => export.serial.clone(),
            };
            export.remove_entry(action, &key);
            assert_eq!(export.violations(Rule::LogEntry), [(table, key, missing(action))]);
        }
    }

    #[test]
    fn a_refusal_is_no_entry_of_what_was_done() {
        let mut export = Export::clean();
        let serial = export.serial.clone();
        export.change_entry("issue-certificate", &serial, "rule", json!("csr"));
        let found = export.violations(Rule::LogEntry);
        assert_eq!(found, [("certificate", serial, missing("issue-certificate"))]);
    }

    #[test]
    fn approved_anew_after_an_event_and_not_otherwise() {
        let officer = |export: &mut Export, application: &str| {
            let entry = export.log("approve-application", application, json!({}));
            let actor = json!(format!("staff:{}", crate::testing::OFFICER));
            export.change("audit", "id", &entry.to_string(), "actor", actor);
        };
        let mut export = Export::clean();
        let application = export.application.clone();
        officer(&mut export, &application);
        let twice = Violation::EntryRepeated { action: "approve-application", count: 2, expected: 1 };
        assert_eq!(export.violations(Rule::LogEntry), [("application", application.clone(), twice)]);
        let mut export = Export::clean();
        let anew = json!({ "event": "e", "fate": "approve-anew" });
        export.log("apply-unit-event", &application, json!({ "event": "e", "fate": "passed" }));
        assert_eq!(export.violations(Rule::LogEntry), []);
        export.log("apply-unit-event", &application, anew);
        let expected = [("application", application.clone(), missing("approve-application"))];
        assert_eq!(export.violations(Rule::LogEntry), expected, "it was delivered without that");
        officer(&mut export, &application);
        assert_eq!(export.violations(Rule::LogEntry), []);
        let mut export = Export::clean();
        export.log("apply-unit-event", &application, json!({ "event": "e", "fate": "approve-anew" }));
        export.change("application", "id", &application, "state", json!("paid"));
        assert_eq!(export.violations(Rule::LogEntry), [], "it waits");
    }

    #[test]
    fn a_certificate_issued_twice_by_the_log() {
        let mut export = Export::clean();
        let serial = export.serial.clone();
        export.log("issue-certificate", &serial, json!({}));
        let twice = Violation::EntryRepeated { action: "issue-certificate", count: 2, expected: 1 };
        assert_eq!(export.violations(Rule::LogEntry), [("certificate", serial, twice)]);
    }

    #[test]
    fn a_state_that_the_log_does_not_lead_to() {
        for state in ["revoked", "held", "not-activated"] {
            let mut export = Export::clean();
            let serial = export.serial.clone();
            export.change("status", "serial", &serial, "state", json!(state));
            let violation = Violation::StateNotLogged { state: state.to_owned(), logged: "good".to_owned() };
            assert_eq!(export.violations(Rule::LogEntry), [("status", serial, violation)]);
        }
        let mut export = Export::clean();
        let serial = export.serial.clone();
        export.log("hold-certificate", &serial, json!({ "from": "good", "to": "held" }));
        export.change("status", "serial", &serial, "state", json!("held"));
        assert_eq!(export.violations(Rule::LogEntry), []);
        export.remove_entry("activate-certificate", &serial);
        export.change("status", "serial", &serial, "state", json!("good"));
        export.remove_entry("hold-certificate", &serial);
        let violation =
            Violation::StateNotLogged { state: "good".to_owned(), logged: "not-activated".to_owned() };
        assert_eq!(export.violations(Rule::LogEntry), [("status", serial, violation)]);
    }

    #[test]
    fn another_amount_in_the_log() {
        let mut export = Export::clean();
        let payment = export.payment.clone();
        export.change_entry("record-payment", &payment, "detail", json!({ "amount": "1" }));
        let differs = differs("amount in the log", "1", "20000");
        assert_eq!(export.violations(Rule::LogEntry), [("payment", export.payment.clone(), differs)]);
    }

    /// Entries of the first days.
    #[test]
    fn a_payment_that_is_logged_with_its_application() {
        let mut export = Export::clean();
        let (application, payment) = (export.application.clone(), export.payment.clone());
        export.change_entry("record-payment", &payment, "object_id", json!(application));
        assert_eq!(export.violations(Rule::LogEntry), []);
        export.change("payment", "id", &payment, "amount_fen", json!(1));
        let differs = differs("amount in the log", "20000", "1");
        assert_eq!(export.violations(Rule::LogEntry), [("payment", payment, differs)]);
    }

    #[test]
    fn a_row_that_was_removed() {
        let mut export = Export::clean();
        for (action, table) in [
            ("record-intent", "intent"),
            ("issue-certificate", "certificate"),
            ("burn-serial", "status"),
            ("record-payment", "payment"),
            ("submit-application", "application"),
            ("assign-money", "bank_line"),
            ("request-return", "bank_line"),
            ("approve-return", "bank_line"),
            ("spend-credit", "fee_order"),
            ("collect-orders", "fee_order"),
            ("request-adjustment", "adjustment"),
            ("decide-adjustment", "adjustment"),
            ("pay-out-refund", "adjustment"),
        ] {
            let entry = export.log(action, "7f", json!({}));
            let gone = Violation::RecordMissing { action, table };
            assert_eq!(export.violations(Rule::LogEntry), [("audit", entry.to_string(), gone)]);
            export.remove_entry(action, "7f");
        }
    }

    #[test]
    fn a_burned_serial_needs_its_entry() {
        let mut export = Export::clean();
        export.add_burned();
        assert_eq!(export.violations(Rule::LogEntry), []);
        let serial = export.burned();
        export.remove_entry("burn-serial", &serial);
        assert_eq!(export.violations(Rule::LogEntry), [("status", serial, missing("burn-serial"))]);
    }
}
