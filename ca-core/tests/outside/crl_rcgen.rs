//! Our CRL writer beside rcgen's: what both can write is the same.
use crate::common::{DAY, Hierarchy, hierarchy};
use ca_core::{CrlEntry, CrlPlan, CrlScope, CrlStanding};
use ca_verifier::oid::STATUS_EPOCH;
use ca_verifier::{Reason, Serial, Time};
use rcgen::{
    CertificateParams, CertificateRevocationListParams, CrlDistributionPoint, CrlIssuingDistributionPoint,
    DnType, KeyIdMethod, KeyUsagePurpose, RevocationReason, RevokedCertParams, SerialNumber, SigningKey,
};
use std::time::Duration;
use x509_parser::extensions::X509Extension;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

const REASONS: [(CrlStanding, RevocationReason); 7] = [
    (CrlStanding::Held, RevocationReason::CertificateHold),
    (CrlStanding::Revoked(Reason::KeyCompromise), RevocationReason::KeyCompromise),
    (CrlStanding::Revoked(Reason::CaCompromise), RevocationReason::CaCompromise),
    (CrlStanding::Revoked(Reason::AffiliationChanged), RevocationReason::AffiliationChanged),
    (CrlStanding::Revoked(Reason::Superseded), RevocationReason::Superseded),
    (CrlStanding::Revoked(Reason::CessationOfOperation), RevocationReason::CessationOfOperation),
    (CrlStanding::Revoked(Reason::PrivilegeWithdrawn), RevocationReason::PrivilegeWithdrawn),
];

fn serial(index: usize) -> Serial {
    Serial::from_random(1, &[u8::try_from(index + 1).unwrap(); 17]).unwrap()
}

fn ours(hierarchy: &Hierarchy, url: &str) -> Vec<u8> {
    let since = hierarchy.now;
    let entries = REASONS.iter().enumerate();
    let plan = CrlPlan {
        issuer: &hierarchy.issuing,
        scope: CrlScope::Shard(url),
        number: 4711,
        this_update: hierarchy.now,
        next_update: hierarchy.now.plus_secs(DAY),
        epoch: 1,
        expired_since: None,
        entries: entries.map(|(index, (standing, _))| CrlEntry {
            serial: serial(index),
            since,
            standing: *standing,
            invalid_since: None,
        }),
    };
    plan.prepare().unwrap().sign(|tbs| hierarchy.issuing_key.sign(tbs)).unwrap().into_der()
}

fn theirs(hierarchy: &Hierarchy, url: &str) -> Vec<u8> {
    let at = |time: Time| {
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(time.secs()).unwrap())
    };
    let revoked_certs = REASONS.iter().enumerate().map(|(index, (_, reason))| RevokedCertParams {
        serial_number: SerialNumber::from_slice(serial(index).as_bytes()),
        revocation_time: at(hierarchy.now),
        reason_code: Some(*reason),
        invalidity_date: None,
    });
    let params = CertificateRevocationListParams {
        this_update: at(hierarchy.now),
        next_update: at(hierarchy.now.plus_secs(DAY)),
        crl_number: 4711_u64.into(),
        issuing_distribution_point: Some(CrlIssuingDistributionPoint {
            distribution_point: CrlDistributionPoint { uris: vec![url.to_owned()] },
            scope: None,
        }),
        revoked_certs: revoked_certs.collect(),
        key_identifier_method: KeyIdMethod::PreSpecified(hierarchy.issuing.key_identifier().to_vec()),
    };
    let mut issuer = CertificateParams::default();
    issuer.distinguished_name = rcgen::DistinguishedName::new();
    let country = rcgen::DnValue::PrintableString("CN".try_into().unwrap());
    issuer.distinguished_name.push(DnType::CountryName, country);
    issuer.distinguished_name.push(DnType::OrganizationName, "签印");
    issuer.distinguished_name.push(DnType::CommonName, "签印 issuing-ca");
    issuer.key_usages = vec![KeyUsagePurpose::CrlSign];
    params.signed_by(&rcgen::Issuer::new(issuer, &hierarchy.issuing_key)).unwrap().der().to_vec()
}

#[test]
fn the_same_entries_and_extensions() {
    let hierarchy = hierarchy();
    let url = hierarchy.urls.crl("issuing", 3);
    let (ours, theirs) = (ours(&hierarchy, &url), theirs(&hierarchy, &url));
    let (_, ours) = CertificateRevocationList::from_der(&ours).unwrap();
    let (_, theirs) = CertificateRevocationList::from_der(&theirs).unwrap();
    assert_eq!(ours.issuer().as_raw(), theirs.issuer().as_raw());
    assert_eq!((ours.last_update(), ours.next_update()), (theirs.last_update(), theirs.next_update()));
    assert_eq!(ours.signature_algorithm, theirs.signature_algorithm);
    assert_eq!(ours.tbs_cert_list.revoked_certificates, theirs.tbs_cert_list.revoked_certificates);
    let is_epoch = |extension: &&X509Extension<'_>| extension.oid.as_bytes() == STATUS_EPOCH;
    let without_epoch: Vec<_> = ours.extensions().iter().filter(|extension| !is_epoch(extension)).collect();
    assert_eq!(without_epoch, theirs.extensions().iter().collect::<Vec<_>>());
}
