//! Reading an OCSPRequest (RFC 6960 §4.1.1).

use ca_verifier::Serial;
use der::{Decode, Encode};
use x509_ocsp::Request;

use super::{CertId, CertIdForm, HashAlgorithm, OcspError};

const OCTETS_MAX: usize = 8 * 1024;
const IDS_MAX: usize = 16;
/// RFC 9654 §2.1
const NONCE_OCTETS: std::ops::RangeInclusive<usize> = 1..=128;
const ID_PKIX_OCSP_NONCE: &str = "1.3.6.1.5.5.7.48.1.2";
const NULL: &[u8] = &[5, 0];

macro_rules! extensions {
    ($extensions:expr) => {
        $extensions.iter().flatten().map(|extension| Extension {
            oid: extension.extn_id.to_string(),
            critical: extension.critical,
            value: extension.extn_value.as_bytes().to_vec(),
        })
    };
}

/// Why a request was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OcspRefusal {
    /// Longer than any honest request.
    #[error("ocsp.too-long: {octets} octets, at most {most} are read")]
    TooLong {
        /// As given.
        octets: usize,
        /// The limit.
        most: usize,
    },
    /// Not one DER OCSPRequest.
    #[error("ocsp.form: not a DER OCSPRequest")]
    Form,
    /// No question, or too many.
    #[error("ocsp.count: {found} questions, 1 to {most} are answered")]
    Count {
        /// As given.
        found: usize,
        /// The limit.
        most: usize,
    },
    /// Nonce of another length, or two of them.
    #[error("ocsp.nonce: one nonce of 1 to 128 octets is possible")]
    Nonce,
    /// A critical extension that is unknown here.
    #[error("ocsp.critical: critical extension {oid} is unknown")]
    Critical {
        /// Which one.
        oid: String,
    },
    /// A serial number that no certificate can have.
    #[error("ocsp.serial: not a positive number of at most 20 octets")]
    Serial,
    /// A hash other than SHA-1 and SHA-256.
    #[error("ocsp.hash: hash algorithm {oid} is not known")]
    Hash {
        /// Which one.
        oid: String,
    },
}

impl OcspRefusal {
    /// What the client is told (RFC 6960 §2.3): with a hash that we do not know, the question may be a good one about
    /// somebody else's certificate.
    #[must_use]
    pub fn error(&self) -> OcspError {
        match self {
            Self::Hash { .. } => OcspError::Unauthorized,
            _ => OcspError::MalformedRequest,
        }
    }
}

/// A request that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OcspRequest {
    ids: Vec<CertId>,
    nonce: Option<Vec<u8>>,
}

impl OcspRequest {
    /// Reads one DER request of at most 8 KiB with 1 to 16 questions. A requestor's signature is not looked at: status
    /// is public.
    ///
    /// # Errors
    /// [`OcspRefusal`].
    pub fn read(der: &[u8]) -> Result<Self, OcspRefusal> {
        if der.len() > OCTETS_MAX {
            return Err(OcspRefusal::TooLong { octets: der.len(), most: OCTETS_MAX });
        }
        let request = x509_ocsp::OcspRequest::from_der(der).map_err(|_| OcspRefusal::Form)?;
        // What does not encode to the same octets was not DER.
        if request.to_der().ok().as_deref() != Some(der) {
            return Err(OcspRefusal::Form);
        }
        let tbs = &request.tbs_request;
        let found = tbs.request_list.len();
        if found == 0 || found > IDS_MAX {
            return Err(OcspRefusal::Count { found, most: IDS_MAX });
        }
        let nonce = nonce(extensions!(tbs.request_extensions))?;
        for request in &tbs.request_list {
            extensions!(request.single_request_extensions).try_for_each(refuse_critical)?;
        }
        let ids = tbs.request_list.iter().map(id).collect::<Result<_, _>>()?;
        Ok(Self { ids, nonce })
    }

    /// The questions, in order.
    #[must_use]
    pub fn ids(&self) -> &[CertId] {
        &self.ids
    }

    /// The nonce to be echoed.
    #[must_use]
    pub fn nonce(&self) -> Option<&[u8]> {
        self.nonce.as_deref()
    }
}

/// An extension by its dotted object identifier; x509-ocsp's own type belongs to a crate that we do not name.
struct Extension {
    oid: String,
    critical: bool,
    value: Vec<u8>,
}

fn nonce(extensions: impl Iterator<Item = Extension>) -> Result<Option<Vec<u8>>, OcspRefusal> {
    let mut nonce = None;
    for extension in extensions {
        if extension.oid != ID_PKIX_OCSP_NONCE {
            refuse_critical(extension)?;
            continue;
        }
        let octets = der::asn1::OctetString::from_der(&extension.value).map_err(|_| OcspRefusal::Nonce)?;
        if nonce.is_some() || !NONCE_OCTETS.contains(&octets.as_bytes().len()) {
            return Err(OcspRefusal::Nonce);
        }
        nonce = Some(octets.into_bytes());
    }
    Ok(nonce)
}

fn refuse_critical(extension: Extension) -> Result<(), OcspRefusal> {
    if extension.critical { Err(OcspRefusal::Critical { oid: extension.oid }) } else { Ok(()) }
}

fn id(request: &Request) -> Result<CertId, OcspRefusal> {
    let id = &request.req_cert;
    let (hash, length) = match id.hash_algorithm.oid.to_string().as_str() {
        "1.3.14.3.2.26" => (HashAlgorithm::Sha1, 20),
        "2.16.840.1.101.3.4.2.1" => (HashAlgorithm::Sha256, 32),
        other => {
            return Err(OcspRefusal::Hash { oid: other.to_owned() });
        }
    };
    let parameters = id.hash_algorithm.parameters.as_ref().map(Encode::to_der);
    let null_parameters = parameters.is_some();
    let null_or_absent = parameters.is_none_or(|der| der.is_ok_and(|der| der == NULL));
    let (name_hash, key_hash) = (id.issuer_name_hash.as_bytes(), id.issuer_key_hash.as_bytes());
    if !null_or_absent || name_hash.len() != length || key_hash.len() != length {
        return Err(OcspRefusal::Form);
    }
    Ok(CertId {
        der: id.to_der().map_err(|_| OcspRefusal::Form)?,
        form: CertIdForm { hash, null_parameters },
        name_hash: name_hash.to_vec(),
        key_hash: key_hash.to_vec(),
        serial: Serial::from_content(id.serial_number.as_bytes()).map_err(|_| OcspRefusal::Serial)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{extension, nonce, request};
    use super::*;
    use crate::encode::{self, octets, sequence};
    use crate::issuance::testing::hierarchy;

    fn serial() -> Serial {
        Serial::from_random(1, &[5; 17]).unwrap()
    }

    fn refused(der: &[u8]) -> OcspRefusal {
        OcspRequest::read(der).unwrap_err()
    }

    #[test]
    fn both_hashes_several_questions_and_a_nonce() {
        let issuer = hierarchy().issuing;
        let (one, two) = (
            CertId::of(&issuer, HashAlgorithm::Sha1, serial()),
            CertId::of(&issuer, HashAlgorithm::Sha256, serial()),
        );
        for length in [1, 32, 128] {
            let value = vec![9; length];
            let read = OcspRequest::read(&request(&[one.der(), two.der()], &[nonce(&value)])).unwrap();
            assert_eq!(read.ids(), [one.clone(), two.clone()]);
            assert_eq!(read.nonce(), Some(&value[..]));
            assert!(read.ids().iter().all(|id| id.is_of(&issuer) && id.serial() == serial()));
        }
        assert!(!one.is_of(&hierarchy().issuing));
        assert_eq!(OcspRequest::read(&request(&[one.der()], &[])).unwrap().nonce(), None);
    }

    #[test]
    fn absent_parameters_are_echoed_as_they_came() {
        let issuer = hierarchy().issuing;
        let (name, key) = issuer.sha1();
        let algorithm = sequence(&[&encode::oid(HashAlgorithm::Sha1.oid())]);
        let serial_der = encode::tlv(2, serial().as_bytes());
        let id = sequence(&[&algorithm, &octets(&name), &octets(&key), &serial_der]);
        let read = OcspRequest::read(&request(&[&id], &[])).unwrap();
        assert_eq!(read.ids()[0].der(), id);
        assert!(read.ids()[0].is_of(&issuer));
    }

    #[test]
    fn what_is_written_ahead_is_what_is_asked_octet_by_octet() {
        let issuer = hierarchy().issuing;
        for form in CertIdForm::ALL {
            let ahead = CertId::in_form(&issuer, form, serial());
            let read = OcspRequest::read(&request(&[ahead.der()], &[])).unwrap();
            assert_eq!((read.ids(), read.ids()[0].form()), (&[ahead][..], form));
        }
    }

    #[test]
    fn malformed_of_every_kind() {
        let issuer = hierarchy().issuing;
        let id = CertId::of(&issuer, HashAlgorithm::Sha1, serial());
        let good = request(&[id.der()], &[nonce(&[1; 16])]);
        for length in 0..good.len() {
            assert_eq!(refused(&good[..length]), OcspRefusal::Form, "{length}");
        }
        assert_eq!(refused(&[&good[..], &[0]].concat()), OcspRefusal::Form);
        assert!(matches!(refused(&vec![0x30; 9000]), OcspRefusal::TooLong { octets: 9000, .. }));
        assert!(matches!(refused(&request(&[], &[])), OcspRefusal::Count { found: 0, .. }));
        assert!(matches!(refused(&request(&[id.der(); 17], &[])), OcspRefusal::Count { found: 17, .. }));
        assert!(OcspRequest::read(&request(&[id.der(); 16], &[])).is_ok());
        for extensions in [vec![nonce(&[])], vec![nonce(&[1; 129])], vec![nonce(&[1]), nonce(&[2])]] {
            assert_eq!(refused(&request(&[id.der()], &extensions)), OcspRefusal::Nonce);
        }
        let bare = extension(&[1, 3, 6, 1, 5, 5, 7, 48, 1, 2], false, &[1; 16]);
        assert_eq!(refused(&request(&[id.der()], &[bare])), OcspRefusal::Nonce);
        let critical = extension(&[1, 3, 6, 1, 4, 1], true, &[5, 0]);
        let refusal = refused(&request(&[id.der()], &[critical]));
        assert_eq!(refusal.to_string(), "ocsp.critical: critical extension 1.3.6.1.4.1 is unknown");
        assert_eq!(refusal.error(), OcspError::MalformedRequest);
    }

    #[test]
    fn bad_ids() {
        let id = |arcs: &[u64], parameters: &[u8], hash: &[u8], serial: &[u8]| {
            let algorithm = sequence(&[&encode::oid(arcs), parameters]);
            let id = sequence(&[&algorithm, &octets(hash), &octets(hash), &encode::tlv(2, serial)]);
            refused(&request(&[&id], &[]))
        };
        let sha1 = HashAlgorithm::Sha1.oid();
        let sha384 = id(&[2, 16, 840, 1, 101, 3, 4, 2, 2], &[5, 0], &[1; 48], &[1]);
        assert_eq!(sha384.error(), OcspError::Unauthorized);
        assert_eq!(id(sha1, &[5, 0], &[1; 19], &[1]), OcspRefusal::Form);
        assert_eq!(id(sha1, &[4, 0], &[1; 20], &[1]), OcspRefusal::Form);
        assert_eq!(id(sha1, &[5, 0], &[1; 20], &[0]), OcspRefusal::Serial);
        for serial in [&[][..], &[0, 1], &[0x80], &[1; 21]] {
            let refusal = id(sha1, &[5, 0], &[1; 20], serial);
            assert!(matches!(refusal, OcspRefusal::Form | OcspRefusal::Serial), "{serial:02x?}: {refusal}");
        }
    }
}
