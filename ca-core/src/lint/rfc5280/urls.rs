//! `rfc5280.urls`: status is fetched by plain HTTP from an absolute address; https would ask for status to get status
//! (§8).

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{DistributionPointName, GeneralName, ParsedExtension};

use crate::lint::{LintContext, Rule};

pub(super) const RULE: Rule = Rule { name: "rfc5280.urls", clause: "RFC 5280 §4.2.1.13, §4.2.2.1", check };

fn check(certificate: &X509Certificate<'_>, _: &LintContext<'_>) -> Option<String> {
    names(certificate).into_iter().find_map(|name| match name {
        GeneralName::URI(url) if is_http(url) => None,
        other => Some(format!("{other} is not an absolute http address")),
    })
}

fn names<'a>(certificate: &'a X509Certificate<'_>) -> Vec<&'a GeneralName<'a>> {
    let mut names = Vec::new();
    for extension in certificate.iter_extensions() {
        match extension.parsed_extension() {
            ParsedExtension::AuthorityInfoAccess(access) => {
                names.extend(access.accessdescs.iter().map(|description| &description.access_location));
            }
            ParsedExtension::CRLDistributionPoints(points) => {
                let full = points.iter().filter_map(|point| match &point.distribution_point {
                    Some(DistributionPointName::FullName(names)) => Some(names),
                    _ => None,
                });
                names.extend(full.flatten());
            }
            _ => {}
        }
    }
    names
}

fn is_http(url: &str) -> bool {
    let host = url.strip_prefix("http://").unwrap_or_default();
    url.bytes().all(|c| c.is_ascii_graphic())
        && host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
}

#[cfg(test)]
mod tests {
    use crate::lint::testing;

    #[test]
    fn https_ldap_and_relative_addresses_are_found() {
        for bad in
            ["https://crl.qianyin.test/1.crl", "ldap://crl.qianyin.test/1", "/crl/1.crl", "http:///1.crl"]
        {
            let rules =
                testing::written(|params| params.crl_distribution_points[0].uris = vec![bad.to_owned()]);
            assert_eq!(rules, ["rfc5280.urls", "profile.extensions"], "{bad}");
        }
    }
}
