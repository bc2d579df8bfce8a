//! The two signature algorithms of this CA (RFC 5758 §3.2, RFC 8017 §8.2), and their verification by ring.

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::Error;

/// How the CA, its OCSP responders and its holders' tokens sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignatureAlgorithm {
    /// ecdsa-with-SHA256 with a P-256 key; the signature is a DER Ecdsa-Sig-Value.
    EcdsaP256Sha256,
    /// sha256WithRSAEncryption (PKCS#1 v1.5).
    RsaSha256,
}

impl SignatureAlgorithm {
    /// DER of the AlgorithmIdentifier. ECDSA has no parameters, RSA has NULL (RFC 5758 §3.2, RFC 4055 §5).
    #[must_use]
    pub fn identifier(self) -> &'static [u8] {
        match self {
            Self::EcdsaP256Sha256 => b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02",
            Self::RsaSha256 => b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00",
        }
    }

    /// Verifies with a DER SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`Error::Signature`] when the key cannot be read or the signature is not this key's over `message`.
    pub fn verify(self, spki_der: &[u8], message: &[u8], signature: &[u8]) -> Result<(), Error> {
        match SubjectPublicKeyInfo::from_der(spki_der) {
            Ok(([], spki)) => self.verify_bits(&spki.subject_public_key.data, message, signature),
            _ => Err(Error::Signature),
        }
    }

    /// Verifies with the content of the subjectPublicKey BIT STRING.
    pub(crate) fn verify_bits(self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), Error> {
        let algorithm: &'static dyn VerificationAlgorithm = match self {
            Self::EcdsaP256Sha256 => &ECDSA_P256_SHA256_ASN1,
            Self::RsaSha256 => &RSA_PKCS1_2048_8192_SHA256,
        };
        UnparsedPublicKey::new(algorithm, key).verify(message, signature).map_err(|_| Error::Signature)
    }

    pub(crate) fn rcgen(self) -> &'static rcgen::SignatureAlgorithm {
        match self {
            Self::EcdsaP256Sha256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            Self::RsaSha256 => &rcgen::PKCS_RSA_SHA256,
        }
    }
}

/// Why an artefact was not signed. Whatever happened after the signer was called, the serial number or CRL number
/// may be in a signature and must not be used again (I3).
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError<E> {
    /// The recorded intent is another one; the signer was not called.
    #[error("the recorded intent is {recorded}, prepared was {prepared}; nothing was signed")]
    OtherIntent {
        /// What was prepared.
        prepared: ca_verifier::Serial,
        /// What is recorded.
        recorded: ca_verifier::Serial,
    },
    /// The signer failed; whether it signed is unknown.
    #[error("the signer failed: {0}")]
    Signer(E),
    /// What the signer returned is not the issuer's signature over the prepared octets.
    #[error("the signature does not verify with the issuer's public key")]
    Signature,
    /// The assembled artefact reads back differently.
    #[error("the signed artefact does not read back as prepared")]
    ReadBack,
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{KeyPair, PublicKeyData, SigningKey};

    #[test]
    fn verifies_and_refuses() {
        let key = KeyPair::generate().unwrap();
        let spki = key.subject_public_key_info();
        let signature = key.sign(b"message").unwrap();
        let algorithm = SignatureAlgorithm::EcdsaP256Sha256;
        assert_eq!(algorithm.verify(&spki, b"message", &signature), Ok(()));
        assert_eq!(algorithm.verify(&spki, b"massage", &signature), Err(Error::Signature));
        assert_eq!(
            SignatureAlgorithm::RsaSha256.verify(&spki, b"message", &signature),
            Err(Error::Signature)
        );
        assert_eq!(
            algorithm.verify(&[&spki[..], &[0]].concat(), b"message", &signature),
            Err(Error::Signature)
        );
    }
}
