//! The extensions that a plan's certificate must have, written without rcgen: the lint compares.

use crate::encode::{self, Extension, extension as write};
use crate::issuance::CertificatePlan;
use crate::policy::{AlternativeName, Kind};
use crate::{Host, Issuer};

/// Every extension, in no particular order.
pub(crate) fn extensions(plan: &CertificatePlan<'_>) -> Vec<Extension> {
    let (profile, key) = (plan.profile, plan.key.key());
    let mut list = vec![
        write::basic_constraints(path_length(profile.kind())),
        write::key_usage(profile.key_usage()),
        encode::subject_key_identifier(&key.identifier()),
    ];
    list.extend(plan.issuer.ca().map(Issuer::key_identifier).map(encode::authority_key_identifier));
    if !profile.extended_key_usage().is_empty() {
        list.push(write::extended_key_usage(profile.extended_key_usage()));
    }
    match (profile.alternative_name(), plan.subject.code()) {
        (AlternativeName::None, _) | (AlternativeName::Uscc, None) => {}
        (AlternativeName::Uscc, Some(uscc)) => list.push(write::uscc_name(uscc)),
        (AlternativeName::Hosts, _) => list.push(hosts(plan.subject.hosts())),
    }
    if profile.crl_distribution_point() {
        list.push(write::crl_distribution_point(&plan.urls.crl(&plan.context.issuer, plan.shard)));
    }
    list.extend(without_rcgen(plan));
    list
}

/// Those for which rcgen has no type.
pub(super) fn without_rcgen(plan: &CertificatePlan<'_>) -> Vec<Extension> {
    let profile = plan.profile;
    let mut list = Vec::new();
    if profile.ocsp() || profile.ca_issuers() {
        let ca_issuers = profile.ca_issuers().then(|| plan.urls.ca_issuers(&plan.context.issuer));
        let ocsp = profile.ocsp().then(|| plan.urls.ocsp());
        list.push(write::authority_information_access(ocsp, ca_issuers.as_deref()));
    }
    if !profile.policies().is_empty() {
        list.push(write::certificate_policies(profile.policies(), profile.cps().then(|| plan.urls.cps())));
    }
    list.extend(plan.subject.code().filter(|_| profile.uscc()).map(write::uscc));
    if profile.ocsp_nocheck() {
        list.push(write::ocsp_nocheck());
    }
    list
}

/// RFC 5280 §4.2.1.9: the issuing CA signs end entities only; a trust anchor's constraint is not processed.
pub(super) fn path_length(kind: Kind) -> Option<Option<u8>> {
    match kind {
        Kind::EndEntity => None,
        Kind::IssuingCa => Some(Some(0)),
        Kind::RootCa => Some(None),
    }
}

fn hosts(hosts: &[Host]) -> Extension {
    let mut names = Vec::new();
    let mut addresses = Vec::new();
    for host in hosts {
        match host {
            Host::Dns(name) => names.push(name.as_str()),
            Host::Address(address) => addresses.push(*address),
        }
    }
    write::host_names(&names, &addresses)
}
