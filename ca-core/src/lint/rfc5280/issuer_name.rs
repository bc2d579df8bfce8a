//! `rfc5280.issuer-name`: byte for byte the subject of the issuer's certificate, or name chaining depends on
//! whoever compares; the own subject when self-signed.

use x509_parser::certificate::X509Certificate;

use crate::lint::{LintContext, Rule};

pub(super) const RULE: Rule = Rule { name: "rfc5280.issuer-name", clause: "RFC 5280 §4.1.2.4", check };

fn check(certificate: &X509Certificate<'_>, context: &LintContext<'_>) -> Option<String> {
    let expected = context.issuer.map_or(context.subject.as_slice(), |issuer| issuer.subject_der());
    let issuer = certificate.issuer();
    (issuer.as_raw() != expected)
        .then(|| format!("issuer is {issuer}, which is not the CA's subject byte for byte"))
}

#[cfg(test)]
mod tests {
    use crate::lint::testing;

    #[test]
    fn another_string_type_in_the_issuer_is_found() {
        // Both names begin with C and O; the issuer's comes first.
        let rules = testing::altered(|der| {
            let place =
                der.windows(8).position(|window| window.starts_with(&[6, 3, 0x55, 4, 10, 0x0c])).unwrap();
            der[place + 5] = 0x1e;
        });
        assert_eq!(rules, ["rfc5280.issuer-name"]);
    }

    #[test]
    fn a_ca_whose_name_rcgen_cannot_repeat_signs_nothing() {
        let hierarchy = crate::issuance::testing::hierarchy();
        let csr = hierarchy.csr();
        let issuer = hierarchy.issuer_with_two_units();
        let mut plan = hierarchy.unit_plan(&csr);
        plan.issuer = crate::IssuerRef::Ca(&issuer);
        assert_eq!(testing::refused(&plan), ["rfc5280.issuer-name"]);
    }
}
