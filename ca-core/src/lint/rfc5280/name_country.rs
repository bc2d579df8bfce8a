//! `rfc5280.name-country`: two capital letters of ISO 3166 (X.520 §6.3.1).

use x509_parser::certificate::X509Certificate;

use crate::lint::{LintContext, Rule};

pub(super) const RULE: Rule = Rule { name: "rfc5280.name-country", clause: "RFC 5280 appendix A.1", check };

fn check(certificate: &X509Certificate<'_>, _: &LintContext<'_>) -> Option<String> {
    let is_code = |text: &str| text.len() == 2 && text.bytes().all(|c| c.is_ascii_uppercase());
    let countries: Vec<&[u8]> =
        certificate.subject().iter_country().map(|country| country.as_slice()).collect();
    match countries.as_slice() {
        [] => Some("absent".to_owned()),
        [country] if std::str::from_utf8(country).is_ok_and(is_code) => None,
        _ => Some(format!("{} countries, or not two capital letters", countries.len())),
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::testing;

    #[test]
    fn absent_and_lower_case_are_found() {
        let absent =
            testing::written(|params| assert!(params.distinguished_name.remove(rcgen::DnType::CountryName)));
        assert_eq!(absent, ["rfc5280.name-country", "profile.subject"]);
        for bad in ["cn", "CHN", "C"] {
            let rules = testing::written(|params| {
                let value = rcgen::string::PrintableString::try_from(bad).unwrap();
                params
                    .distinguished_name
                    .push(rcgen::DnType::CountryName, rcgen::DnValue::PrintableString(value));
            });
            assert!(rules.contains(&"rfc5280.name-country"), "{bad}: {rules:?}");
        }
    }
}
