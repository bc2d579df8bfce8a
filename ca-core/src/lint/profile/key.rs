//! `profile.key`: the key of the request, byte for byte, of a kind that the profile allows.

use x509_parser::certificate::X509Certificate;

use crate::lint::{LintContext, Rule};

pub(super) const RULE: Rule =
    Rule { name: "profile.key", clause: "policies/profiles, policies/keys.toml", check };

fn check(certificate: &X509Certificate<'_>, context: &LintContext<'_>) -> Option<String> {
    if certificate.public_key().raw != context.key.spki_der() {
        return Some("the SubjectPublicKeyInfo is not the one that was judged".to_owned());
    }
    let (algorithm, profile) = (context.key.algorithm(), context.profile);
    (!profile.key_algorithms().contains(&algorithm))
        .then(|| format!("{} is not among the kinds of profile {}", algorithm.name(), profile.name()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::testing;

    #[test]
    fn another_key_is_found() {
        let hierarchy = crate::issuance::testing::hierarchy();
        let (csr, other) = (hierarchy.csr(), hierarchy.csr());
        let plan = hierarchy.unit_plan(&csr);
        let certificate = hierarchy.issue(&plan);
        let mut context = LintContext::of(&plan);
        context.key = other.key();
        let findings = crate::lint::lint(certificate.der(), &context);
        assert_eq!(findings.iter().map(|finding| finding.rule).collect::<Vec<_>>(), ["profile.key"]);
    }

    #[test]
    fn a_kind_that_the_profile_does_not_name_is_found() {
        let mut files = crate::policy::testing::files();
        let all = "key-algorithms = [\"ec-p256\", \"rsa-2048\", \"rsa-3072\"]";
        crate::policy::testing::replace(
            &mut files,
            "profiles/unit-sign.toml",
            all,
            "key-algorithms = [\"rsa-2048\"]",
        );
        let policies = crate::policy::Policies::parse(&files).unwrap();
        let hierarchy = crate::issuance::testing::hierarchy();
        let csr = hierarchy.csr();
        let mut plan = hierarchy.unit_plan(&csr);
        plan.profile = policies.profile("unit-sign").unwrap();
        assert_eq!(testing::refused(&plan), ["profile.key"]);
    }
}
