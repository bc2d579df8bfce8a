//! Signatures verify up to the root that the auditor brings; without one nothing is judged.

use x509_parser::certificate::X509Certificate;

use crate::{Rule, anchor::Issuers, report::Findings, row};

/// A CA's own certificate; it must come before the certificates that it signed, as it does in the export.
pub(crate) fn see(issuers: Option<&mut Issuers>, row: &row::CaCertificate, findings: &mut Findings) {
    if let Some(Err(violation)) = issuers.map(|issuers| issuers.see(&row.name, &row.der)) {
        findings.add(Rule::Signature, "ca_certificate", &row.name, violation);
    }
}

/// A certificate that was issued.
pub(crate) fn judge(
    issuers: Option<&Issuers>,
    row: &row::Certificate,
    certificate: &X509Certificate<'_>,
    findings: &mut Findings,
) {
    if let Some(Err(violation)) = issuers.map(|issuers| issuers.judge(&row.issuer, certificate)) {
        findings.add(Rule::Signature, "certificate", &row.serial, violation);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        Anchor, Options, Outcome, Violation,
        testing::{Export, Pki},
    };

    fn found(export: &Export, root: &Pki) -> Vec<(&'static str, String, Violation)> {
        let anchor = Some(Anchor::from_pem(root.root_pem().as_bytes()).unwrap());
        export.violations_with(Rule::Signature, Options { anchor, ..Options::default() })
    }

    #[test]
    fn without_a_root_nothing_is_judged() {
        let mut export = Export::clean();
        let serial = export.serial.clone();
        export.change("certificate", "serial", &serial, "issuer", json!("root"));
        let report = export.report(Options::default());
        assert_eq!(report.outcome(Rule::Signature), Outcome::NotChecked);
    }

    #[test]
    fn the_auditors_root_counts_and_not_the_databases() {
        let (export, other) = (Export::clean(), Pki::new_other());
        let found = found(&export, &other);
        assert!(found.contains(&("ca_certificate", "root".to_owned(), Violation::OtherRoot)), "{found:?}");
        assert!(
            found.contains(&("ca_certificate", "issuing".to_owned(), Violation::BadSignature)),
            "{found:?}"
        );
        let no_issuer = Violation::NoIssuer { issuer: "issuing".to_owned() };
        assert!(found.contains(&("certificate", export.serial.clone(), no_issuer)), "{found:?}");
    }

    #[test]
    fn a_signature_that_does_not_verify() {
        let mut export = Export::clean();
        let serial = export.serial.clone();
        let der = export.row("certificate", "serial", &serial)["der"].as_str().unwrap().to_owned();
        let mut octets = hex::decode(der).unwrap();
        *octets.last_mut().unwrap() ^= 1;
        export.change("certificate", "serial", &serial, "der", json!(hex::encode(octets)));
        assert_eq!(found(&export, &export.pki), [("certificate", serial, Violation::BadSignature)]);
    }

    #[test]
    fn a_certificate_of_another_ca() {
        let mut export = Export::clean();
        let serial = export.serial.clone();
        export.change("certificate", "serial", &serial, "issuer", json!("root"));
        assert_eq!(found(&export, &export.pki), [("certificate", serial.clone(), Violation::IssuerName)]);
        export.change("certificate", "serial", &serial, "issuer", json!("other"));
        let unknown = Violation::NoIssuer { issuer: "other".to_owned() };
        assert_eq!(found(&export, &export.pki), [("certificate", serial, unknown)]);
    }

    #[test]
    fn an_end_entity_in_the_place_of_the_issuing_ca() {
        let mut export = Export::clean();
        let impostor = export.pki.end_entity_of_root();
        export.change("ca_certificate", "name", "issuing", "der", json!(hex::encode(impostor)));
        let found = found(&export, &export.pki);
        assert_eq!(found.first(), Some(&("ca_certificate", "issuing".to_owned(), Violation::NotCa)));
    }
}
