//! What is wrong with a certificate, before it is signed (BR 4.3.1.2). One rule and its test a file, in folders by
//! the source of the rule.
//!
//! The rules read the octets with x509-parser; what wrote them (rcgen) has no say here.

mod profile;
mod rfc5280;
#[cfg(test)]
mod testing;

use std::fmt;

use ca_verifier::{Serial, Time};
use x509_parser::certificate::X509Certificate;

use crate::encode::Extension;
use crate::issuance::{CertificatePlan, extensions};
use crate::issuer::read;
use crate::policy::Profile;
use crate::{Issuer, SignatureAlgorithm, SubjectKey};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule's name.
    pub rule: &'static str,
    /// The clause that it comes from.
    pub clause: &'static str,
    /// What was found.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.rule, self.clause, self.detail)
    }
}

/// What the certificate should be.
#[derive(Clone, Debug)]
pub struct LintContext<'a> {
    pub(crate) profile: &'a Profile,
    pub(crate) issuer: Option<&'a Issuer>,
    pub(crate) algorithm: SignatureAlgorithm,
    pub(crate) key: &'a SubjectKey,
    pub(crate) subject: Vec<u8>,
    pub(crate) serial: Serial,
    pub(crate) not_before: Time,
    pub(crate) not_after: Time,
    pub(crate) at: Time,
    pub(crate) extensions: Vec<Extension>,
}

impl<'a> LintContext<'a> {
    /// What the plan's certificate should be.
    #[must_use]
    pub fn of(plan: &CertificatePlan<'a>) -> Self {
        Self {
            profile: plan.profile,
            issuer: plan.issuer.ca(),
            algorithm: plan.algorithm(),
            key: plan.key.key(),
            subject: plan.subject.der(),
            serial: plan.serial,
            not_before: plan.not_before,
            not_after: plan.not_after,
            at: plan.context.at,
            extensions: extensions(plan),
        }
    }
}

/// A rule: its name, its clause, and what it finds.
struct Rule {
    name: &'static str,
    clause: &'static str,
    check: fn(&X509Certificate<'_>, &LintContext<'_>) -> Option<String>,
}

/// Every finding in a DER certificate; its signature is not looked at.
#[must_use]
pub fn lint(cert_der: &[u8], context: &LintContext<'_>) -> Vec<Finding> {
    let Some(certificate) = read(cert_der) else {
        let detail = "not one DER certificate".to_owned();
        return vec![Finding { rule: "rfc5280.form", clause: "RFC 5280 §4.1", detail }];
    };
    let rules = rfc5280::RULES.iter().chain(profile::RULES);
    rules
        .filter_map(|rule| {
            let detail = (rule.check)(&certificate, context)?;
            Some(Finding { rule: rule.name, clause: rule.clause, detail })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuance::testing::hierarchy;

    #[test]
    fn what_we_issue_is_clean() {
        let hierarchy = hierarchy();
        let csr = hierarchy.csr();
        for plan in [hierarchy.unit_plan(&csr), hierarchy.server_plan(&csr), hierarchy.responder_plan(&csr)] {
            let certificate = hierarchy.issue(&plan);
            assert_eq!(lint(certificate.der(), &LintContext::of(&plan)), []);
        }
    }

    #[test]
    fn octets_after_the_certificate_are_found() {
        let hierarchy = hierarchy();
        let csr = hierarchy.csr();
        let plan = hierarchy.unit_plan(&csr);
        let der = [hierarchy.issue(&plan).der(), &[0]].concat();
        let findings = lint(&der, &LintContext::of(&plan));
        assert_eq!(findings[0].to_string(), "rfc5280.form (RFC 5280 §4.1): not one DER certificate");
    }

    #[test]
    fn rules_have_names_of_their_own() {
        let mut names: Vec<&str> =
            rfc5280::RULES.iter().chain(profile::RULES).map(|rule| rule.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!((count, names.len()), (22, 22));
    }
}
