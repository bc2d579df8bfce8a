//! What a token or a client presents: a certificate's serial number, a signature made with its key.

use ca_verifier::Serial;

use crate::issuer::{algorithm, read};
use crate::{Error, SignatureAlgorithm};

/// Stands before the challenge in what a token signs, so that a challenge can never be the hash of a document.
pub const PROVE_CONTEXT: &[u8] = b"qianyin-prove-v1";

/// The serial number of a DER certificate; nothing else of it is believed.
///
/// # Errors
/// [`Error::Certificate`] when it is not one DER certificate, or its serial number has another form.
pub fn serial_of_certificate(der: &[u8]) -> Result<Serial, Error> {
    let refused = Error::Certificate { what: "presented", why: "not one DER certificate" };
    let certificate = read(der).ok_or(refused)?;
    Ok(Serial::from_content(certificate.tbs_certificate.raw_serial())?)
}

/// The DER SubjectPublicKeyInfo of a DER certificate.
///
/// # Errors
/// [`Error::Certificate`] when it is not one DER certificate.
pub fn spki_of_certificate(der: &[u8]) -> Result<Vec<u8>, Error> {
    let refused = Error::Certificate { what: "presented", why: "not one DER certificate" };
    Ok(read(der).ok_or(refused)?.public_key().raw.to_vec())
}

/// Verifies a signature over `message` with the key of a DER certificate.
///
/// # Errors
/// [`Error::Certificate`] when it cannot be read, [`Error::Signature`].
pub fn verify_with_certificate(der: &[u8], message: &[u8], signature: &[u8]) -> Result<(), Error> {
    let refused = |why| Error::Certificate { what: "presented", why };
    let certificate = read(der).ok_or(refused("not one DER certificate"))?;
    let spki = certificate.public_key();
    let algorithm: SignatureAlgorithm = algorithm(spki).ok_or(refused("neither a P-256 nor an RSA key"))?;
    algorithm.verify_bits(&spki.subject_public_key.data, message, signature)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SigningKey};

    use super::*;

    #[test]
    fn only_the_certificates_own_key_verifies() {
        let key = KeyPair::generate().unwrap();
        let der = CertificateParams::default().self_signed(&key).unwrap().der().to_vec();
        let signature = key.sign(b"challenge").unwrap();
        assert_eq!(verify_with_certificate(&der, b"challenge", &signature), Ok(()));
        assert_eq!(verify_with_certificate(&der, b"other", &signature), Err(Error::Signature));
        assert!(serial_of_certificate(&der).is_ok());
        assert!(serial_of_certificate(&[&der[..], &[0]].concat()).is_err());
        assert!(verify_with_certificate(&der[1..], b"challenge", &signature).is_err());
    }
}
