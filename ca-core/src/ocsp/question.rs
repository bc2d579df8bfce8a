//! Writing an OCSPRequest (RFC 6960 §4.1.1) about one certificate, as a holder's program asks.

use super::CertId;
use crate::encode::{explicit, octets, oid, sequence};

const ID_PKIX_OCSP_NONCE: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 48, 1, 2];

/// The DER request, with a nonce (RFC 9654: 32 octets are wanted) that the answer must repeat.
#[must_use]
pub fn ocsp_question(id: &CertId, nonce: &[u8]) -> Vec<u8> {
    let questions = sequence(&[&sequence(&[id.der()])]);
    let extension = sequence(&[&oid(ID_PKIX_OCSP_NONCE), &octets(&octets(nonce))]);
    sequence(&[&sequence(&[&questions, &explicit(2, &sequence(&[&extension]))])])
}

#[cfg(test)]
mod tests {
    use super::super::{HashAlgorithm, OcspRequest};
    use super::*;
    use crate::issuance::testing::hierarchy;
    use ca_verifier::Serial;

    #[test]
    fn the_responder_reads_what_a_holder_asks() {
        let issuing = hierarchy().issuing;
        let id = CertId::of(&issuing, HashAlgorithm::Sha256, Serial::from_random(1, &[5; 17]).unwrap());
        let read = OcspRequest::read(&ocsp_question(&id, &[7; 32])).unwrap();
        assert_eq!((read.ids(), read.nonce()), (&[id][..], Some(&[7; 32][..])));
    }
}
