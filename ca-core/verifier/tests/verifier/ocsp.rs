//! OCSP answers: by the CA, by its responder, and by everybody else.

use ca_verifier::{Error, OcspAnswer, Reason, Serial, Standing, Time};
use rcgen::{CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::pki::{
    Ca, NOW, SERIAL, extension, generalized_time, not_activated, sequence, sign, tlv, validity,
};

const NONCE: [u8; 16] = [7; 16];
const NONCE_OID: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 48, 1, 2];
const GOOD: [u8; 2] = [0x80, 0];
const UNKNOWN: [u8; 2] = [0x82, 0];

struct Spec {
    sha256: bool,
    serials: Vec<Vec<u8>>,
    status: Vec<u8>,
    this_update: Time,
    next_update: Option<Time>,
    single: Vec<Vec<u8>>,
    extensions: Vec<Vec<u8>>,
}

impl Spec {
    fn new() -> Self {
        Self {
            sha256: false,
            serials: vec![SERIAL.to_vec()],
            status: GOOD.to_vec(),
            this_update: NOW,
            next_update: Some(NOW.plus_secs(3600)),
            single: vec![],
            extensions: vec![],
        }
    }

    fn tbs(&self, ca: &Ca, responder: Vec<u8>) -> Vec<u8> {
        let (algorithm, oid): (_, &[u8]) = if self.sha256 {
            (&SHA256, &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1])
        } else {
            (&SHA1_FOR_LEGACY_USE_ONLY, &[0x2b, 14, 3, 2, 26])
        };
        let hash = |octets: &[u8]| tlv(4, digest(algorithm, octets).as_ref());
        let singles: Vec<Vec<u8>> = self
            .serials
            .iter()
            .map(|serial| {
                let id = sequence(&[
                    sequence(&[tlv(6, oid), tlv(5, &[])]),
                    hash(&ca.name()),
                    hash(&ca.key_bits()),
                    tlv(2, serial),
                ]);
                sequence(&[
                    id,
                    self.status.clone(),
                    generalized_time(self.this_update),
                    self.next_update.map(|at| tlv(0xa0, &generalized_time(at))).unwrap_or_default(),
                    if self.single.is_empty() { vec![] } else { tlv(0xa1, &sequence(&self.single)) },
                ])
            })
            .collect();
        let extensions =
            if self.extensions.is_empty() { vec![] } else { tlv(0xa1, &sequence(&self.extensions)) };
        sequence(&[responder, generalized_time(self.this_update), sequence(&singles), extensions])
    }
}

fn by_name(name: &[u8]) -> Vec<u8> {
    tlv(0xa1, name)
}

fn wrap(basic: &[u8]) -> Vec<u8> {
    let bytes = sequence(&[tlv(6, &[0x2b, 6, 1, 5, 5, 7, 48, 1, 1]), tlv(4, basic)]);
    sequence(&[tlv(0x0a, &[0]), tlv(0xa0, &bytes)])
}

/// Signed by the CA itself.
fn direct(ca: &Ca, change: impl FnOnce(&mut Spec)) -> Vec<u8> {
    let mut spec = Spec::new();
    change(&mut spec);
    wrap(&ca.sign(&spec.tbs(ca, by_name(&ca.name()))))
}

fn serial() -> Serial {
    Serial::from_content(&SERIAL).unwrap()
}

fn verify(der: &[u8], ca: &Ca) -> Result<Option<Standing>, Error> {
    OcspAnswer::verify(der, &ca.der, &serial(), None, NOW).map(|answer| answer.standing())
}

fn revoked(reason: Option<u8>) -> Vec<u8> {
    let reason = reason.map(|code| tlv(0xa0, &tlv(0x0a, &[code]))).unwrap_or_default();
    tlv(0xa1, &[generalized_time(NOW), reason].concat())
}

#[test]
fn reads_every_status_with_both_hashes() {
    let ca = Ca::root();
    for (status, single, standing) in [
        (GOOD.to_vec(), vec![], Some(Standing::Good)),
        (UNKNOWN.to_vec(), vec![], None),
        (revoked(None), vec![], Some(Standing::Revoked(Reason::Unspecified))),
        (revoked(Some(1)), vec![], Some(Standing::Revoked(Reason::KeyCompromise))),
        (revoked(Some(6)), vec![], Some(Standing::Held)),
        (revoked(Some(6)), vec![not_activated()], Some(Standing::NotActivated)),
    ] {
        for sha256 in [false, true] {
            let der = direct(&ca, |spec| {
                spec.sha256 = sha256;
                spec.status.clone_from(&status);
                spec.single.clone_from(&single);
            });
            assert_eq!(verify(&der, &ca), Ok(standing));
        }
    }
    let der = direct(&ca, |_| {});
    let answer = OcspAnswer::verify(&der, &ca.der, &serial(), None, NOW).unwrap();
    assert_eq!((answer.this_update(), answer.next_update()), (NOW, NOW.plus_secs(3600)));
    assert_eq!(answer.since(), None);
    let der = direct(&ca, |spec| spec.status = revoked(Some(1)));
    assert_eq!(OcspAnswer::verify(&der, &ca.der, &serial(), None, NOW).unwrap().since(), Some(NOW));
}

#[test]
fn answers_exactly_one_certificate() {
    let ca = Ca::root();
    let with = |serials: Vec<Vec<u8>>| direct(&ca, |spec| spec.serials = serials);
    assert_eq!(verify(&with(vec![vec![5], SERIAL.to_vec()]), &ca), Ok(Some(Standing::Good)));
    for (serials, found) in [(vec![], 0), (vec![vec![5]], 0), (vec![SERIAL.to_vec(), SERIAL.to_vec()], 2)] {
        assert_eq!(verify(&with(serials), &ca), Err(Error::OcspAnswers { found }));
    }
    // The same serial of another CA, vouched for by this one; also of one that shares its name or its key.
    for other in [Ca::root_named("Other", |_| {}), Ca::root(), ca.renamed("Other")] {
        let about_other = wrap(&ca.sign(&Spec::new().tbs(&other, by_name(&ca.name()))));
        assert_eq!(verify(&about_other, &ca), Err(Error::OcspAnswers { found: 0 }));
    }
}

#[test]
fn the_nonce_must_come_back() {
    let ca = Ca::root();
    let with = |extensions: Vec<Vec<u8>>| direct(&ca, |spec| spec.extensions = extensions);
    let nonce = |octets: &[u8]| extension(NONCE_OID, false, &tlv(4, octets));
    let ask = |der: &[u8]| OcspAnswer::verify(der, &ca.der, &serial(), Some(&NONCE), NOW).map(|_| ());
    assert_eq!(ask(&with(vec![nonce(&NONCE)])), Ok(()));
    assert_eq!(ask(&with(vec![nonce(&[8; 16])])), Err(Error::OcspNonce));
    assert_eq!(ask(&with(vec![])), Err(Error::OcspNonce));
    assert_eq!(verify(&with(vec![nonce(&NONCE)]), &ca), Ok(Some(Standing::Good)), "unasked, ignored");
}

#[test]
fn only_current_answers_count() {
    let ca = Ca::root();
    let der = direct(&ca, |_| {});
    let at = |now| OcspAnswer::verify(&der, &ca.der, &serial(), None, now).map(|_| ());
    assert_eq!(at(NOW.plus_secs(3600)), Ok(()));
    assert!(matches!(at(NOW.plus_secs(3601)), Err(Error::NoLongerCurrent { .. })));
    assert_eq!(at(NOW.plus_secs(-60)), Ok(()));
    assert!(matches!(at(NOW.plus_secs(-61)), Err(Error::NotYetCurrent { .. })));
    let endless = direct(&ca, |spec| spec.next_update = None);
    assert!(matches!(verify(&endless, &ca), Err(Error::Form { .. })));
}

#[test]
fn error_answers_carry_their_number() {
    let ca = Ca::root();
    for status in [1, 2, 3, 5, 6] {
        assert_eq!(verify(&[0x30, 3, 0x0a, 1, status], &ca), Err(Error::OcspStatus(status)));
    }
    assert!(matches!(verify(&[0x30, 3, 0x0a, 1, 0], &ca), Err(Error::Form { .. })));
}

#[test]
fn refuses_unknown_critical_extensions() {
    let ca = Ca::root();
    let unknown = || vec![extension(&[0x2a, 3, 4], true, &[5, 0])];
    for der in [direct(&ca, |spec| spec.extensions = unknown()), direct(&ca, |spec| spec.single = unknown())]
    {
        assert!(matches!(verify(&der, &ca), Err(Error::CriticalExtension { .. })));
    }
}

/// Signed by a responder of `certifier`, about `ca`; `by_key` chooses the form of ResponderID.
fn delegated(ca: &Ca, certifier: &Ca, by_key: bool, change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Responder");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
    params.custom_extensions =
        vec![CustomExtension::from_oid_content(ca_verifier::oid::OCSP_NOCHECK, vec![5, 0])];
    validity(&mut params, -1, 30);
    change(&mut params);
    let cert = params.signed_by(&key, certifier.issuer()).unwrap();
    let parsed = X509Certificate::from_der(cert.der()).unwrap().1;
    let id = if by_key {
        tlv(
            0xa2,
            &tlv(4, digest(&SHA1_FOR_LEGACY_USE_ONLY, &parsed.public_key().subject_public_key.data).as_ref()),
        )
    } else {
        by_name(parsed.subject().as_raw())
    };
    wrap(&sign(&key, &Spec::new().tbs(ca, id), &tlv(0xa0, &sequence(&[cert.der().to_vec()]))))
}

#[test]
fn a_responder_needs_the_cas_delegation() {
    let ca = Ca::root();
    for by_key in [false, true] {
        assert_eq!(verify(&delegated(&ca, &ca, by_key, |_| {}), &ca), Ok(Some(Standing::Good)));
    }
    let other = Ca::root_named("Other", |_| {});
    let namesake = Ca::root();
    let below = ca.below("Sub");
    for (name, der) in [
        ("another CA", delegated(&ca, &other, false, |_| {})),
        ("a namesake", delegated(&ca, &namesake, false, |_| {})),
        ("a CA below", delegated(&ca, &below, false, |_| {})),
        (
            "no OCSPSigning",
            delegated(&ca, &ca, false, |params| {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            }),
        ),
        ("over", delegated(&ca, &ca, false, |params| validity(params, -10, -1))),
    ] {
        let refused = verify(&der, &ca);
        assert!(matches!(refused, Err(Error::Signer { .. })), "{name}: {refused:?}");
    }
    let pretender = wrap(&other.sign(&Spec::new().tbs(&ca, by_name(&ca.name()))));
    assert_eq!(verify(&pretender, &ca), Err(Error::Signature { what: "OCSP" }));
}

#[test]
fn refuses_octets_after_the_end_and_every_truncation() {
    let ca = Ca::root();
    let der = delegated(&ca, &ca, true, |_| {});
    assert!(verify(&[&der[..], &[0]].concat(), &ca).is_err());
    for length in 0..der.len() {
        assert!(verify(&der[..length], &ca).is_err(), "{length}");
    }
    assert!(matches!(verify(&vec![0; 70_000], &ca), Err(Error::Size { .. })));
}

proptest::proptest! {
    #[test]
    fn changed_octets_never_panic(at in proptest::prelude::any::<proptest::sample::Index>(), flip in 1_u8..=255) {
        let ca = Ca::root();
        let mut der = direct(&ca, |_| {});
        let at = at.index(der.len());
        der[at] ^= flip;
        proptest::prop_assert!(verify(&der, &ca).is_err());
    }
}
