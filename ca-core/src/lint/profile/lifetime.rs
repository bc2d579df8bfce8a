//! `profile.lifetime`: no longer than the profile allows; both ends belong to the validity (RFC 5280 §4.1.2.5).

use x509_parser::certificate::X509Certificate;

use crate::lint::{LintContext, Rule};

const DAY_SECS: i64 = 86_400;

pub(super) const RULE: Rule = Rule { name: "profile.lifetime", clause: "policies/profiles", check };

fn check(certificate: &X509Certificate<'_>, context: &LintContext<'_>) -> Option<String> {
    let validity = certificate.validity();
    let seconds = validity.not_after.timestamp() - validity.not_before.timestamp() + 1;
    let most = context.profile.lifetime_days_max();
    (seconds > i64::from(most) * DAY_SECS).then(|| format!("{seconds} seconds, at most {most} days"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::testing;

    #[test]
    fn one_second_more_is_found() {
        for (seconds, found) in [(-1, false), (0, true)] {
            let rules = testing::planned(|plan| {
                plan.not_after = plan.not_before.plus_secs(1188 * DAY_SECS + seconds)
            });
            assert_eq!(rules.contains(&RULE.name), found, "{rules:?}");
        }
    }
}
