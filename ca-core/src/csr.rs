//! Reading a certification request (PKCS#10, RFC 2986): `UntrustedCsr` → `ValidatedCsr` (step 5 of the path).
//!
//! From a request come the key and the proof of possession, nothing else (I8). What it asks for beyond that is not
//! dropped silently but refused: whoever asks expects to get it.
//! What deliberately does not live here: writing requests (`encode`), whether the key was seen before (`ca-store`).

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::extensions::{ParsedExtension, X509Extension};
use x509_parser::oid_registry::{
    OID_PKCS1_MD5WITHRSAENC, OID_PKCS1_SHA1WITHRSA, OID_PKCS1_SHA256WITHRSA, OID_PKCS1_SHA384WITHRSA,
    OID_PKCS1_SHA512WITHRSA, OID_SIG_ECDSA_WITH_SHA256, OID_SIG_ECDSA_WITH_SHA384, OID_X509_COMMON_NAME,
    OID_X509_EXT_SUBJECT_ALT_NAME, Oid,
};
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AlgorithmIdentifier, AttributeTypeAndValue, X509Name};

use crate::encode;
use crate::issuer::read;
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
        let key = self.key(rules)?;
        subject(&self.request.certification_request_info.subject, expected_cn)?;
        self.requests(None)?;
        Ok(ValidatedCsr { key })
    }

    /// As [`Self::validate`], for a request that renews the certificate `former_der`: subject and subjectAltName must be
    /// that certificate's (RFC 7030 §4.2.2). A request without subjectAltName is taken: not every program can write one.
    ///
    /// # Errors
    /// [`CsrRefusal`], by the first rule that refuses.
    pub fn validate_renewal(&self, rules: &KeyRules, former_der: &[u8]) -> Result<ValidatedCsr, CsrRefusal> {
        let key = self.key(rules)?;
        let found = &self.request.certification_request_info.subject;
        let former = read(former_der);
        let expected = former.as_ref().map(|certificate| certificate.subject());
        if !expected.is_some_and(|expected| same_name(found, expected)) {
            return Err(CsrRefusal::ForeignSubject {
                found: found.to_string(),
                expected: expected.map_or_else(String::new, ToString::to_string),
            });
        }
        self.requests(former.as_ref())?;
        Ok(ValidatedCsr { key })
    }

    /// The key, when whoever asks has proved possession of it.
    fn key(&self, rules: &KeyRules) -> Result<SubjectKey, CsrRefusal> {
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
        Ok(key)
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

    /// What the request asks for beside its key: nothing, or again the alternative name that `former` has.
    fn requests(&self, former: Option<&X509Certificate<'_>>) -> Result<(), CsrRefusal> {
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
            let again = |extension: &X509Extension<'_>| {
                extension.oid == OID_X509_EXT_SUBJECT_ALT_NAME
                    && former.and_then(alternative_name).is_some_and(|name| name == extension.value)
            };
            if let Some(extension) = asked.extensions.iter().find(|extension| !again(extension)) {
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

/// The same attributes in the same order. DirectoryString has several encodings for the same text, and programs choose
/// differently (RFC 5280 §7.1).
fn same_name(one: &X509Name<'_>, other: &X509Name<'_>) -> bool {
    let shape = |name: &X509Name<'_>| name.iter_rdn().map(|rdn| rdn.iter().count()).collect::<Vec<_>>();
    let same = |(one, other): (&AttributeTypeAndValue<'_>, &AttributeTypeAndValue<'_>)| {
        one.attr_type() == other.attr_type()
            && matches!((one.as_str(), other.as_str()), (Ok(one), Ok(other)) if one == other)
    };
    shape(one) == shape(other) && one.iter_attributes().zip(other.iter_attributes()).all(same)
}

/// Content of the extension subjectAltName.
fn alternative_name<'a>(certificate: &X509Certificate<'a>) -> Option<&'a [u8]> {
    let is_name = |extension: &&X509Extension<'a>| extension.oid == OID_X509_EXT_SUBJECT_ALT_NAME;
    certificate.extensions().iter().find(is_name).map(|extension| extension.value)
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

    /// A request for `key` with a whole subject (DER) and attributes (the content of `[0]`).
    fn renewal(key: &KeyPair, subject: &[u8], attributes: &[u8]) -> Vec<u8> {
        let (version, spki) = (encode::integer(&[0]), key.subject_public_key_info());
        let info = encode::sequence(&[&version, subject, &spki, &encode::explicit(0, attributes)]);
        let signature = key.sign(&info).unwrap();
        assemble_csr(&info, SignatureAlgorithm::EcdsaP256Sha256, &signature)
    }

    fn extension_request(oid: &[u64], value: &[u8]) -> Vec<u8> {
        let extension = encode::sequence(&[&encode::oid(oid), &encode::octets(value)]);
        let values = encode::tlv(0x31, &encode::sequence(&[&extension]));
        encode::sequence(&[&encode::oid(&[1, 2, 840, 113_549, 1, 9, 14]), &values])
    }

    #[test]
    fn a_renewal_has_the_names_of_its_certificate() {
        let (former, key) = (crate::issuance::testing::hierarchy().unit(), KeyPair::generate().unwrap());
        let certificate = read(&former).unwrap();
        let own = certificate.subject().as_raw();
        let name = alternative_name(&certificate).unwrap();
        let (rules, san) = (testing::key_rules(), &[2, 5, 29, 17]);
        let judge = |subject: &[u8], attributes: &[u8]| {
            let der = renewal(&key, subject, attributes);
            let validated = UntrustedCsr::read(&der)?.validate_renewal(&rules, &former);
            validated.map(|csr| assert_eq!(csr.spki_der(), key.subject_public_key_info()))
        };
        assert_eq!(judge(own, &[]), Ok(()));
        assert_eq!(judge(own, &extension_request(san, name)), Ok(()));
        // Another encoding of the same texts: PrintableString where ours is UTF8String (the organization's identifier).
        let at = own.windows(6).position(|window| window == b"NTRCN-").unwrap() - 2;
        let mut printable = own.to_vec();
        assert_eq!(std::mem::replace(&mut printable[at], 0x13), 0x0c);
        assert_eq!(judge(&printable, &[]), Ok(()));

        let refused = |subject: &[u8], attributes: &[u8]| judge(subject, attributes).unwrap_err().rule();
        let mut other = own.to_vec();
        *other.last_mut().unwrap() ^= 1;
        for subject in [&other[..], &[0x30, 0]] {
            assert_eq!(refused(subject, &[]), "csr.foreign-subject");
        }
        assert_eq!(refused(own, &extension_request(san, &[name, &[0]].concat())), "csr.asks-extension");
        assert_eq!(refused(own, &extension_request(&[2, 5, 29, 37], name)), "csr.asks-extension");
        let both = [extension_request(san, name), extension_request(&[2, 5, 29, 15], &[3, 2, 0, 1])].concat();
        assert_eq!(refused(own, &both), "csr.asks-extension");
        let unreadable = UntrustedCsr::read(&renewal(&key, own, &[])).unwrap().validate_renewal(&rules, &[0]);
        assert_eq!(unreadable.unwrap_err().rule(), "csr.foreign-subject");
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
