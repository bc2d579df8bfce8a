//! `profile.validity`: the planned moments, to the second.

use x509_parser::certificate::X509Certificate;

use crate::lint::{LintContext, Rule};

pub(super) const RULE: Rule = Rule { name: "profile.validity", clause: "ARCHITECTURE.md I2", check };

fn check(certificate: &X509Certificate<'_>, context: &LintContext<'_>) -> Option<String> {
    let validity = certificate.validity();
    let found = (validity.not_before.timestamp(), validity.not_after.timestamp());
    (found != (context.not_before.secs(), context.not_after.secs())).then(|| {
        format!(
            "from {} to {}, planned was {} to {}",
            validity.not_before, validity.not_after, context.not_before, context.not_after
        )
    })
}

#[cfg(test)]
mod tests {
    use crate::lint::testing;

    #[test]
    fn one_second_is_found() {
        let rules = testing::expected_other(|context| context.not_after = context.not_after.plus_secs(1));
        assert_eq!(rules, ["profile.validity"]);
    }
}
