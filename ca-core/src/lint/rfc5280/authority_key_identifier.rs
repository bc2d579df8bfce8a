//! `rfc5280.authority-key-identifier`: the issuer's subjectKeyIdentifier, and no other form of it.

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;

use crate::lint::{LintContext, Rule};

pub(super) const RULE: Rule =
    Rule { name: "rfc5280.authority-key-identifier", clause: "RFC 5280 §4.2.1.1", check };

fn check(certificate: &X509Certificate<'_>, context: &LintContext<'_>) -> Option<String> {
    // A self-signed certificate may leave it out.
    let expected = context.issuer?.key_identifier();
    let found = certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(identifier) => Some(identifier),
        _ => None,
    });
    match found {
        None => Some("absent".to_owned()),
        Some(found) if found.authority_cert_issuer.is_some() || found.authority_cert_serial.is_some() => {
            Some("names the issuer's certificate, so the issuer could not renew it".to_owned())
        }
        Some(found) if found.key_identifier.as_ref().is_some_and(|identifier| identifier.0 == expected) => {
            None
        }
        Some(_) => Some("is not the issuer's subjectKeyIdentifier".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::testing;

    #[test]
    fn absent_and_other_are_found() {
        let absent = testing::written(|params| params.use_authority_key_identifier_extension = false);
        assert_eq!(absent, ["rfc5280.authority-key-identifier", "profile.extensions"]);
        let other = testing::altered(|der| {
            let place = der.windows(5).position(|window| window == [6, 3, 0x55, 0x1d, 0x23]).unwrap() + 11;
            der[place] ^= 1;
        });
        assert_eq!(other, ["rfc5280.authority-key-identifier", "profile.extensions"]);
    }
}
