//! `rfc5280.version`: v3 whenever there are extensions.

use x509_parser::certificate::X509Certificate;
use x509_parser::x509::X509Version;

use crate::lint::{LintContext, Rule};

pub(super) const RULE: Rule = Rule { name: "rfc5280.version", clause: "RFC 5280 §4.1.2.1", check };

fn check(certificate: &X509Certificate<'_>, _: &LintContext<'_>) -> Option<String> {
    let version = certificate.version();
    (version != X509Version::V3).then(|| format!("version is {version}"))
}

#[cfg(test)]
mod tests {
    use crate::lint::testing;

    #[test]
    fn version_2_is_found() {
        let rules = testing::altered(|der| testing::replace(der, &[0xa0, 3, 2, 1, 2], &[0xa0, 3, 2, 1, 1]));
        assert_eq!(rules, ["rfc5280.version"]);
    }
}
