//! CertID (RFC 6960 §4.1.1): which certificate a question is about.

use ca_verifier::Serial;

use crate::Issuer;
use crate::encode::{self, octets, sequence};

/// How the issuer's name and key are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashAlgorithm {
    /// SHA-1, an identifier only (RFC 6960 §4.3).
    Sha1,
    /// SHA-256 (RFC 9919).
    Sha256,
}

impl HashAlgorithm {
    pub(super) fn oid(self) -> &'static [u64] {
        match self {
            Self::Sha1 => &[1, 3, 14, 3, 2, 26],
            Self::Sha256 => &[2, 16, 840, 1, 101, 3, 4, 2, 1],
        }
    }
}

/// One CertID, with its octets as the client wrote them: answers echo them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertId {
    pub(super) der: Vec<u8>,
    pub(super) hash: HashAlgorithm,
    pub(super) name_hash: Vec<u8>,
    pub(super) key_hash: Vec<u8>,
    pub(super) serial: Serial,
}

impl CertId {
    /// The CertID that clients send for a certificate of `issuer`, with NULL parameters as OpenSSL and nginx write
    /// them. For answers signed ahead of the question.
    #[must_use]
    pub fn of(issuer: &Issuer, hash: HashAlgorithm, serial: Serial) -> Self {
        let (name_hash, key_hash) = hashes(issuer, hash);
        let algorithm = sequence(&[&encode::oid(hash.oid()), &[5, 0]]);
        let serial_der = encode::tlv(0x02, serial.as_bytes());
        let der = sequence(&[&algorithm, &octets(&name_hash), &octets(&key_hash), &serial_der]);
        Self { der, hash, name_hash, key_hash, serial }
    }

    /// Whether the question is about a certificate of `issuer`.
    #[must_use]
    pub fn is_of(&self, issuer: &Issuer) -> bool {
        hashes(issuer, self.hash) == (self.name_hash.clone(), self.key_hash.clone())
    }

    /// Which hash names the issuer.
    #[must_use]
    pub fn hash(&self) -> HashAlgorithm {
        self.hash
    }

    /// Hash of the issuer's name.
    #[must_use]
    pub fn name_hash(&self) -> &[u8] {
        &self.name_hash
    }

    /// Hash of the issuer's key.
    #[must_use]
    pub fn key_hash(&self) -> &[u8] {
        &self.key_hash
    }

    /// Which certificate.
    #[must_use]
    pub fn serial(&self) -> Serial {
        self.serial
    }

    /// The octets to be echoed.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

fn hashes(issuer: &Issuer, hash: HashAlgorithm) -> (Vec<u8>, Vec<u8>) {
    match hash {
        HashAlgorithm::Sha1 => (issuer.sha1().0.to_vec(), issuer.sha1().1.to_vec()),
        HashAlgorithm::Sha256 => (issuer.sha256().0.to_vec(), issuer.sha256().1.to_vec()),
    }
}
