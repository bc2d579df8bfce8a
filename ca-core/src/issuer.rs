//! The CA's own certificate, as everything that it signs needs it.

use ca_verifier::Time;
use ring::digest;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::key::{key_identifier, named, sha256};
use crate::{Error, SignatureAlgorithm};

const OCTETS_MAX: usize = 16 * 1024;

/// A CA certificate, read once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    der: Vec<u8>,
    subject: Vec<u8>,
    key_identifier: Vec<u8>,
    spki: Vec<u8>,
    key: Vec<u8>,
    not_before: Time,
    not_after: Time,
    algorithm: SignatureAlgorithm,
    name_sha1: [u8; 20],
    name_sha256: [u8; 32],
    key_sha1: [u8; 20],
    key_sha256: [u8; 32],
}

impl Issuer {
    /// Reads a DER certificate of a CA.
    ///
    /// # Errors
    /// [`Error::Certificate`] when it is not one certificate, not a CA's, or has a key that this CA does not sign with.
    pub fn load(cert_der: &[u8]) -> Result<Self, Error> {
        let refused = |why| Error::Certificate { what: "issuer", why };
        let certificate = read(cert_der).ok_or(refused("not one DER certificate"))?;
        let ca = certificate.basic_constraints().ok().flatten().is_some_and(|extension| extension.value.ca);
        let signs = |usage: &x509_parser::extensions::KeyUsage| usage.key_cert_sign() && usage.crl_sign();
        let usage = certificate.key_usage().ok().flatten().is_some_and(|extension| signs(extension.value));
        if !ca || !usage {
            return Err(refused("not a CA with keyCertSign and cRLSign"));
        }
        let spki = certificate.public_key();
        let algorithm = algorithm(spki).ok_or(refused("neither a P-256 nor an RSA key"))?;
        let key = spki.subject_public_key.data.to_vec();
        let subject = certificate.subject().as_raw().to_vec();
        let key_identifier =
            subject_key_identifier(&certificate).unwrap_or_else(|| key_identifier(&key).to_vec());
        Ok(Self {
            der: cert_der.to_vec(),
            key_identifier,
            spki: spki.raw.to_vec(),
            not_before: Time::from_secs(certificate.validity().not_before.timestamp()),
            not_after: Time::from_secs(certificate.validity().not_after.timestamp()),
            algorithm,
            name_sha1: sha1(&subject),
            name_sha256: sha256(&subject),
            key_sha1: sha1(&key),
            key_sha256: sha256(&key),
            subject,
            key,
        })
    }

    /// The certificate.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// DER of the subject, the issuer name in all that this CA signs.
    #[must_use]
    pub fn subject_der(&self) -> &[u8] {
        &self.subject
    }

    /// subjectKeyIdentifier, or RFC 7093 method 1 when the certificate has none.
    #[must_use]
    pub fn key_identifier(&self) -> &[u8] {
        &self.key_identifier
    }

    /// DER of the SubjectPublicKeyInfo.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// Start of validity.
    #[must_use]
    pub fn not_before(&self) -> Time {
        self.not_before
    }

    /// End of validity; nothing that this CA signs outlives it.
    #[must_use]
    pub fn not_after(&self) -> Time {
        self.not_after
    }

    /// How this CA signs.
    #[must_use]
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// SHA-1 of name and key, for OCSP CertIDs (RFC 6960 §4.1.1).
    #[must_use]
    pub fn sha1(&self) -> ([u8; 20], [u8; 20]) {
        (self.name_sha1, self.key_sha1)
    }

    /// SHA-256 of name and key, for OCSP CertIDs (RFC 9919).
    #[must_use]
    pub fn sha256(&self) -> ([u8; 32], [u8; 32]) {
        (self.name_sha256, self.key_sha256)
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }
}

/// One certificate, nothing after it, of a bearable size.
pub(crate) fn read(der: &[u8]) -> Option<X509Certificate<'_>> {
    if der.len() > OCTETS_MAX {
        return None;
    }
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Some(certificate),
        _ => None,
    }
}

pub(crate) fn algorithm(spki: &x509_parser::x509::SubjectPublicKeyInfo<'_>) -> Option<SignatureAlgorithm> {
    use x509_parser::oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_PKCS1_RSAENCRYPTION};
    let oid = &spki.algorithm.algorithm;
    if *oid == OID_KEY_TYPE_EC_PUBLIC_KEY && named(&spki.algorithm) == Some(OID_EC_P256) {
        Some(SignatureAlgorithm::EcdsaP256Sha256)
    } else if *oid == OID_PKCS1_RSAENCRYPTION {
        Some(SignatureAlgorithm::RsaSha256)
    } else {
        None
    }
}

pub(crate) fn sha1(octets: &[u8]) -> [u8; 20] {
    let mut hash = [0; 20];
    // Only as an identifier in CertIDs, which clients still send (RFC 6960 §4.3); never under a signature.
    hash.copy_from_slice(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, octets).as_ref());
    hash
}

fn subject_key_identifier(certificate: &X509Certificate<'_>) -> Option<Vec<u8>> {
    certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        x509_parser::extensions::ParsedExtension::SubjectKeyIdentifier(identifier) => {
            Some(identifier.0.to_vec())
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuance::testing;

    #[test]
    fn reads_our_root_and_refuses_others() {
        let hierarchy = testing::hierarchy();
        let issuer = &hierarchy.issuing;
        assert_eq!(issuer.algorithm(), SignatureAlgorithm::EcdsaP256Sha256);
        assert_eq!(issuer.key_identifier(), key_identifier(issuer.key()));
        assert_eq!(issuer.sha1().1, sha1(issuer.key()));
        assert_eq!(read(issuer.der()).unwrap().issuer().as_raw(), hierarchy.root.subject_der());
        let unit = hierarchy.unit();
        for (der, why) in [
            (&unit[..], "not a CA with keyCertSign and cRLSign"),
            (&[issuer.der(), &[0]].concat()[..], "not one DER certificate"),
            (&issuer.der()[..issuer.der().len() - 1], "not one DER certificate"),
            (&vec![0x30; 20_000][..], "not one DER certificate"),
        ] {
            assert_eq!(Issuer::load(der), Err(Error::Certificate { what: "issuer", why }));
        }
    }
}
