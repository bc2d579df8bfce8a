//! I2: no signature without its intent: same serial, same to-be-signed octets, same columns.

use super::text;
use crate::{
    Rule, Violation,
    book::{Book, Certificate},
    report::{Findings, Place},
    row,
};

pub(super) fn check(book: &Book, findings: &mut Findings) {
    for (serial, certificate) in &book.certificates {
        let row: Place<'_> = (Rule::Intent, "certificate", serial);
        findings.compare(row, "sha256", (&certificate.row.sha256, &certificate.sha256));
        match book.intents.get(serial) {
            Some(intent) => compare(certificate, intent, findings),
            None => findings.add(Rule::Intent, "certificate", serial, Violation::NoIntent),
        }
    }
}

fn compare(certificate: &Certificate, intent: &row::Intent, findings: &mut Findings) {
    let row: Place<'_> = (Rule::Intent, "certificate", &intent.serial);
    match &certificate.facts {
        Err(why) => findings.add(row.0, row.1, &intent.serial, Violation::NotX509 { why }),
        Ok(facts) => {
            findings.compare(row, "serialNumber", (&facts.serial, &intent.serial));
            if facts.tbs_sha256 != intent.tbs.0 {
                findings.add(row.0, row.1, &intent.serial, Violation::TbsDiffers);
            }
        }
    }
    let found = &certificate.row;
    findings.compare(row, "issuer", (&found.issuer, &intent.issuer));
    findings.compare(row, "profile", (&found.profile, &intent.profile));
    findings.compare(row, "unit", (text(&found.unit), text(&intent.unit)));
    findings.compare(row, "application", (text(&found.application), text(&intent.application)));
    findings.compare(row, "not_before", (found.not_before, intent.not_before));
    findings.compare(row, "not_after", (found.not_after, intent.not_after));
    findings.compare(row, "shard", (found.shard, intent.shard));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{Export, differs};

    #[test]
    fn a_certificate_without_intent() {
        let mut export = Export::clean();
        export.remove("intent", "unit", &export.unit.clone());
        let found = export.violations(Rule::Intent);
        assert_eq!(found, [("certificate", export.serial.clone(), Violation::NoIntent)]);
    }

    #[test]
    fn other_octets_than_the_intent() {
        let mut export = Export::clean();
        let other = export.row("intent", "profile", "ocsp-signer")["tbs"].clone();
        export.change("intent", "unit", &export.unit.clone(), "tbs", other);
        let found = export.violations(Rule::Intent);
        assert_eq!(found, [("certificate", export.serial.clone(), Violation::TbsDiffers)]);
    }

    #[test]
    fn a_digest_of_something_else_and_another_unit() {
        let mut export = Export::clean();
        let (serial, unit) = (export.serial.clone(), export.unit.clone());
        let right = export.row("certificate", "serial", &serial)["sha256"].as_str().unwrap().to_owned();
        export.change("certificate", "serial", &serial, "sha256", json!("00"));
        export.change("intent", "serial", &serial, "unit", json!(null));
        assert_eq!(
            export.violations(Rule::Intent),
            [
                ("certificate", serial.clone(), differs("sha256", "00", &right)),
                ("certificate", serial, differs("unit", &unit, "NULL")),
            ]
        );
    }

    #[test]
    fn another_certificate_under_the_serial() {
        let mut export = Export::clean();
        let other = export.row("certificate", "profile", "ocsp-signer");
        let (serial, other_serial) = (export.serial.clone(), other["serial"].as_str().unwrap().to_owned());
        export.change("certificate", "serial", &serial, "der", other["der"].clone());
        export.change("certificate", "serial", &serial, "sha256", other["sha256"].clone());
        assert_eq!(
            export.violations(Rule::Intent),
            [
                ("certificate", serial.clone(), differs("serialNumber", &other_serial, &serial)),
                ("certificate", serial, Violation::TbsDiffers),
            ]
        );
    }

    #[test]
    fn rubbish_is_no_certificate() {
        let mut export = Export::clean();
        let serial = export.serial.clone();
        let der = export.row("certificate", "serial", &serial)["der"].as_str().unwrap().to_owned();
        export.change("certificate", "serial", &serial, "der", json!(der + "00"));
        let found = export.violations(Rule::Intent);
        assert!(
            found.contains(&("certificate", serial, Violation::NotX509 { why: "trailing octets" })),
            "{found:?}"
        );
    }
}
