//! `rfc5280.name-lengths`: every attribute has a character and no more than its upper bound, counted in characters.

use x509_parser::certificate::X509Certificate;
use x509_parser::x509::AttributeTypeAndValue;

use crate::lint::{LintContext, Rule};

pub(super) const RULE: Rule = Rule { name: "rfc5280.name-lengths", clause: "RFC 5280 appendix A.1", check };

fn check(certificate: &X509Certificate<'_>, _: &LintContext<'_>) -> Option<String> {
    certificate.subject().iter_attributes().find_map(|attribute| {
        let most = upper_bound(attribute);
        // Other string types are for `rfc5280.name-string-types` to refuse.
        let found = attribute.as_str().ok()?.chars().count();
        (found == 0 || found > most)
            .then(|| format!("{} has {found} characters, 1 to {most} are possible", attribute.attr_type()))
    })
}

/// ub-country-name-alpha-length, ub-state-name, ub-locality-name; 64 for the names of organisations, units and
/// persons and for serialNumber. X.520 leaves organizationIdentifier open: 64 too.
fn upper_bound(attribute: &AttributeTypeAndValue<'_>) -> usize {
    match attribute.attr_type().to_id_string().as_str() {
        "2.5.4.6" => 2,
        "2.5.4.7" | "2.5.4.8" => 128,
        _ => 64,
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::testing;

    #[test]
    fn sixty_four_characters_and_not_more() {
        for (count, found) in [(64, false), (65, true)] {
            let rules = testing::written(|params| {
                params.distinguished_name.push(rcgen::DnType::CommonName, "名".repeat(count));
            });
            assert_eq!(rules.contains(&"rfc5280.name-lengths"), found, "{count}");
        }
        let empty =
            testing::written(|params| params.distinguished_name.push(rcgen::DnType::LocalityName, ""));
        assert!(empty.contains(&"rfc5280.name-lengths"));
    }
}
