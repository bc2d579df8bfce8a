//! Writing PKCS#10 requests (RFC 2986 §4) for a key that only a token can use.
//!
//! The subject carries the attempt's identifier and nothing else: names come from the application (I8).

use super::der;
use crate::SignatureAlgorithm;

const COMMON_NAME: &[u64] = &[2, 5, 4, 3];

/// CertificationRequestInfo with subject `CN=subject_cn` and no attributes: the octets that the token signs.
#[must_use]
pub fn csr_info(subject_cn: &str, spki_der: &[u8]) -> Vec<u8> {
    let attribute = der::sequence(&[&der::oid(COMMON_NAME), &der::tlv(0x0c, subject_cn.as_bytes())]);
    let subject = der::sequence(&[&der::tlv(der::SET, &attribute)]);
    der::sequence(&[&der::integer(&[0]), &subject, spki_der, &der::explicit(0, &[])])
}

/// The whole request from [`csr_info`]'s octets and their signature, in the form that X.509 writes it
/// (`ecdsa_der` for ECDSA).
#[must_use]
pub fn assemble_csr(info: &[u8], algorithm: SignatureAlgorithm, signature: &[u8]) -> Vec<u8> {
    der::signed(info, algorithm, signature)
}
