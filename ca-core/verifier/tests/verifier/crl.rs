//! CRLs: what is read, and every kind that must be refused.

use std::time::Duration;

use ca_verifier::{CRL_OCTETS_MAX, Crl, Error, Reason, Serial, Standing};
use proptest::prelude::*;
use rcgen::{
    CertificateRevocationListParams, CrlIssuingDistributionPoint, KeyIdMethod, RevocationReason, SerialNumber,
};

use crate::pki::{
    Ca, CrlSpec, DAY, ECDSA_SHA256, Entry, NOW, URL, epoch, extension, full_name, idp, not_activated, reason,
    sequence, tlv,
};

type Change = Box<dyn Fn(&mut CrlSpec)>;

fn serial(last: u8) -> Serial {
    Serial::from_content(&[1, last]).unwrap()
}

#[test]
fn reads_standings_epoch_and_times() {
    let ca = Ca::root();
    let crl = ca.crl(|spec| {
        spec.number = Some(7);
        spec.extensions = vec![epoch(42), extension(&[0x2a, 3, 4], false, &[5, 0])];
        // Not in the order of serials.
        spec.entries = vec![
            Entry::new(&[1, 9], &[reason(6)]),
            Entry::new(&[1, 1], &[]),
            Entry::new(&[1, 5], &[reason(6), not_activated()]),
            Entry::new(&[1, 3], &[reason(1)]),
        ];
    });
    let crl = Crl::verify(&crl, &ca.der).unwrap();
    assert_eq!(
        (crl.url(), crl.number().to_string(), crl.epoch(), crl.len()),
        (URL, "7".to_owned(), Some(42), 4)
    );
    assert_eq!((crl.this_update(), crl.next_update()), (NOW.plus_secs(-60), NOW.plus_secs(DAY)));
    for (last, standing) in [
        (1, Standing::Revoked(Reason::Unspecified)),
        (2, Standing::Good),
        (3, Standing::Revoked(Reason::KeyCompromise)),
        (5, Standing::NotActivated),
        (9, Standing::Held),
        (10, Standing::Good),
    ] {
        assert_eq!(crl.standing(&serial(last)), standing, "{last}");
    }
}

#[test]
fn reads_what_another_writer_wrote() {
    let ca = Ca::root();
    let at = |secs: i64| {
        rcgen::date_time_ymd(1970, 1, 1)
            + Duration::from_secs(u64::try_from(NOW.plus_secs(secs).secs()).unwrap())
    };
    let reasons = [
        RevocationReason::CaCompromise,
        RevocationReason::PrivilegeWithdrawn,
        RevocationReason::CertificateHold,
    ];
    let params = CertificateRevocationListParams {
        this_update: at(0),
        next_update: at(DAY),
        crl_number: SerialNumber::from_slice(&[0x12, 0x34]),
        issuing_distribution_point: Some(CrlIssuingDistributionPoint {
            distribution_point: rcgen::CrlDistributionPoint { uris: vec![URL.into()] },
            scope: None,
        }),
        revoked_certs: reasons
            .iter()
            .zip(1..)
            .map(|(reason, last)| rcgen::RevokedCertParams {
                serial_number: SerialNumber::from_slice(&[1, last]),
                revocation_time: at(-60),
                reason_code: Some(*reason),
                invalidity_date: Some(at(-120)),
            })
            .collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let crl = Crl::verify(params.signed_by(ca.issuer()).unwrap().der(), &ca.der).unwrap();
    assert_eq!((crl.number().to_string().as_str(), crl.epoch()), ("1234", None));
    let standings = [1, 2, 3].map(|last| crl.standing(&serial(last)));
    let expected = [
        Standing::Revoked(Reason::CaCompromise),
        Standing::Revoked(Reason::PrivilegeWithdrawn),
        Standing::Held,
    ];
    assert_eq!(standings, expected);
}

#[test]
fn refuses_every_kind_that_does_not_answer_the_question() {
    let ca = Ca::root();
    let other_url = tlv(0xa0, &tlv(0xa0, &[tlv(0x86, b"http://a/"), tlv(0x86, b"http://b/")].concat()));
    let cases: Vec<(&str, Change)> = vec![
        ("version 1", Box::new(|spec| spec.version = Vec::new())),
        ("version 3", Box::new(|spec| spec.version = tlv(2, &[2]))),
        ("no nextUpdate", Box::new(|spec| spec.next_update = None)),
        ("no number", Box::new(|spec| spec.number = None)),
        ("delta", Box::new(|spec| spec.extensions = vec![extension(&[0x55, 0x1d, 27], true, &tlv(2, &[1]))])),
        (
            "not critical delta",
            Box::new(|spec| spec.extensions = vec![extension(&[0x55, 0x1d, 27], false, &tlv(2, &[1]))]),
        ),
        ("no distribution point", Box::new(|spec| spec.idp = Some(None))),
        (
            "not critical distribution point",
            Box::new(|spec| spec.idp = Some(Some(idp(false, &[full_name(URL)])))),
        ),
        ("empty distribution point", Box::new(|spec| spec.idp = Some(Some(idp(true, &[]))))),
        (
            "two URIs",
            Box::new(move |spec| spec.idp = Some(Some(idp(true, std::slice::from_ref(&other_url))))),
        ),
        (
            "onlyContainsUserCerts",
            Box::new(|spec| spec.idp = Some(Some(idp(true, &[full_name(URL), tlv(0x81, &[0xff])])))),
        ),
        (
            "onlyContainsCACerts",
            Box::new(|spec| spec.idp = Some(Some(idp(true, &[full_name(URL), tlv(0x82, &[0xff])])))),
        ),
        (
            "onlySomeReasons",
            Box::new(|spec| spec.idp = Some(Some(idp(true, &[full_name(URL), tlv(0x83, &[6, 0x40])])))),
        ),
        (
            "indirect",
            Box::new(|spec| spec.idp = Some(Some(idp(true, &[full_name(URL), tlv(0x84, &[0xff])])))),
        ),
        (
            "onlyContainsAttributeCerts",
            Box::new(|spec| spec.idp = Some(Some(idp(true, &[full_name(URL), tlv(0x85, &[0xff])])))),
        ),
        ("extension twice", Box::new(|spec| spec.extensions = vec![epoch(1), epoch(1)])),
        ("negative epoch", Box::new(|spec| spec.extensions = vec![epoch(0x80)])),
        (
            "written default",
            Box::new(|spec| {
                let number = [tlv(6, &[0x2a, 3, 4]), tlv(1, &[0]), tlv(4, &[5, 0])];
                spec.extensions = vec![sequence(&number)];
            }),
        ),
        ("unknown reason", Box::new(|spec| spec.entries = vec![Entry::new(&[1, 1], &[reason(7)])])),
        ("removeFromCRL", Box::new(|spec| spec.entries = vec![Entry::new(&[1, 1], &[reason(8)])])),
        (
            "serial twice",
            Box::new(|spec| spec.entries = vec![Entry::new(&[1, 1], &[]), Entry::new(&[1, 1], &[reason(6)])]),
        ),
        (
            "entry of another issuer",
            Box::new(|spec| {
                let name = sequence(&[tlv(0x86, b"http://a/")]);
                spec.entries = vec![Entry::new(&[1, 1], &[extension(&[0x55, 0x1d, 29], true, &name)])];
            }),
        ),
    ];
    for (name, change) in cases {
        let refused = Crl::verify(&ca.crl(change), &ca.der);
        assert!(matches!(refused, Err(Error::Form { .. })), "{name}: {refused:?}");
    }
}

#[test]
fn refuses_unknown_critical_extensions() {
    let ca = Ca::root();
    let unknown = || extension(&[0x2a, 3, 4], true, &[5, 0]);
    let of_list = ca.crl(|spec| spec.extensions = vec![unknown()]);
    let of_entry = ca.crl(|spec| spec.entries = vec![Entry::new(&[1, 1], &[unknown()])]);
    for der in [of_list, of_entry] {
        let refused = Crl::verify(&der, &ca.der).unwrap_err();
        assert!(matches!(&refused, Error::CriticalExtension { oid, .. } if oid == "2a0304"), "{refused}");
    }
}

#[test]
fn refuses_serials_that_no_certificate_has() {
    let ca = Ca::root();
    for serial in [&[0][..], &[0xff], &[1; 21]] {
        let der = ca.crl(|spec| spec.entries = vec![Entry::new(serial, &[])]);
        assert!(matches!(Crl::verify(&der, &ca.der), Err(Error::Serial(_))), "{serial:?}");
    }
}

#[test]
fn only_its_issuer_may_sign() {
    let ca = Ca::root();
    let other = Ca::root_named("Other", |_| {});
    let namesake = Ca::root();
    let der = ca.crl(|_| {});
    assert_eq!(Crl::verify(&der, &other.der).unwrap_err(), Error::Issuer { what: "CRL" });
    assert_eq!(Crl::verify(&der, &namesake.der).unwrap_err(), Error::Signature { what: "CRL" });
    let mut damaged = der.clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(Crl::verify(&damaged, &ca.der).unwrap_err(), Error::Signature { what: "CRL" });

    let longer = [&ca.der[..], &[0]].concat();
    assert!(matches!(Crl::verify(&der, &longer), Err(Error::Form { .. })));

    let (unit, _) = ca.leaf_and_key(|_| {});
    assert!(matches!(Crl::verify(&der, &unit), Err(Error::Signer { .. })));
    let mute = Ca::root_named("Root", |params| params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign]);
    assert!(matches!(Crl::verify(&mute.crl(|_| {}), &mute.der), Err(Error::Signer { .. })));
}

#[test]
fn the_two_algorithm_fields_must_agree() {
    let ca = Ca::root();
    let der = ca.crl(|_| {});
    // The first occurrence lies in the signed part.
    let at = der.windows(ECDSA_SHA256.len()).rposition(|window| window == ECDSA_SHA256).unwrap();
    let mut changed = der;
    changed[at + ECDSA_SHA256.len() - 1] = 3;
    assert!(matches!(Crl::verify(&changed, &ca.der), Err(Error::Form { .. })));
}

#[test]
fn refuses_octets_after_the_end_too_many_and_too_few() {
    let ca = Ca::root();
    let der = ca.crl(|spec| spec.entries = vec![Entry::new(&[1, 1], &[reason(6), not_activated()])]);
    assert!(Crl::verify(&[&der[..], &[0]].concat(), &ca.der).is_err());
    for length in 0..der.len() {
        assert!(Crl::verify(&der[..length], &ca.der).is_err(), "{length}");
    }
    let huge = vec![0; CRL_OCTETS_MAX + 1];
    assert!(matches!(Crl::verify(&huge, &ca.der), Err(Error::Size { limit: CRL_OCTETS_MAX, .. })));
}

proptest! {
    #[test]
    fn random_octets_are_refused(octets in proptest::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(Crl::verify(&octets, &Ca::root().der).is_err());
    }

    /// Whatever octet changes, nobody can take the result for the CA's word. (The header of the BIT STRING and
    /// the signature itself are malleable in no way that verifies.)
    #[test]
    fn changed_octets_are_refused(at in any::<prop::sample::Index>(), flip in 1_u8..=255) {
        let ca = Ca::root();
        let mut der = ca.crl(|spec| spec.entries = vec![Entry::new(&[1, 1], &[reason(6), not_activated()])]);
        let at = at.index(der.len());
        der[at] ^= flip;
        prop_assert!(Crl::verify(&der, &ca.der).is_err());
    }

    /// Signed rubbish: the CA's key does not make the reader less careful, nor does it panic.
    #[test]
    fn signed_mutations_never_panic(at in any::<prop::sample::Index>(), flip in 1_u8..=255) {
        let ca = Ca::root();
        let entries = vec![Entry::new(&[1, 1], &[reason(6), not_activated()])];
        let mut tbs = ca.tbs_cert_list(|spec| spec.entries = entries);
        let at = at.index(tbs.len());
        tbs[at] ^= flip;
        if let Ok(crl) = Crl::verify(&ca.sign(&tbs), &ca.der) {
            prop_assert!(crl.len() <= 1);
        }
    }
}
