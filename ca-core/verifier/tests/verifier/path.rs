//! Paths: what is accepted, and the word for each refusal.

use ca_verifier::{Error, PRESENTED_MAX, Refusal, Time, Trust};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use rustls_pki_types::CertificateDer;

use crate::pki::{Ca, DAY, NOW, leaf_params, two_tiers, validity};

type Change = fn(&mut CertificateParams);

fn verify(trust: &Trust, leaf: &[u8]) -> Result<(), Refusal> {
    trust.verify_path(leaf, &[], NOW).map(|_| ())
}

#[test]
fn accepts_through_configured_and_through_presented_intermediates() {
    let (root, issuing, trust) = two_tiers();
    let leaf = issuing.leaf(|_| {});
    assert_eq!(verify(&trust, &leaf), Ok(()));
    let without = Trust::new(std::slice::from_ref(&root.der), &[]).unwrap();
    assert_eq!(verify(&without, &leaf), Err(Refusal::UnknownIssuer));
    assert!(without.verify_path(&leaf, std::slice::from_ref(&issuing.der), NOW).is_ok());
}

#[test]
fn names_the_reason_of_each_refusal() {
    let (_, issuing, trust) = two_tiers();
    let cases: [(&str, Refusal, Change); 9] = [
        ("expired", Refusal::Expired { not_after: NOW.plus_secs(-DAY) }, |params| validity(params, -10, -1)),
        ("future", Refusal::NotYetValid { not_before: NOW.plus_secs(DAY) }, |params| validity(params, 1, 10)),
        ("server only", Refusal::ExtendedKeyUsage, |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        }),
        ("no extendedKeyUsage", Refusal::ExtendedKeyUsage, |params| params.extended_key_usages.clear()),
        ("no keyUsage", Refusal::KeyUsage, |params| params.key_usages.clear()),
        ("encryption only", Refusal::KeyUsage, |params| {
            params.key_usages = vec![KeyUsagePurpose::KeyEncipherment, KeyUsagePurpose::DataEncipherment];
        }),
        ("keyCertSign", Refusal::KeyUsage, |params| params.key_usages.push(KeyUsagePurpose::KeyCertSign)),
        ("a CA", Refusal::KeyUsage, |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
        ("no identity", Refusal::NoIdentity, |params| params.custom_extensions.clear()),
    ];
    for (name, refusal, change) in cases {
        assert_eq!(verify(&trust, &issuing.leaf(change)), Err(refusal), "{name}");
    }
}

#[test]
fn refuses_strangers() {
    let (_, issuing, trust) = two_tiers();
    let foreign = Ca::root_named("Other", |_| {}).below("Other issuing");
    let leaf = foreign.leaf(|_| {});
    assert_eq!(verify(&trust, &leaf), Err(Refusal::UnknownIssuer));
    let chain = [foreign.der.clone()];
    assert_eq!(trust.verify_path(&leaf, &chain, NOW).unwrap_err(), Refusal::UnknownIssuer);

    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let self_signed = params.self_signed(&key).unwrap();
    assert_eq!(verify(&trust, self_signed.der()), Err(Refusal::UnknownIssuer));

    // The same name on another key.
    let impostor = Ca::root().below("Issuing");
    assert_eq!(verify(&trust, &impostor.leaf(|_| {})), Err(Refusal::BadSignature));

    let mut damaged = issuing.leaf(|_| {}).to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(verify(&trust, &damaged), Err(Refusal::BadSignature));

    // A unit must not issue certificates below its own.
    let (unit, key) = issuing.leaf_and_key(|_| {});
    let mut params = CertificateParams::default();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let signer = rcgen::Issuer::new(leaf_params(), key);
    let below = params.signed_by(&KeyPair::generate().unwrap(), &signer).unwrap();
    assert_eq!(trust.verify_path(below.der(), &[unit], NOW).unwrap_err(), Refusal::UnknownIssuer);
}

#[test]
fn refuses_when_a_ca_is_over_or_must_not_certify() {
    let old_root = Ca::root_named("Root", |params| validity(params, -1000, -1));
    let issuing = old_root.below("Issuing");
    let trust = Trust::new(&[old_root.der], std::slice::from_ref(&issuing.der)).unwrap();
    assert_eq!(verify(&trust, &issuing.leaf(|_| {})), Err(Refusal::IssuerExpired));

    let root = Ca::root();
    let over = root.below_with("Over", |params| validity(params, -1000, -1));
    let mute = root.below_with("Mute", |params| params.key_usages = vec![KeyUsagePurpose::CrlSign]);
    let trust = Trust::new(&[root.der], &[over.der.clone(), mute.der.clone()]).unwrap();
    assert_eq!(verify(&trust, &over.leaf(|_| {})), Err(Refusal::IssuerExpired));
    assert_eq!(verify(&trust, &mute.leaf(|_| {})), Err(Refusal::UnknownIssuer));
}

#[test]
fn not_after_is_the_last_second() {
    let (_, issuing, trust) = two_tiers();
    let leaf = issuing.leaf(|_| {});
    let last = NOW.plus_secs(300 * DAY);
    let path = trust.verify_path(&leaf, &[], last).unwrap();
    assert_eq!(path.check_validity(Time::from_millis(last.millis() + 999)), Ok(()));
    assert_eq!(path.check_validity(last.plus_secs(1)), Err(Refusal::Expired { not_after: last }));
    assert_eq!(path.check_validity(NOW.plus_secs(-11 * DAY)).unwrap_err().code(), "not-yet-valid");
}

#[test]
fn a_long_connection_outlives_no_ca() {
    let root = Ca::root();
    let issuing = root.below_with("Issuing", |params| validity(params, -10, 5));
    let trust = Trust::new(&[root.der], std::slice::from_ref(&issuing.der)).unwrap();
    let path = trust.verify_path(&issuing.leaf(|_| {}), &[], NOW).unwrap();
    assert_eq!(path.check_validity(NOW.plus_secs(5 * DAY)), Ok(()));
    assert_eq!(path.check_validity(NOW.plus_secs(6 * DAY)), Err(Refusal::IssuerExpired));
}

#[test]
fn limits_what_a_client_may_present() {
    let (_, issuing, trust) = two_tiers();
    let leaf = issuing.leaf(|_| {});
    let many = vec![issuing.der.clone(); PRESENTED_MAX];
    assert!(trust.verify_path(&leaf, &many, NOW).is_ok());
    let more = vec![issuing.der; PRESENTED_MAX + 1];
    assert_eq!(trust.verify_path(&leaf, &more, NOW).unwrap_err().code(), "malformed");
    let huge = [CertificateDer::from(vec![0x30; 70_000])];
    assert_eq!(trust.verify_path(&leaf, &huge, NOW).unwrap_err().code(), "malformed");
    assert_eq!(trust.verify_path(b"", &[], NOW).unwrap_err().code(), "malformed");
}

#[test]
fn trust_needs_ca_certificates() {
    assert!(matches!(Trust::new(&[], &[]), Err(Error::Form { what: "trust anchors", .. })));
    let root = Ca::root();
    let leaf = root.leaf(|_| {});
    assert!(matches!(
        Trust::new(std::slice::from_ref(&leaf), &[]),
        Err(Error::Form { what: "trust anchor", .. })
    ));
    assert!(matches!(Trust::new(&[root.der], &[leaf]), Err(Error::Form { what: "intermediate CA", .. })));
    assert!(Trust::new(&[CertificateDer::from(vec![0; 10])], &[]).is_err());
}
