//! `rfc5280.issuer-validity`: no certificate outlives its issuer (a path is valid while all of it is, §6.1.3 a 2).

use x509_parser::certificate::X509Certificate;

use crate::lint::{LintContext, Rule};

pub(super) const RULE: Rule = Rule { name: "rfc5280.issuer-validity", clause: "RFC 5280 §6.1.3", check };

fn check(certificate: &X509Certificate<'_>, context: &LintContext<'_>) -> Option<String> {
    let issuer_end = context.issuer?.not_after();
    let end = certificate.validity().not_after;
    (end.timestamp() > issuer_end.secs()).then(|| format!("valid to {end}, its issuer to {issuer_end}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::testing;

    #[test]
    fn one_second_more_is_found() {
        let hierarchy = crate::issuance::testing::hierarchy();
        let csr = hierarchy.csr();
        let mut plan = hierarchy.unit_plan(&csr);
        for (end, found) in [(0, false), (1, true)] {
            plan.not_after = hierarchy.issuing.not_after().plus_secs(end);
            assert_eq!(testing::refused(&plan).contains(&RULE.name), found);
        }
    }
}
