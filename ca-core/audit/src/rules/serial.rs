//! I3: one serial is signed at most once; every intent ends in a certificate or is burned.
//!
//! Rows that stand twice are found while reading.

use std::collections::BTreeMap;

use crate::{Rule, Violation, book::Book, report::Findings};

pub(super) fn check(book: &Book, at_rest: bool, findings: &mut Findings) {
    intents(book, at_rest, findings);
    statuses(book, findings);
    live_attempts(book, findings);
    live_certificates(book, findings);
}

fn intents(book: &Book, at_rest: bool, findings: &mut Findings) {
    for serial in book.intents.keys() {
        let issued = book.certificates.contains_key(serial);
        let burned = book.statuses.get(serial).is_some_and(|status| status.state == "burned");
        let violation = match (issued || burned, book.open_intents.contains(serial)) {
            (false, false) => Violation::OutcomeMissing,
            (false, true) if at_rest => Violation::StillOpen,
            (true, true) => Violation::OpenAndClosed,
            (true, false) | (false, true) => continue,
        };
        findings.add(Rule::Serial, "intent", serial, violation);
    }
    for serial in book.open_intents.iter().filter(|serial| !book.intents.contains_key(serial)) {
        let missing = Violation::ReferenceMissing { table: "intent", id: serial.to_string() };
        findings.add(Rule::Serial, "open_intent", serial, missing);
    }
}

fn statuses(book: &Book, findings: &mut Findings) {
    for (serial, status) in &book.statuses {
        let issued = book.certificates.contains_key(serial);
        if status.state == "burned" && issued {
            findings.add(Rule::Serial, "status", serial, Violation::BurnedAndIssued);
        }
        if status.state != "burned" && !issued {
            let state = status.state.clone();
            findings.add(Rule::Serial, "status", serial, Violation::StatusWithoutCertificate { state });
        }
        if !book.intents.contains_key(serial) {
            let missing = Violation::ReferenceMissing { table: "intent", id: serial.to_string() };
            findings.add(Rule::Serial, "status", serial, missing);
        }
    }
    for serial in book.certificates.keys().filter(|serial| !book.statuses.contains_key(serial)) {
        findings.add(Rule::Serial, "certificate", serial, Violation::StatusMissing);
    }
}

fn live_attempts(book: &Book, findings: &mut Findings) {
    let mut live: BTreeMap<&str, &str> = BTreeMap::new();
    for attempt in book.attempts.values().filter(|attempt| attempt.state != "abandoned") {
        if let Some(first) = live.insert(&attempt.application, &attempt.id) {
            let violation = Violation::LiveAttempts { first: first.to_owned(), second: attempt.id.clone() };
            findings.add(Rule::Serial, "application", &attempt.application, violation);
        }
    }
}

fn live_certificates(book: &Book, findings: &mut Findings) {
    let mut live: BTreeMap<&str, String> = BTreeMap::new();
    for (serial, certificate) in &book.certificates {
        let revoked = book.statuses.get(serial).is_some_and(|status| status.state == "revoked");
        let Some(application) = certificate.row.application.as_deref().filter(|_| !revoked) else {
            continue;
        };
        if let Some(first) = live.insert(application, serial.to_string()) {
            let violation = Violation::LiveCertificates { first, second: serial.to_string() };
            findings.add(Rule::Serial, "application", application, violation);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        Options,
        testing::{Export, OPEN},
    };

    #[test]
    fn the_same_row_twice() {
        for table in ["intent", "certificate", "status"] {
            let mut export = Export::clean();
            let row = export.row(table, "serial", &export.serial);
            export.add(row);
            assert_eq!(export.violations(Rule::Serial), [(table, export.serial.clone(), Violation::Twice)]);
        }
    }

    #[test]
    fn an_open_intent_is_a_finding_only_at_rest() {
        let mut export = Export::clean();
        export.add_open_intent();
        assert_eq!(export.violations(Rule::Serial), []);
        let at_rest = Options { at_rest: true, ..Options::default() };
        let found = export.violations_with(Rule::Serial, at_rest);
        assert_eq!(found, [("intent", OPEN.to_owned(), Violation::StillOpen)]);
        export.remove("open_intent", "serial", OPEN);
        let found = export.violations(Rule::Serial);
        assert_eq!(found, [("intent", OPEN.to_owned(), Violation::OutcomeMissing)]);
    }

    #[test]
    fn an_open_intent_with_outcome_or_without_intent() {
        let mut export = Export::clean();
        export.add(json!({ "table": "open_intent", "serial": export.serial }));
        export.add(json!({ "table": "open_intent", "serial": "7f" }));
        assert_eq!(
            export.violations(Rule::Serial),
            [
                ("intent", export.serial.clone(), Violation::OpenAndClosed),
                (
                    "open_intent",
                    "7f".to_owned(),
                    Violation::ReferenceMissing { table: "intent", id: "7f".to_owned() }
                ),
            ]
        );
    }

    #[test]
    fn a_burned_serial_with_a_certificate() {
        let mut export = Export::clean();
        let serial = export.serial.clone();
        export.change("status", "serial", &serial, "state", json!("burned"));
        assert_eq!(export.violations(Rule::Serial), [("status", serial, Violation::BurnedAndIssued)]);
    }

    #[test]
    fn a_status_without_certificate_and_a_certificate_without_status() {
        let mut export = Export::clean();
        let serial = export.serial.clone();
        export.remove("certificate", "serial", &serial);
        assert_eq!(
            export.violations(Rule::Serial),
            [
                ("intent", serial.clone(), Violation::OutcomeMissing),
                ("status", serial, Violation::StatusWithoutCertificate { state: "good".to_owned() }),
            ]
        );
        let mut export = Export::clean();
        let serial = export.serial.clone();
        export.remove("status", "serial", &serial);
        assert_eq!(export.violations(Rule::Serial), [("certificate", serial, Violation::StatusMissing)]);
    }

    #[test]
    fn two_of_a_kind_for_one_application() {
        let mut export = Export::clean();
        let (application, first) = (export.application.clone(), export.serial.clone());
        let second = export.add_certificate();
        let live = Violation::LiveCertificates { first: first.clone(), second: second.clone() };
        assert_eq!(export.violations(Rule::Serial), [("application", application.clone(), live)]);
        export.change("status", "serial", &first, "state", json!("revoked"));
        assert_eq!(export.violations(Rule::Serial), []);

        let mut attempt = export.row("attempt", "application", &application);
        attempt["id"] = json!("zz");
        export.add(attempt);
        let found = export.violations(Rule::Serial);
        let first = export.attempt.clone();
        let live = Violation::LiveAttempts { first, second: "zz".to_owned() };
        assert_eq!(found, [("application", application, live)]);
        export.change("attempt", "id", "zz", "state", json!("abandoned"));
        assert_eq!(export.violations(Rule::Serial), []);
    }
}
