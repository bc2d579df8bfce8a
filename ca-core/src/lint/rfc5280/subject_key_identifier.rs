//! `rfc5280.subject-key-identifier`: there, and RFC 7093 method 1 of the key in the certificate.

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;

use crate::key::key_identifier;
use crate::lint::{LintContext, Rule};

pub(super) const RULE: Rule =
    Rule { name: "rfc5280.subject-key-identifier", clause: "RFC 5280 §4.2.1.2, RFC 7093 §2", check };

fn check(certificate: &X509Certificate<'_>, _: &LintContext<'_>) -> Option<String> {
    let expected = key_identifier(&certificate.public_key().subject_public_key.data);
    let found = certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(identifier) => Some(identifier.0),
        _ => None,
    });
    match found {
        None => Some("absent".to_owned()),
        Some(found) if found == expected => None,
        Some(_) => Some("is not the leftmost 160 bits of SHA-256 of the key".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::testing;

    #[test]
    fn absent_and_other_are_found() {
        let absent = testing::written(|params| params.is_ca = rcgen::IsCa::NoCa);
        assert_eq!(absent, ["rfc5280.subject-key-identifier", "profile.extensions"]);
        let other = testing::written(|params| {
            params.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(vec![1; 20]);
        });
        assert_eq!(other, ["rfc5280.subject-key-identifier", "profile.extensions"]);
    }
}
