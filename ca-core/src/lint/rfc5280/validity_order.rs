//! `rfc5280.validity-order`: notBefore lies before notAfter.

use x509_parser::certificate::X509Certificate;

use crate::lint::{LintContext, Rule};

pub(super) const RULE: Rule = Rule { name: "rfc5280.validity-order", clause: "RFC 5280 §4.1.2.5", check };

fn check(certificate: &X509Certificate<'_>, _: &LintContext<'_>) -> Option<String> {
    let validity = certificate.validity();
    (validity.not_before.timestamp() >= validity.not_after.timestamp())
        .then(|| format!("from {} to {}", validity.not_before, validity.not_after))
}

#[cfg(test)]
mod tests {
    use crate::lint::testing;

    #[test]
    fn an_empty_validity_is_found() {
        let rules = testing::planned(|plan| plan.not_after = plan.not_before);
        assert_eq!(rules, ["rfc5280.validity-order"]);
        let rules = testing::planned(|plan| plan.not_after = plan.not_before.plus_secs(-1));
        assert_eq!(rules, ["rfc5280.validity-order"]);
    }
}
