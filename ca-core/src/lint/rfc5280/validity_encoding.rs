//! `rfc5280.validity-encoding`: UTCTime until 2049, GeneralizedTime from 2050.

use x509_parser::certificate::X509Certificate;

use crate::lint::{LintContext, Rule};

/// 2050-01-01T00:00:00Z
const GENERALIZED_FROM: i64 = 2_524_608_000;

pub(super) const RULE: Rule = Rule { name: "rfc5280.validity-encoding", clause: "RFC 5280 §4.1.2.5", check };

fn check(certificate: &X509Certificate<'_>, _: &LintContext<'_>) -> Option<String> {
    let validity = certificate.validity();
    [validity.not_before, validity.not_after]
        .into_iter()
        .find(|time| time.is_generalizedtime() != (time.timestamp() >= GENERALIZED_FROM))
        .map(|time| format!("{time} has the other encoding"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::testing;

    #[test]
    fn generalized_time_before_2050_is_found() {
        let hierarchy = crate::issuance::testing::hierarchy();
        let csr = hierarchy.csr();
        let plan = hierarchy.unit_plan(&csr);
        let tbs = crate::issuance::write_altered(&plan, |params| {
            params.not_after = rcgen::date_time_ymd(2050, 1, 1)
        });
        let mut tbs = tbs.unwrap();
        let encoding = |tbs: &[u8]| -> bool {
            let certificate = crate::encode::signed(tbs, plan.algorithm(), &[0; 72]);
            let findings = crate::lint::lint(&certificate, &LintContext::of(&plan));
            findings.iter().any(|finding| finding.rule == RULE.name)
        };
        assert!(!encoding(&tbs));
        testing::replace(&mut tbs, b"\x18\x0f20500101000000Z", b"\x18\x0f20490101000000Z");
        assert!(encoding(&tbs));
    }
}
