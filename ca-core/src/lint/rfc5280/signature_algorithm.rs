//! `rfc5280.signature-algorithm`: the same inside and outside, and the issuer's.

use x509_parser::asn1_rs::Tag;
use x509_parser::certificate::X509Certificate;

use crate::SignatureAlgorithm;
use crate::lint::{LintContext, Rule};

pub(super) const RULE: Rule =
    Rule { name: "rfc5280.signature-algorithm", clause: "RFC 5280 §4.1.1.2", check };

fn check(certificate: &X509Certificate<'_>, context: &LintContext<'_>) -> Option<String> {
    let (outer, inner) = (&certificate.signature_algorithm, &certificate.tbs_certificate.signature);
    if outer != inner {
        return Some(format!("{} outside, {} inside", outer.algorithm, inner.algorithm));
    }
    let null = outer
        .parameters
        .as_ref()
        .is_some_and(|parameters| parameters.tag() == Tag::Null && parameters.data.is_empty());
    let (expected, form) = match context.algorithm {
        SignatureAlgorithm::EcdsaP256Sha256 => ("1.2.840.10045.4.3.2", outer.parameters.is_none()),
        SignatureAlgorithm::RsaSha256 => ("1.2.840.113549.1.1.11", null),
    };
    let found = outer.algorithm.to_id_string();
    (found != expected || !form)
        .then(|| format!("{found} with its parameters, the issuer signs with {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::testing;

    #[test]
    fn a_difference_and_another_algorithm_are_found() {
        let inner = testing::altered(|der| {
            let place = der.windows(10).position(|window| window.ends_with(&[4, 3, 2])).unwrap() + 9;
            der[place] = 3;
        });
        assert_eq!(inner, ["rfc5280.signature-algorithm"]);
        let rsa = testing::expected_other(|context| context.algorithm = SignatureAlgorithm::RsaSha256);
        assert_eq!(rsa, ["rfc5280.signature-algorithm"]);
    }
}
