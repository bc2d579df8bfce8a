//! Reading a certification request (PKCS#10, RFC 2986): `UntrustedCsr` → `ValidatedCsr` (step 5 of the path).
//!
//! From a request come the key and the proof of possession, nothing else (I8). What it asks for beyond that is not
//! dropped silently but refused: whoever asks expects to get it.
//! What deliberately does not live here: writing requests (`encode`), whether the key was seen before (`ca-store`).

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry::{
    OID_PKCS1_MD5WITHRSAENC, OID_PKCS1_SHA1WITHRSA, OID_PKCS1_SHA256WITHRSA, OID_PKCS1_SHA384WITHRSA,
    OID_PKCS1_SHA512WITHRSA, OID_SIG_ECDSA_WITH_SHA256, OID_SIG_ECDSA_WITH_SHA384, OID_X509_COMMON_NAME, Oid,
};
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AlgorithmIdentifier, X509Name};

use crate::encode;
use crate::policy::KeyRules;
use crate::{KeyAlgorithm, KeyRefusal, SubjectKey};

/// A request with an RSA-4096 key and no attributes has less than 1.3 KiB.
const OCTETS_MAX: usize = 16 * 1024;
/// ecdsa-with-SHA1 (RFC 3279 §2.2.3), for a refusal by name.
const ECDSA_WITH_SHA1: &[u64] = &[1, 2, 840, 10045, 4, 1];

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CsrRefusal {
    /// Longer than any honest request.
    #[error("csr.too-long: {octets} octets, at most {most} are read")]
    TooLong {
        /// As given.
        octets: usize,
        /// The limit.
        most: usize,
    },
    /// Not DER of a CertificationRequest.
    #[error("csr.form: not a DER CertificationRequest")]
    Form,
    /// Octets after the request.
    #[error("csr.trailing: {octets} octets follow the request")]
    Trailing {
        /// How many.
        octets: usize,
    },
    /// Version other than v1 (0).
    #[error("csr.version: version must be 0, found {found}")]
    Version {
        /// As given.
        found: u32,
    },
    /// An algorithm that is broken or unknown here.
    #[error("csr.signature-algorithm: {found} is not accepted")]
    SignatureAlgorithm {
        /// Its name or object identifier.
        found: String,
    },
    /// The requester does not hold the private key, or the request was changed.
    #[error("csr.signature: the signature does not verify with the key in the request")]
    Signature,
    /// A subject that the caller does not expect.
    #[error("csr.foreign-subject: the subject is {found}, expected is {expected}")]
    ForeignSubject {
        /// As given.
        found: String,
        /// Empty, or the expected common name.
        expected: String,
    },
    /// The request wants to be a CA.
    #[error("csr.asks-ca: the request asks for a CA certificate")]
    AsksCa,
    /// The request wants an extension.
    #[error("csr.asks-extension: the request asks for extension {oid}")]
    AsksExtension {
        /// Which one.
        oid: String,
    },
    /// An attribute other than extensionRequest.
    #[error("csr.asks-attribute: the request carries attribute {oid}")]
    AsksAttribute {
        /// Which one.
        oid: String,
    },
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyRefusal),
}

impl CsrRefusal {
    /// The rule's name in the log and in problem documents.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "csr.too-long",
            Self::Form => "csr.form",
            Self::Trailing { .. } => "csr.trailing",
            Self::Version { .. } => "csr.version",
            Self::SignatureAlgorithm { .. } => "csr.signature-algorithm",
            Self::Signature => "csr.signature",
            Self::ForeignSubject { .. } => "csr.foreign-subject",
            Self::AsksCa => "csr.asks-ca",
            Self::AsksExtension { .. } => "csr.asks-extension",
            Self::AsksAttribute { .. } => "csr.asks-attribute",
            Self::Key(refusal) => refusal.rule(),
        }
    }
}

/// A request that was read and not yet believed.
#[derive(Debug)]
pub struct UntrustedCsr<'a> {
    der: &'a [u8],
    request: X509CertificationRequest<'a>,
}

impl<'a> UntrustedCsr<'a> {
    /// Reads one DER request of at most 16 KiB; PEM is for the caller to unwrap.
    ///
    /// # Errors
    /// [`CsrRefusal::TooLong`], [`CsrRefusal::Form`], [`CsrRefusal::Trailing`], [`CsrRefusal::Version`].
    pub fn read(der: &'a [u8]) -> Result<Self, CsrRefusal> {
        if der.len() > OCTETS_MAX {
            return Err(CsrRefusal::TooLong { octets: der.len(), most: OCTETS_MAX });
        }
        let (rest, request) = X509CertificationRequest::from_der(der).map_err(|_| CsrRefusal::Form)?;
        if !rest.is_empty() {
            return Err(CsrRefusal::Trailing { octets: rest.len() });
        }
        let version = request.certification_request_info.version.0;
        if version != 0 {
            return Err(CsrRefusal::Version { found: version });
        }
        Ok(Self { der, request })
    }

    /// Judges the key, the proof of possession and what else the request asks for. The subject must be empty or
    /// exactly `CN=expected_cn`.
    ///
    /// # Errors
    /// [`CsrRefusal`], by the first rule that refuses.
    pub fn validate(&self, rules: &KeyRules, expected_cn: Option<&str>) -> Result<ValidatedCsr, CsrRefusal> {
        let info = &self.request.certification_request_info;
        // Weak algorithms are named before weak keys: SHA-1 with RSA-1024 is refused for both.
        let algorithm = algorithm(&self.request.signature_algorithm)?;
        // The parser is lenient about what the signature does not cover; one request has one encoding.
        let signature = &self.request.signature_value.data;
        if encode::sequence(&[info.raw, &algorithm.identifier(), &encode::bits(signature)]) != self.der {
            return Err(CsrRefusal::Form);
        }
        let key = SubjectKey::from_spki(info.subject_pki.raw, rules)?;
        self.verify(algorithm, &key)?;
        subject(&info.subject, expected_cn)?;
        self.requests()?;
        Ok(ValidatedCsr { key })
    }

    /// Proof of possession over the octets as they came.
    fn verify(&self, algorithm: Algorithm, key: &SubjectKey) -> Result<(), CsrRefusal> {
        let unsupported = || CsrRefusal::SignatureAlgorithm {
            found: format!(
                "{} with a key {}",
                self.request.signature_algorithm.algorithm,
                key.algorithm().name()
            ),
        };
        let ec = key.algorithm() == KeyAlgorithm::EcP256;
        let algorithm: &'static dyn VerificationAlgorithm = match algorithm {
            Algorithm::EcdsaSha256 if ec => &ECDSA_P256_SHA256_ASN1,
            Algorithm::EcdsaSha384 if ec => &ECDSA_P256_SHA384_ASN1,
            Algorithm::RsaSha256 if !ec => &RSA_PKCS1_2048_8192_SHA256,
            Algorithm::RsaSha384 if !ec => &RSA_PKCS1_2048_8192_SHA384,
            Algorithm::RsaSha512 if !ec => &RSA_PKCS1_2048_8192_SHA512,
            _ => return Err(unsupported()),
        };
        UnparsedPublicKey::new(algorithm, key.bits())
            .verify(self.request.certification_request_info.raw, &self.request.signature_value.data)
            .map_err(|_| CsrRefusal::Signature)
    }

    fn requests(&self) -> Result<(), CsrRefusal> {
        for attribute in self.request.certification_request_info.iter_attributes() {
            let ParsedCriAttribute::ExtensionRequest(asked) = attribute.parsed_attribute() else {
                return Err(CsrRefusal::AsksAttribute { oid: attribute.oid.to_id_string() });
            };
            let asks_ca = asked.extensions.iter().any(|extension| {
                matches!(extension.parsed_extension(), ParsedExtension::BasicConstraints(constraints) if constraints.ca)
            });
            if asks_ca {
                return Err(CsrRefusal::AsksCa);
            }
            if let Some(extension) = asked.extensions.first() {
                return Err(CsrRefusal::AsksExtension { oid: extension.oid.to_id_string() });
            }
        }
        Ok(())
    }
}

/// A key whose holder proved possession of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatedCsr {
    key: SubjectKey,
}

impl ValidatedCsr {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &SubjectKey {
        &self.key
    }

    /// DER of the SubjectPublicKeyInfo.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        self.key.spki_der()
    }

    /// SHA-256 of [`Self::spki_der`]: what the store compares with keys seen before.
    #[must_use]
    pub fn spki_sha256(&self) -> [u8; 32] {
        self.key.spki_sha256()
    }
}

#[derive(Clone, Copy)]
enum Algorithm {
    EcdsaSha256,
    EcdsaSha384,
    RsaSha256,
    RsaSha384,
    RsaSha512,
}

impl Algorithm {
    /// ring has no ECDSA on P-256 with SHA-512, so that combination is refused with the unknown ones.
    const ALL: [Self; 5] =
        [Self::EcdsaSha256, Self::EcdsaSha384, Self::RsaSha256, Self::RsaSha384, Self::RsaSha512];

    fn oid(self) -> Oid<'static> {
        match self {
            Self::EcdsaSha256 => OID_SIG_ECDSA_WITH_SHA256,
            Self::EcdsaSha384 => OID_SIG_ECDSA_WITH_SHA384,
            Self::RsaSha256 => OID_PKCS1_SHA256WITHRSA,
            Self::RsaSha384 => OID_PKCS1_SHA384WITHRSA,
            Self::RsaSha512 => OID_PKCS1_SHA512WITHRSA,
        }
    }

    /// AlgorithmIdentifier: no parameters for ECDSA, NULL for RSA (RFC 5758 §3.2, RFC 4055 §5).
    fn identifier(self) -> Vec<u8> {
        let null: &[u8] = if matches!(self, Self::EcdsaSha256 | Self::EcdsaSha384) { &[] } else { &[5, 0] };
        encode::sequence(&[&encode::oid_content(self.oid().as_bytes()), null])
    }
}

fn algorithm(algorithm: &AlgorithmIdentifier<'_>) -> Result<Algorithm, CsrRefusal> {
    let oid = &algorithm.algorithm;
    if let Some(known) = Algorithm::ALL.into_iter().find(|known| known.oid() == *oid) {
        return Ok(known);
    }
    let sha1 = *oid == OID_PKCS1_SHA1WITHRSA || Oid::from(ECDSA_WITH_SHA1).is_ok_and(|sha1| *oid == sha1);
    let found = match oid {
        _ if sha1 => "SHA-1".to_owned(),
        oid if *oid == OID_PKCS1_MD5WITHRSAENC => "MD5".to_owned(),
        oid => oid.to_id_string(),
    };
    Err(CsrRefusal::SignatureAlgorithm { found })
}

fn subject(subject: &X509Name<'_>, expected_cn: Option<&str>) -> Result<(), CsrRefusal> {
    let mut attributes = subject.iter_attributes();
    let expected = match (attributes.next(), attributes.next(), expected_cn) {
        (None, _, _) => true,
        (Some(only), None, Some(expected)) => {
            *only.attr_type() == OID_X509_COMMON_NAME && only.as_str().is_ok_and(|found| found == expected)
        }
        _ => false,
    };
    if expected {
        return Ok(());
    }
    Err(CsrRefusal::ForeignSubject {
        found: subject.to_string(),
        expected: expected_cn.map_or_else(String::new, |name| format!("CN={name}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing;
    use crate::{SignatureAlgorithm, assemble_csr, csr_info};
    use rcgen::{KeyPair, PublicKeyData, SigningKey};

    fn request(subject_cn: &str) -> (Vec<u8>, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let spki = key.subject_public_key_info();
        let info = csr_info(subject_cn, &spki);
        let signature = key.sign(&info).unwrap();
        (assemble_csr(&info, SignatureAlgorithm::EcdsaP256Sha256, &signature), spki)
    }

    #[test]
    fn our_own_requests_validate() {
        let (der, spki) = request("0123456789abcdef");
        let csr = UntrustedCsr::read(&der).unwrap();
        let validated = csr.validate(&testing::key_rules(), Some("0123456789abcdef")).unwrap();
        assert_eq!(validated.spki_der(), spki);
        for expected in [None, Some("0123456789abcdee")] {
            assert_eq!(
                csr.validate(&testing::key_rules(), expected).unwrap_err().rule(),
                "csr.foreign-subject"
            );
        }
    }

    #[test]
    fn limits_of_form() {
        let (der, _) = request("a");
        assert_eq!(
            UntrustedCsr::read(&[&der[..], &[0]].concat()).unwrap_err(),
            CsrRefusal::Trailing { octets: 1 }
        );
        assert_eq!(UntrustedCsr::read(&vec![0x30; 16 * 1024 + 1]).unwrap_err().rule(), "csr.too-long");
        for length in 0..der.len() {
            assert!(UntrustedCsr::read(&der[..length]).is_err(), "{length}");
        }
        let version = der.windows(3).position(|window| window == [2, 1, 0]).unwrap();
        let mut other = der.clone();
        other[version + 2] = 2;
        assert_eq!(UntrustedCsr::read(&other).unwrap_err(), CsrRefusal::Version { found: 2 });
    }

    #[test]
    fn no_changed_octet_goes_unnoticed() {
        let (der, _) = request("a");
        let rules = testing::key_rules();
        for index in 0..der.len() {
            let mut changed = der.clone();
            changed[index] ^= 0x01;
            let accepted =
                UntrustedCsr::read(&changed).is_ok_and(|csr| csr.validate(&rules, Some("a")).is_ok());
            assert!(!accepted, "octet {index}");
        }
    }
}
