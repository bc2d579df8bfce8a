//! I8: a certificate is on one token, the one that its key was born on; where a token stands, its certificate stands, too.
//!
//! What deliberately does not live here: which moves a token may make; boxes, counters and deliveries.

use std::collections::BTreeMap;

use crate::{
    Rule, Violation,
    book::Book,
    report::{Findings, Place},
    row::Token,
};

pub(super) fn check(book: &Book, findings: &mut Findings) {
    let mut carriers = BTreeMap::new();
    for (serial, token) in &book.tokens {
        let Some(certificate) = &token.certificate else { continue };
        let row: Place<'_> = (Rule::Key, "token", serial);
        let Some(intent) = book.intents.get(certificate) else {
            let missing = Violation::ReferenceMissing { table: "intent", id: certificate.to_string() };
            findings.add(Rule::Key, "token", serial, missing);
            continue;
        };
        findings.compare(
            row,
            "token of the key",
            (serial.as_str(), intent.token.as_deref().unwrap_or("NULL")),
        );
        if let Some(first) = carriers.insert(certificate, serial) {
            findings.compare(row, "only carrier", (serial, first));
        }
        let standing = book.statuses.get(certificate).map_or("NULL", |status| status.state.as_str());
        if let Some(expected) = standing_of(token) {
            findings.compare(row, "standing of its certificate", (standing, expected));
        }
    }
}

/// What the certificate on such a token must be; `None` when the state says nothing of it.
fn standing_of(token: &Token) -> Option<&'static str> {
    match token.state.as_str() {
        "personalised" | "delivered" => Some("not-activated"),
        "active" => Some("good"),
        "held" => Some("held"),
        "lost" | "damaged" | "terminated" => Some("revoked"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{Export, differs};

    fn export() -> Export {
        let mut export = Export::clean();
        let certificate = export.serial.clone();
        export.add(
            json!({ "table": "token", "serial": "token-1", "state": "active", "certificate": certificate }),
        );
        export.add(json!({ "table": "token", "serial": "token-2", "state": "blank", "certificate": null }));
        assert_eq!(export.violations(Rule::Key), []);
        export
    }

    #[test]
    fn a_token_that_stands_elsewhere_than_its_certificate() {
        for (state, expected) in [
            ("personalised", "not-activated"),
            ("delivered", "not-activated"),
            ("held", "held"),
            ("lost", "revoked"),
            ("damaged", "revoked"),
            ("terminated", "revoked"),
        ] {
            let mut export = export();
            export.change("token", "serial", "token-1", "state", json!(state));
            let differs = differs("standing of its certificate", "good", expected);
            assert_eq!(export.violations(Rule::Key), [("token", "token-1".to_owned(), differs)]);
        }
    }

    #[test]
    fn a_certificate_on_another_token_or_on_two() {
        let mut export = export();
        let certificate = export.serial.clone();
        export.change("token", "serial", "token-2", "state", json!("active"));
        export.change("token", "serial", "token-2", "certificate", json!(certificate));
        let id = || "token-2".to_owned();
        let found = export.violations(Rule::Key);
        let other = ("token", id(), differs("token of the key", "token-2", "token-1"));
        assert_eq!(found, [other, ("token", id(), differs("only carrier", "token-2", "token-1"))]);

        export.change("token", "serial", "token-2", "certificate", json!("01"));
        let missing = Violation::ReferenceMissing { table: "intent", id: "01".to_owned() };
        assert_eq!(export.violations(Rule::Key), [("token", id(), missing)]);
    }
}
