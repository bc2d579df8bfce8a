//! Reading unit certificates: identity, limits, and no panic on anything.

use ca_verifier::{CERTIFICATE_OCTETS_MAX, Refusal, Serial, UnitCertificate};
use proptest::prelude::*;
use rcgen::{CustomExtension, DnType};

use crate::pki::{Ca, DAY, NOW, SERIAL, URL, USCC, full_name, sequence, tlv, uscc};

#[test]
fn reads_what_a_portal_needs() {
    let unit = UnitCertificate::read(&Ca::root().leaf(|_| {})).unwrap();
    assert_eq!(unit.code().as_str(), USCC);
    assert_eq!(unit.serial(), Serial::from_content(&SERIAL).unwrap());
    assert_eq!(unit.legal_name(), "福州签印软件有限公司");
    assert_eq!(unit.not_before(), NOW.plus_secs(-10 * DAY));
    assert_eq!(unit.not_after(), NOW.plus_secs(300 * DAY));
    assert_eq!(unit.crl_urls(), [URL]);
    assert!(unit.may_sign() && unit.may_authenticate());
}

#[test]
fn identity_is_one_code_in_one_extension() {
    let ca = Ca::root();
    let utf8 = ca.leaf(|params| params.custom_extensions = vec![uscc(0x0c, USCC)]);
    assert_eq!(UnitCertificate::read(&utf8).unwrap().code().as_str(), USCC);
    for (why, extensions) in [
        ("none", vec![]),
        ("two", vec![uscc(0x13, USCC), uscc(0x13, USCC)]),
        ("two units", vec![uscc(0x13, USCC), uscc(0x13, "91110000101623741K")]),
        ("IA5String", vec![uscc(0x16, USCC)]),
        ("check digit", vec![uscc(0x13, "91350100M000100Y44")]),
        ("trailing space", vec![uscc(0x13, "91350100M000100Y43 ")]),
        ("empty", vec![uscc(0x13, "")]),
    ] {
        // The name says it all the same, and does not count.
        let der = ca.leaf(|params| {
            params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 97]), format!("NTRCN-{USCC}"));
            params.custom_extensions = extensions;
        });
        assert_eq!(UnitCertificate::read(&der), Err(Refusal::NoIdentity), "{why}");
    }
}

#[test]
fn a_list_for_some_reasons_or_of_another_signer_is_none() {
    let url = full_name(URL);
    for (narrowed, urls) in [
        (vec![url.clone()], 1),
        (vec![url.clone(), tlv(0x81, &[6, 0x40])], 0),
        (vec![url, tlv(0xa2, &tlv(0x86, b"http://a/"))], 0),
    ] {
        let point = CustomExtension::from_oid_content(&[2, 5, 29, 31], sequence(&[sequence(&narrowed)]));
        let der = Ca::root().leaf(|params| {
            params.crl_distribution_points.clear();
            params.custom_extensions.push(point);
        });
        assert_eq!(UnitCertificate::read(&der).unwrap().crl_urls().len(), urls);
    }
}

#[test]
fn refuses_octets_after_the_end_and_too_many() {
    let der = Ca::root().leaf(|_| {});
    let longer = [&der[..], &[0]].concat();
    assert!(matches!(UnitCertificate::read(&longer), Err(Refusal::Malformed(_))));
    let huge = vec![0x30; CERTIFICATE_OCTETS_MAX + 1];
    assert_eq!(UnitCertificate::read(&huge), Err(Refusal::Malformed("certificate larger than 64 KiB")));
}

#[test]
fn refuses_every_truncation() {
    let der = Ca::root().leaf(|_| {});
    for length in 0..der.len() {
        assert!(UnitCertificate::read(&der[..length]).is_err(), "{length}");
    }
}

proptest! {
    #[test]
    fn random_octets_are_refused(octets in proptest::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(UnitCertificate::read(&octets).is_err());
    }

    /// A changed octet may still read, but then the fingerprint differs: nobody can take it for the original.
    #[test]
    fn changed_octets_never_panic(at in any::<prop::sample::Index>(), flip in 1_u8..=255) {
        let original = Ca::root().leaf(|_| {});
        let mut der = original.to_vec();
        let at = at.index(der.len());
        der[at] ^= flip;
        if let Ok(unit) = UnitCertificate::read(&der) {
            prop_assert_ne!(unit.fingerprint(), UnitCertificate::read(&original).unwrap().fingerprint());
        }
    }
}
