//! I8: one public key belongs to one unit and one token for ever. It is certified once more only when its certificate is
//! renewed by the program that keeps the key.

use std::collections::BTreeSet;

use super::text;
use crate::{
    Rule, Violation,
    book::Book,
    report::{Findings, Place},
    row::Intent,
};

/// What stands in the token's place when no token gave evidence of a key.
const UNATTESTED: &str = "origin:unattested";

pub(super) fn check(book: &Book, findings: &mut Findings) {
    let mut first = BTreeSet::new();
    for intent in book.intents.values().filter(|intent| intent.unit.is_some()) {
        if !keeps_key(book, intent) && !first.insert(&intent.spki_sha256) {
            findings.add(Rule::Key, "public_key", &intent.spki_sha256, Violation::Twice);
        }
    }
    for (serial, intent) in &book.intents {
        let Some(key) = book.keys.get(&intent.spki_sha256) else {
            let id = intent.spki_sha256.to_string();
            findings.add(
                Rule::Key,
                "intent",
                serial,
                Violation::ReferenceMissing { table: "public_key", id },
            );
            continue;
        };
        let row: Place<'_> = (Rule::Key, "intent", serial);
        findings.compare(row, "unit", (text(&intent.unit), text(&key.unit)));
        findings.compare(row, "token", (text(&intent.token), text(&key.token)));
    }
    for (serial, certificate) in &book.certificates {
        let (Some(intent), Ok(facts)) = (book.intents.get(serial), &certificate.facts) else {
            continue;
        };
        let row: Place<'_> = (Rule::Key, "certificate", serial);
        findings.compare(row, "subjectPublicKeyInfo", (&facts.spki_sha256, &intent.spki_sha256));
    }
}

/// Whether the certificate is to take the place of one with the same key, which a program keeps.
fn keeps_key(book: &Book, intent: &Intent) -> bool {
    let application = intent.application.as_ref().and_then(|id| book.applications.get(id));
    let renewed = application.and_then(|application| application.certificate.as_ref());
    let old = renewed.and_then(|serial| book.intents.get(serial));
    intent.token.as_deref() == Some(UNATTESTED)
        && old.is_some_and(|old| old.spki_sha256 == intent.spki_sha256)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{Export, differs};

    #[test]
    fn a_key_of_another_unit_or_token() {
        for column in ["unit", "token"] {
            let mut export = Export::clean();
            let (serial, unit) = (export.serial.clone(), export.unit.clone());
            let right = export.row("intent", "serial", &serial)[column].as_str().unwrap().to_owned();
            export.change("public_key", "unit", &unit, column, json!("other"));
            let what = if column == "unit" { "unit" } else { "token" };
            assert_eq!(export.violations(Rule::Key), [("intent", serial, differs(what, &right, "other"))]);
        }
    }

    #[test]
    fn a_key_that_is_bound_twice_or_not_at_all() {
        let mut export = Export::clean();
        let (unit, serial) = (export.unit.clone(), export.serial.clone());
        let key = export.row("public_key", "unit", &unit);
        let id = key["spki_sha256"].as_str().unwrap().to_owned();
        export.add(key);
        assert_eq!(export.violations(Rule::Key), [("public_key", id.clone(), Violation::Twice)]);
        export.remove("public_key", "unit", &unit);
        let missing = Violation::ReferenceMissing { table: "public_key", id };
        assert_eq!(export.violations(Rule::Key), [("intent", serial, missing)]);
    }

    #[test]
    fn a_certificate_for_another_key() {
        let mut export = Export::clean();
        let serial = export.serial.clone();
        let right = export.row("intent", "serial", &serial)["spki_sha256"].as_str().unwrap().to_owned();
        export.change("intent", "serial", &serial, "spki_sha256", json!("ab"));
        export.change("public_key", "spki_sha256", &right, "spki_sha256", json!("ab"));
        let differs = differs("subjectPublicKeyInfo", &right, "ab");
        assert_eq!(export.violations(Rule::Key), [("certificate", serial, differs)]);
    }

    #[test]
    fn a_key_is_certified_once_more_only_by_the_program_that_keeps_it() {
        let mut export = Export::clean();
        export.add_burned();
        let (first, second) = (export.serial.clone(), export.burned());
        let spki = export.row("intent", "serial", &first)["spki_sha256"].as_str().unwrap().to_owned();
        export.change("intent", "serial", &second, "spki_sha256", json!(spki));
        let twice = [("public_key", spki.clone(), Violation::Twice)];
        assert_eq!(export.violations(Rule::Key), twice);

        // Now the application is to renew the certificate that has the key: a token's key is not kept all the same.
        let application = export.application.clone();
        let mut renewal = export.row("application", "id", &application);
        renewal["id"] = json!("renewal");
        renewal["certificate"] = json!(first);
        export.add(renewal);
        export.change("intent", "serial", &second, "application", json!("renewal"));
        assert_eq!(export.violations(Rule::Key), twice);
        for (table, column, value) in [
            ("intent", "serial", &first),
            ("intent", "serial", &second),
            ("public_key", "spki_sha256", &spki),
        ] {
            export.change(table, column, value, "token", json!(UNATTESTED));
        }
        assert_eq!(export.violations(Rule::Key), []);
    }
}
