//! Random and damaged octets at every reader of ca-core: refused or read, never a panic. `make fuzz` runs these longer.

use ca_core::{OcspRequest, Policies, UntrustedCsr, serial_of_certificate, verify_with_certificate};
use proptest::{prelude::*, sample::Index};

use crate::common::{policies, policy_files, repository};

fn good_request() -> Vec<u8> {
    std::fs::read(repository().join("testdata/csr/good-p256.der")).unwrap()
}

/// An OCSP request as `openssl ocsp -reqout` writes it, SHA-1 CertID, no nonce.
fn good_question() -> Vec<u8> {
    let certificate_id = [
        &[0x30, 0x3b, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14][..],
        &[1; 20],
        &[0x04, 0x14],
        &[2; 20],
        &[0x02, 0x02, 0x11, 0x22],
    ]
    .concat();
    let wrap = |content: Vec<u8>| [vec![0x30, u8::try_from(content.len()).unwrap()], content].concat();
    wrap(wrap(wrap(wrap(certificate_id))))
}

#[test]
fn the_seeds_are_good() {
    assert!(UntrustedCsr::read(&good_request()).is_ok());
    assert!(OcspRequest::read(&good_question()).is_ok(), "{:?}", OcspRequest::read(&good_question()));
}

proptest! {
    #[test]
    fn random_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = UntrustedCsr::read(&octets);
        let _ = OcspRequest::read(&octets);
        let _ = serial_of_certificate(&octets);
        let _ = verify_with_certificate(&octets, b"message", b"signature");
    }

    #[test]
    fn mutated_requests_never_panic(at in any::<Index>(), flip in 1_u8..=255, cut in any::<Index>()) {
        let rules = policies();
        for good in [good_request(), good_question()] {
            let mut octets = good;
            let place = at.index(octets.len());
            octets[place] ^= flip;
            octets.truncate(1 + cut.index(octets.len()));
            if let Ok(csr) = UntrustedCsr::read(&octets) {
                prop_assert!(csr.validate(rules.keys(), None).is_err(), "a damaged request passed");
            }
            let _ = OcspRequest::read(&octets);
        }
    }

    #[test]
    fn mutated_policies_never_panic(file in any::<Index>(), at in any::<Index>(), text in "[0-9a-z\\[\\]=\"/.:\n-]{0,6}") {
        let mut files = policy_files();
        let name = files.keys().nth(file.index(files.len())).unwrap().clone();
        let content = files.get_mut(&name).unwrap();
        let places: Vec<usize> = content.char_indices().map(|(place, _)| place).collect();
        content.insert_str(places[at.index(places.len())], &text);
        let _ = Policies::parse(&files);
    }

    #[test]
    fn random_policies_never_panic(name in "[a-z/]{1,20}\\.toml", text in "\\PC{0,300}") {
        let files = [(name, text)].into();
        prop_assert!(Policies::parse(&files).is_err());
    }
}
