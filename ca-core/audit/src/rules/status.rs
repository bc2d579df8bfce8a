//! I6: revoked stays revoked; a later CRL never tells less (RFC 5280 §5.2.3).
//!
//! What deliberately does not live here: the contents of a CRL; its columns are compared only.

use super::clock::TOLERANCE;
use crate::{Rule, Violation, book::Book, log::Action, report::Findings, row::Crl};

pub(super) fn check(book: &Book, findings: &mut Findings) {
    ends(book, findings);
    let mut previous: Option<&Crl> = None;
    for crl in book.crls.values() {
        let same = previous.filter(|before| (&before.issuer, before.shard) == (&crl.issuer, crl.shard));
        if let Some(before) = same {
            follow(before, crl, findings);
        }
        counters(book, crl, findings);
        previous = Some(crl);
    }
}

fn ends(book: &Book, findings: &mut Findings) {
    for (object, events) in book.log.objects() {
        let is_end = |action| matches!(action, Action::RevokeCertificate | Action::BurnSerial);
        let Some(end) = events.iter().find(|event| is_end(event.action)) else {
            continue;
        };
        let later = events.iter().filter(|event| event.id > end.id);
        for event in later {
            if let Action::ActivateCertificate | Action::HoldCertificate | Action::ReleaseCertificate =
                event.action
            {
                let (action, entry) = (event.action.name(), event.id);
                let violation = Violation::ChangedAfterEnd { action, entry, end: end.id };
                findings.add(Rule::Status, "certificate", object, violation);
            }
        }
    }
}

/// The numbers rise by the order in which they are visited; time and epoch must go with them.
fn follow(before: &Crl, crl: &Crl, findings: &mut Findings) {
    if crl.epoch < before.epoch {
        let back = Violation::CrlBack { what: "epoch", found: crl.epoch, previous: before.epoch };
        findings.add(Rule::Status, "crl", name(crl), back);
    }
    if crl.this_update.saturating_add(TOLERANCE) < before.this_update {
        let (found, previous) = (crl.this_update, before.this_update);
        findings.add(
            Rule::Status,
            "crl",
            name(crl),
            Violation::CrlBack { what: "this_update", found, previous },
        );
    }
}

fn counters(book: &Book, crl: &Crl, findings: &mut Findings) {
    let number = book.crl_numbers.get(&(crl.issuer.clone(), crl.shard)).copied();
    for (what, found, counter, table) in
        [("number", crl.number, number, "crl_number"), ("epoch", crl.epoch, book.epoch, "status_epoch")]
    {
        let violation = match counter {
            Some(counter) if found <= counter => continue,
            Some(counter) => Violation::CrlAhead { what, found, counter },
            None => Violation::ReferenceMissing { table, id: format!("{}/{}", crl.issuer, crl.shard) },
        };
        findings.add(Rule::Status, "crl", name(crl), violation);
    }
}

fn name(crl: &Crl) -> String {
    format!("{}/{}/{}", crl.issuer, crl.shard, crl.number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::Export;

    #[test]
    fn nothing_comes_after_a_revocation() {
        for action in ["release-certificate", "activate-certificate", "hold-certificate"] {
            let mut export = Export::clean();
            let serial = export.serial.clone();
            let end = export.log("revoke-certificate", &serial, json!({ "to": "revoked" }));
            assert_eq!(export.violations(Rule::Status), []);
            let entry = export.log(action, &serial, json!({ "to": "good" }));
            let changed = Violation::ChangedAfterEnd { action, entry, end };
            assert_eq!(export.violations(Rule::Status), [("certificate", serial.clone(), changed)]);
            export.change("audit", "id", &entry.to_string(), "rule", json!("revoked"));
            assert_eq!(export.violations(Rule::Status), []);
        }
    }

    #[test]
    fn a_crl_that_knows_less_than_the_one_before() {
        let mut export = Export::clean();
        export.change("crl", "number", "2", "epoch", json!(0));
        let key = "issuing/0/2".to_owned();
        let back = Violation::CrlBack { what: "epoch", found: 0, previous: 1 };
        assert_eq!(export.violations(Rule::Status), [("crl", key.clone(), back)]);
        export.change("crl", "number", "2", "epoch", json!(2));
        export.change("crl", "number", "2", "this_update", json!(0));
        let previous = export.row("crl", "number", "1")["this_update"].as_i64().unwrap();
        let back = Violation::CrlBack { what: "this_update", found: 0, previous };
        assert_eq!(export.violations(Rule::Status), [("crl", key, back)]);
    }

    #[test]
    fn a_number_that_stands_twice() {
        let mut export = Export::clean();
        export.change("crl", "number", "2", "number", json!(1));
        assert_eq!(export.violations(Rule::Status), [("crl", "issuing/0/1".to_owned(), Violation::Twice)]);
    }

    #[test]
    fn a_crl_ahead_of_its_counters() {
        let mut export = Export::clean();
        export.change("crl_number", "issuer", "issuing", "number", json!(1));
        export.change("status_epoch", "id", "1", "epoch", json!(1));
        let ahead = |what| Violation::CrlAhead { what, found: 2, counter: 1 };
        let key = "issuing/0/2".to_owned();
        assert_eq!(
            export.violations(Rule::Status),
            [("crl", key.clone(), ahead("number")), ("crl", key.clone(), ahead("epoch")),]
        );
        export.remove("crl_number", "issuer", "issuing");
        export.change("status_epoch", "id", "1", "epoch", json!(2));
        let missing = Violation::ReferenceMissing { table: "crl_number", id: "issuing/0".to_owned() };
        assert!(export.violations(Rule::Status).contains(&("crl", key, missing)));
    }
}
