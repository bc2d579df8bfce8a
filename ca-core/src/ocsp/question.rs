//! Writing an OCSPRequest (RFC 6960 §4.1.1), as a holder's program asks.

use super::CertId;
use crate::encode::{explicit, octets, oid, sequence};

const ID_PKIX_OCSP_NONCE: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 48, 1, 2];

/// The DER request, with a nonce (RFC 9654: 32 octets are wanted) that the answer must repeat.
#[must_use]
pub fn ocsp_question(id: &CertId, nonce: &[u8]) -> Vec<u8> {
    ocsp_questions(std::slice::from_ref(id), Some(nonce))
}

/// The DER request about several certificates at once; without a nonce the answer may be one that was signed before.
#[must_use]
pub fn ocsp_questions(ids: &[CertId], nonce: Option<&[u8]>) -> Vec<u8> {
    let questions: Vec<u8> = ids.iter().flat_map(|id| sequence(&[id.der()])).collect();
    let questions = sequence(&[&questions]);
    let extensions = nonce.map_or_else(Vec::new, |nonce| {
        let extension = sequence(&[&oid(ID_PKIX_OCSP_NONCE), &octets(&octets(nonce))]);
        explicit(2, &sequence(&[&extension]))
    });
    sequence(&[&sequence(&[&questions, &extensions])])
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
        assert_eq!((read.ids(), read.nonce()), (&[id.clone()][..], Some(&[7; 32][..])));
        let several = [id.clone(), id];
        let read = OcspRequest::read(&ocsp_questions(&several, None)).unwrap();
        assert_eq!((read.ids(), read.nonce()), (&several[..], None));
    }
}
