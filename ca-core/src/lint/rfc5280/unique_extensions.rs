//! `rfc5280.unique-extensions`: no extension twice. rcgen does not look.

use std::collections::BTreeSet;

use x509_parser::certificate::X509Certificate;

use crate::lint::{LintContext, Rule};

pub(super) const RULE: Rule = Rule { name: "rfc5280.unique-extensions", clause: "RFC 5280 §4.2", check };

fn check(certificate: &X509Certificate<'_>, _: &LintContext<'_>) -> Option<String> {
    let mut seen = BTreeSet::new();
    certificate
        .extensions()
        .iter()
        .find(|extension| !seen.insert(extension.oid.as_bytes()))
        .map(|extension| format!("{} stands twice", extension.oid))
}

#[cfg(test)]
mod tests {
    use crate::lint::testing;

    #[test]
    fn a_second_key_identifier_is_found() {
        let rules = testing::written(|params| {
            let second = rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 14], vec![4, 1, 1]);
            params.custom_extensions.push(second);
        });
        assert!(rules.contains(&"rfc5280.unique-extensions"), "{rules:?}");
    }
}
