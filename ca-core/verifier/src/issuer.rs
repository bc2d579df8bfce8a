//! A CA certificate as the signer of CRLs and OCSP answers.

use ring::digest::{SHA256, digest};
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{Error, certificate::CERTIFICATE_OCTETS_MAX, read};

const WHAT: &str = "issuer certificate";

/// SHA-256 of a subjectPublicKeyInfo: what a CRL and a path must share to speak of the same CA.
pub(crate) type KeyHash = [u8; 32];

/// What is compared and used of an issuer's certificate.
pub(crate) struct Issuer<'a> {
    pub(crate) certificate: CertificateDer<'a>,
    /// Name, whole.
    pub(crate) subject: Vec<u8>,
    /// Octets of subjectPublicKey, which CertID and ResponderID hash.
    pub(crate) key_bits: Vec<u8>,
    pub(crate) key_hash: KeyHash,
    pub(crate) is_ca: bool,
    /// keyUsage has cRLSign.
    pub(crate) signs_crls: bool,
}

impl<'a> Issuer<'a> {
    pub(crate) fn read(der: &'a [u8]) -> Result<Self, Error> {
        read::limit(WHAT, der, CERTIFICATE_OCTETS_MAX)?;
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| read::not_der(WHAT))?;
        if !rest.is_empty() {
            return Err(Error::Form { what: WHAT, why: "octets follow it" });
        }
        let constraints = parsed.basic_constraints().map_err(|_| read::not_der(WHAT))?;
        let usage = parsed.key_usage().map_err(|_| read::not_der(WHAT))?;
        Ok(Self {
            certificate: CertificateDer::from(der),
            subject: parsed.subject().as_raw().to_vec(),
            key_bits: parsed.public_key().subject_public_key.data.to_vec(),
            key_hash: key_hash(parsed.public_key().raw),
            is_ca: constraints.is_some_and(|constraints| constraints.value.ca),
            signs_crls: usage.is_some_and(|usage| usage.value.crl_sign()),
        })
    }

    /// Checks a signature over `message`; `algorithm` is the content of the AlgorithmIdentifier.
    pub(crate) fn verify(
        &self,
        what: &'static str,
        algorithm: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Error> {
        let refused = Error::Signature { what };
        let Ok(signer) = webpki::EndEntityCert::try_from(&self.certificate) else {
            return Err(refused);
        };
        let mut candidates = webpki::ALL_VERIFICATION_ALGS
            .iter()
            .filter(|known| known.signature_alg_id().as_ref() == algorithm);
        // One ECDSA identifier stands for several curves; only the one of the signer's key can verify.
        if candidates.any(|known| signer.verify_signature(*known, message, signature).is_ok()) {
            Ok(())
        } else {
            Err(refused)
        }
    }
}

pub(crate) fn key_hash(spki: &[u8]) -> KeyHash {
    sha256(spki)
}

pub(crate) fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, octets).as_ref());
    hash
}
