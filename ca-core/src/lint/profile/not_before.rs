//! `profile.not-before`: within 48 hours of now, so that nobody can date a certificate back.

use x509_parser::certificate::X509Certificate;

use crate::lint::{LintContext, Rule};

const DISTANCE_SECS: u64 = 48 * 3600;

pub(super) const RULE: Rule = Rule { name: "profile.not-before", clause: "BR 7.1.2.7", check };

fn check(certificate: &X509Certificate<'_>, context: &LintContext<'_>) -> Option<String> {
    let not_before = certificate.validity().not_before;
    (not_before.timestamp().abs_diff(context.at.secs()) > DISTANCE_SECS)
        .then(|| format!("valid from {not_before}, now is {}", context.at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::testing;

    #[test]
    fn two_days_and_a_second_are_found() {
        for (seconds, found) in [(0, false), (1, true)] {
            let distance = 48 * 3600 + seconds;
            for distance in [distance, -distance] {
                let rules = testing::planned(|plan| plan.not_before = plan.context.at.plus_secs(distance));
                assert_eq!(rules.contains(&RULE.name), found, "{distance}: {rules:?}");
            }
        }
    }
}
