//! Unit certificates are as the profile `unit-sign` says, and say what their columns say.

use crate::{
    Rule, Violation,
    book::{Book, Certificate},
    octets::Octets,
    report::{Findings, Place},
    x509::Facts,
};

/// The profile of every unit certificate.
const UNIT_SIGN: &str = "unit-sign";
/// 1 prefix octet and 136 random bits.
const SERIAL_OCTETS: usize = 18;

pub(super) fn check(book: &Book, findings: &mut Findings) {
    for (serial, certificate) in &book.certificates {
        let row = &certificate.row;
        if row.unit.is_none() && row.profile != UNIT_SIGN {
            continue;
        }
        findings.compare(
            (Rule::Profile, "certificate", serial),
            "profile",
            (row.profile.as_str(), UNIT_SIGN),
        );
        // What is no certificate is a finding of I2.
        if let Ok(facts) = &certificate.facts {
            fixed(serial, facts, findings);
            columns(book, certificate, facts, findings);
        }
    }
}

fn fixed(serial: &Octets, facts: &Facts, findings: &mut Findings) {
    let row: Place<'_> = (Rule::Profile, "certificate", serial);
    let profile = &facts.profile;
    findings.compare(row, "version", (profile.version, "v3"));
    findings.compare(row, "basicConstraints", (profile.basic_constraints, "CA:FALSE"));
    let usage = "critical, digitalSignature, contentCommitment";
    findings.compare(row, "keyUsage", (profile.key_usage.as_str(), usage));
    let purposes = "clientAuth, documentSigning, emailProtection";
    findings.compare(row, "extendedKeyUsage", (profile.extended_key_usage.as_str(), purposes));
    let (octets, prefix) = (facts.serial.as_slice().len(), facts.serial.as_slice().first().copied());
    findings.compare(row, "octets of serialNumber", (octets, SERIAL_OCTETS));
    if !prefix.is_some_and(|prefix| (1..0x80).contains(&prefix)) {
        let found = format!("{:02x}", prefix.unwrap_or_default());
        let violation =
            Violation::Differs { what: "prefix of serialNumber", found, expected: "01-7f".to_owned() };
        findings.add(row.0, row.1, serial, violation);
    }
}

fn columns(book: &Book, certificate: &Certificate, facts: &Facts, findings: &mut Findings) {
    let columns = &certificate.row;
    let row: Place<'_> = (Rule::Profile, "certificate", &columns.serial);
    // Certificates count seconds, the database milliseconds.
    findings.compare(row, "notBefore", (facts.not_before.saturating_mul(1000), columns.not_before));
    findings.compare(row, "notAfter", (facts.not_after.saturating_mul(1000), columns.not_after));
    let unit = columns.unit.as_deref().unwrap_or("NULL");
    match book.units.get(unit) {
        // A certificate from before the unit had its code keeps what it says.
        Some(_) if book.former_codes.contains(&(unit.to_owned(), facts.profile.code.clone())) => {}
        Some(code) => findings.compare(row, "1.2.156.10260.4.1.4", (&facts.profile.code, code)),
        None => {
            let missing = Violation::ReferenceMissing { table: "unit", id: unit.to_owned() };
            findings.add(row.0, row.1, &columns.serial, missing);
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SerialNumber};
    use serde_json::json;

    use super::*;
    use crate::testing::{Export, differs};

    const EXTENSION: &str = "1.2.156.10260.4.1.4";

    fn found(bend: impl FnOnce(&mut rcgen::CertificateParams)) -> Vec<Violation> {
        let mut export = Export::clean();
        export.replace_certificate(bend);
        export.violations(Rule::Profile).into_iter().map(|(_, _, violation)| violation).collect()
    }

    #[test]
    fn basic_constraints() {
        let expected = |found| [differs("basicConstraints", found, "CA:FALSE")];
        assert_eq!(found(|params| params.is_ca = IsCa::NoCa), expected("none"));
        let ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        assert_eq!(found(|params| params.is_ca = ca), expected("CA:TRUE"));
    }

    #[test]
    fn key_usages() {
        let more = found(|params| params.key_usages.push(KeyUsagePurpose::KeyCertSign));
        let right = "critical, digitalSignature, contentCommitment";
        let wrong = "critical, digitalSignature, contentCommitment, keyCertSign";
        assert_eq!(more, [differs("keyUsage", wrong, right)]);
        assert_eq!(found(|params| params.key_usages.clear()), [differs("keyUsage", "none", right)]);
        let purposes = "clientAuth, documentSigning, emailProtection";
        let more = found(|params| params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth));
        let wrong = "clientAuth, documentSigning, emailProtection, serverAuth";
        assert_eq!(more, [differs("extendedKeyUsage", wrong, purposes)]);
        let less = found(|params| params.extended_key_usages.truncate(2));
        assert_eq!(less, [differs("extendedKeyUsage", "clientAuth, emailProtection", purposes)]);
    }

    #[test]
    fn the_code_of_the_unit() {
        let right = crate::testing::USCC;
        assert_eq!(found(|params| params.custom_extensions.clear()), [differs(EXTENSION, "none", right)]);
        let mut export = Export::clean();
        let unit = export.unit.clone();
        export.change("unit", "id", &unit, "code", json!("other"));
        let differs = differs(EXTENSION, right, "other");
        assert_eq!(export.violations(Rule::Profile), [("certificate", export.serial.clone(), differs)]);
        export.add(json!({
            "table": "unit_event", "id": "e", "unit": unit, "kind": "new-code", "before": right, "state": "applied",
            "recorded_by": "staff:x",
        }));
        assert_eq!(export.violations(Rule::Profile), [], "the unit had that code when it was issued");
        export.remove("unit", "id", &unit);
        let missing = Violation::ReferenceMissing { table: "unit", id: unit };
        assert_eq!(export.violations(Rule::Profile), [("certificate", export.serial.clone(), missing)]);
    }

    #[test]
    fn serial_numbers() {
        let short = found(|params| params.serial_number = Some(SerialNumber::from_slice(&[1; 17])));
        assert_eq!(short, [differs("octets of serialNumber", "17", "18")]);
        // A first octet of 0x80 needs one of zero before it.
        let negative = found(|params| params.serial_number = Some(SerialNumber::from_slice(&[0x80; 17])));
        assert_eq!(negative, [differs("prefix of serialNumber", "00", "01-7f")]);
    }

    #[test]
    fn validity_and_profile_are_those_of_the_row() {
        let mut export = Export::clean();
        let serial = export.serial.clone();
        let row = export.row("certificate", "serial", &serial);
        let (from, to) = (row["not_before"].as_i64().unwrap(), row["not_after"].as_i64().unwrap());
        export.change("certificate", "serial", &serial, "not_before", json!(from + 1));
        export.change("certificate", "serial", &serial, "not_after", json!(to + 1000));
        export.change("certificate", "serial", &serial, "profile", json!("staff-auth"));
        let found: Vec<Violation> =
            export.violations(Rule::Profile).into_iter().map(|found| found.2).collect();
        assert_eq!(
            found,
            [
                differs("profile", "staff-auth", "unit-sign"),
                differs("notBefore", &from.to_string(), &(from + 1).to_string()),
                differs("notAfter", &to.to_string(), &(to + 1000).to_string()),
            ]
        );
    }
}
