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

/// How a client writes CertIDs. With the serial number it fixes every octet of one that is about a certificate of ours, so
/// an answer can be signed ahead of the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CertIdForm {
    /// Which hash names the issuer.
    pub hash: HashAlgorithm,
    /// Whether the hash algorithm's parameters are NULL, as OpenSSL and nginx write them, or absent.
    pub null_parameters: bool,
}

impl CertIdForm {
    /// What most clients send.
    pub const USUAL: Self = Self { hash: HashAlgorithm::Sha1, null_parameters: true };

    /// Every one that is read.
    pub const ALL: [Self; 4] = [
        Self::USUAL,
        Self { hash: HashAlgorithm::Sha1, null_parameters: false },
        Self { hash: HashAlgorithm::Sha256, null_parameters: true },
        Self { hash: HashAlgorithm::Sha256, null_parameters: false },
    ];
}

/// One CertID, with its octets as the client wrote them: answers echo them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertId {
    pub(super) der: Vec<u8>,
    pub(super) form: CertIdForm,
    pub(super) name_hash: Vec<u8>,
    pub(super) key_hash: Vec<u8>,
    pub(super) serial: Serial,
}

impl CertId {
    /// The CertID that clients send for a certificate of `issuer`, with NULL parameters as OpenSSL and nginx write
    /// them.
    #[must_use]
    pub fn of(issuer: &Issuer, hash: HashAlgorithm, serial: Serial) -> Self {
        Self::in_form(issuer, CertIdForm { hash, null_parameters: true }, serial)
    }

    /// The CertID for a certificate of `issuer` as clients of this kind write it. For answers signed ahead of the
    /// question.
    #[must_use]
    pub fn in_form(issuer: &Issuer, form: CertIdForm, serial: Serial) -> Self {
        let (name_hash, key_hash) = match form.hash {
            HashAlgorithm::Sha1 => (issuer.sha1().0.to_vec(), issuer.sha1().1.to_vec()),
            HashAlgorithm::Sha256 => (issuer.sha256().0.to_vec(), issuer.sha256().1.to_vec()),
        };
        let parameters: &[u8] = if form.null_parameters { &[5, 0] } else { &[] };
        let algorithm = sequence(&[&encode::oid(form.hash.oid()), parameters]);
        let serial_der = encode::tlv(0x02, serial.as_bytes());
        let der = sequence(&[&algorithm, &octets(&name_hash), &octets(&key_hash), &serial_der]);
        Self { der, form, name_hash, key_hash, serial }
    }

    /// Whether the question is about a certificate of `issuer`.
    #[must_use]
    pub fn is_of(&self, issuer: &Issuer) -> bool {
        let named = |name: &[u8], key: &[u8]| self.name_hash == name && self.key_hash == key;
        match self.form.hash {
            HashAlgorithm::Sha1 => named(&issuer.sha1().0, &issuer.sha1().1),
            HashAlgorithm::Sha256 => named(&issuer.sha256().0, &issuer.sha256().1),
        }
    }

    /// How it is written.
    #[must_use]
    pub fn form(&self) -> CertIdForm {
        self.form
    }

    /// Which hash names the issuer.
    #[must_use]
    pub fn hash(&self) -> HashAlgorithm {
        self.form.hash
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
