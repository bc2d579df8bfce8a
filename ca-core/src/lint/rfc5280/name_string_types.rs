//! `rfc5280.name-string-types`: UTF8String, but PrintableString where appendix A says so; one attribute a set.

use x509_parser::asn1_rs::Tag;
use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry::{OID_X509_COUNTRY_NAME, OID_X509_SERIALNUMBER};

use crate::lint::{LintContext, Rule};

pub(super) const RULE: Rule = Rule { name: "rfc5280.name-string-types", clause: "RFC 5280 §4.1.2.4", check };

fn check(certificate: &X509Certificate<'_>, _: &LintContext<'_>) -> Option<String> {
    let subject = certificate.subject();
    if subject.iter_rdn().any(|relative| relative.iter().count() != 1) {
        return Some("two attributes in one set".to_owned());
    }
    let printable = [OID_X509_COUNTRY_NAME, OID_X509_SERIALNUMBER];
    subject
        .iter_attributes()
        .find(|attribute| {
            let expected = if printable.contains(attribute.attr_type()) {
                Tag::PrintableString
            } else {
                Tag::Utf8String
            };
            attribute.attr_value().tag() != expected || attribute.as_str().is_err()
        })
        .map(|attribute| format!("{} is a {}", attribute.attr_type(), attribute.attr_value().tag()))
}

#[cfg(test)]
mod tests {
    use crate::lint::testing;

    #[test]
    fn bmp_string_and_utf8_country_are_found() {
        let bmp = testing::written(|params| {
            let value = rcgen::string::BmpString::try_from("南京").unwrap();
            params.distinguished_name.push(rcgen::DnType::LocalityName, rcgen::DnValue::BmpString(value));
        });
        assert_eq!(bmp, ["rfc5280.name-string-types", "profile.subject"]);
        let country =
            testing::written(|params| params.distinguished_name.push(rcgen::DnType::CountryName, "CN"));
        assert_eq!(country, ["rfc5280.name-string-types", "profile.subject"]);
    }
}
