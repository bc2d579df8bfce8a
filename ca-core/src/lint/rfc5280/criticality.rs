//! `rfc5280.criticality`: keyUsage and basicConstraints are critical, nothing else is.

use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry::{OID_X509_EXT_BASIC_CONSTRAINTS, OID_X509_EXT_KEY_USAGE};

use crate::lint::{LintContext, Rule};

pub(super) const RULE: Rule =
    Rule { name: "rfc5280.criticality", clause: "RFC 5280 §4.2.1.3, §4.2.1.9", check };

fn check(certificate: &X509Certificate<'_>, _: &LintContext<'_>) -> Option<String> {
    let must = [OID_X509_EXT_BASIC_CONSTRAINTS, OID_X509_EXT_KEY_USAGE];
    certificate
        .extensions()
        .iter()
        .find(|extension| extension.critical != must.contains(&extension.oid))
        .map(|extension| format!("{} and critical: {}", extension.oid, extension.critical))
}

#[cfg(test)]
mod tests {
    use crate::lint::testing;

    #[test]
    fn a_critical_purpose_is_found() {
        let rules = testing::written(|params| params.custom_extensions[0].set_criticality(true));
        assert_eq!(rules, ["rfc5280.criticality", "profile.extensions"]);
    }
}
