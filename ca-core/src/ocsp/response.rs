//! Writing an OCSPResponse (RFC 6960 §4.2.1): plan → [`PreparedOcsp`] → one signature → octets.

use ca_verifier::{Reason, Time, oid::NOT_ACTIVATED};
use x509_parser::extensions::ParsedExtension;

use super::CertId;
use crate::encode::{self, concat, enumerated, explicit, octets, sequence, tlv};
use crate::issuer::{algorithm, read, sha1};
use crate::{Error, SignError, SignatureAlgorithm};

const ID_PKIX_OCSP_BASIC: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 48, 1, 1];
const ID_PKIX_OCSP_NONCE: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 48, 1, 2];
/// RFC 6960 §4.4.4.
const ID_PKIX_OCSP_ARCHIVE_CUTOFF: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 48, 1, 6];
/// id-commonpki-at-certHash, Common PKI 2.0 part 4 §3.1.2: that the responder knows the certificate itself.
const CERT_HASH: &[u64] = &[1, 3, 36, 8, 3, 13];
const ID_SHA256: &[u64] = &[2, 16, 840, 1, 101, 3, 4, 2, 1];
const OCSP_NOCHECK: &str = "1.3.6.1.5.5.7.48.1.5";
const CERTIFICATE_HOLD: u8 = 6;

/// The status of one certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertAnswer {
    /// Issued, handed over, activated, in use.
    Good,
    /// Not activated yet: revoked with certificateHold, beside the extension that tells it from a hold.
    NotActivated {
        /// Since when.
        since: Time,
    },
    /// On hold: revoked with certificateHold.
    Held {
        /// Since when.
        since: Time,
    },
    /// Revoked for ever, or burned.
    Revoked {
        /// Since when.
        at: Time,
        /// Why.
        reason: Reason,
    },
    /// Never issued, or not ours.
    Unknown,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OcspAnswer {
    /// The question.
    pub id: CertId,
    /// The answer.
    pub status: CertAnswer,
    /// When it was known to be so.
    pub this_update: Time,
    /// Until when it can be relied on.
    pub next_update: Time,
    /// SHA-256 of the certificate, where it is to be told.
    pub cert_hash: Option<[u8; 32]>,
}

/// A delegated responder (RFC 6960 §4.2.2.2), read once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Responder {
    der: Vec<u8>,
    key: Vec<u8>,
    key_sha1: [u8; 20],
    algorithm: SignatureAlgorithm,
    not_after: Time,
}

impl Responder {
    /// Reads the responder's DER certificate.
    ///
    /// # Errors
    /// [`Error::Certificate`] without the purpose OCSPSigning, without ocsp-nocheck, or with another kind of key.
    pub fn load(cert_der: &[u8]) -> Result<Self, Error> {
        let refused = |why| Error::Certificate { what: "responder", why };
        let certificate = read(cert_der).ok_or(refused("not one DER certificate"))?;
        let signs = certificate.iter_extensions().any(|extension| {
            matches!(extension.parsed_extension(), ParsedExtension::ExtendedKeyUsage(usage) if usage.ocsp_signing)
        });
        let nocheck =
            certificate.iter_extensions().any(|extension| extension.oid.to_id_string() == OCSP_NOCHECK);
        if !signs || !nocheck {
            return Err(refused("without OCSPSigning and ocsp-nocheck"));
        }
        let spki = certificate.public_key();
        let key = spki.subject_public_key.data.to_vec();
        Ok(Self {
            der: cert_der.to_vec(),
            key_sha1: sha1(&key),
            algorithm: algorithm(spki).ok_or(refused("neither a P-256 nor an RSA key"))?,
            not_after: Time::from_secs(certificate.validity().not_after.timestamp()),
            key,
        })
    }

    /// The certificate.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// How it signs.
    #[must_use]
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// Whether it signed `message`; the signature as X.509 has it.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        self.algorithm.verify_bits(&self.key, message, signature)
    }

    /// End of validity; answers must not reach beyond it.
    #[must_use]
    pub fn not_after(&self) -> Time {
        self.not_after
    }
}

/// What an answer says.
#[derive(Clone, Debug)]
pub struct OcspPlan<'a> {
    /// Who signs.
    pub responder: &'a Responder,
    /// When it is signed.
    pub produced_at: Time,
    /// One for each question, in the order of the questions.
    pub answers: &'a [OcspAnswer],
    /// Echoed from the request (RFC 9654).
    pub nonce: Option<&'a [u8]>,
    /// Certificates that ended at this time or later are answered about (RFC 6960 §4.4.4).
    pub archive_cutoff: Time,
}

impl<'a> OcspPlan<'a> {
    /// Fixes the octets to be signed.
    pub fn prepare(&self) -> PreparedOcsp<'a> {
        let responder_id = explicit(2, &octets(&self.responder.key_sha1));
        let answers: Vec<u8> =
            self.answers.iter().flat_map(|one| single_response(one, self.archive_cutoff)).collect();
        let nonce = self.nonce.map_or_else(Vec::new, |nonce| {
            explicit(1, &sequence(&[&extension(ID_PKIX_OCSP_NONCE, &octets(nonce))]))
        });
        let tbs = sequence(&[
            &responder_id,
            &encode::generalized_time(self.produced_at),
            &sequence(&[&answers]),
            &nonce,
        ]);
        PreparedOcsp { tbs, responder: self.responder }
    }
}

/// An answer whose octets are fixed and which nobody has signed.
#[must_use = "a prepared answer is signed or dropped"]
#[derive(Debug)]
pub struct PreparedOcsp<'a> {
    tbs: Vec<u8>,
    responder: &'a Responder,
}

impl PreparedOcsp<'_> {
    /// DER of ResponseData.
    #[must_use]
    pub fn tbs(&self) -> &[u8] {
        &self.tbs
    }

    /// Signs, verifies with the responder's key, and wraps with the responder's certificate. `sign` returns DER
    /// Ecdsa-Sig-Value or PKCS#1 octets.
    ///
    /// # Errors
    /// [`SignError::Signer`], [`SignError::Signature`].
    pub fn sign<E>(self, sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>) -> Result<Vec<u8>, SignError<E>> {
        let signature = sign(&self.tbs).map_err(SignError::Signer)?;
        let algorithm = self.responder.algorithm;
        self.responder.verify(&self.tbs, &signature).map_err(|_| SignError::Signature)?;
        let certificates = explicit(0, &sequence(&[&self.responder.der]));
        let basic = sequence(&[&self.tbs, algorithm.identifier(), &encode::bits(&signature), &certificates]);
        let bytes = sequence(&[&encode::oid(ID_PKIX_OCSP_BASIC), &octets(&basic)]);
        Ok(sequence(&[&enumerated(0), &explicit(0, &bytes)]))
    }
}

/// Why there is no answer (RFC 6960 §4.2.1, §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OcspError {
    /// The request could not be read.
    MalformedRequest,
    /// The responder is in trouble.
    InternalError,
    /// Later, please.
    TryLater,
    /// Not a certificate of this responder's CA.
    Unauthorized,
}

/// The unsigned OCSPResponse of an error.
#[must_use]
pub fn ocsp_error(error: OcspError) -> Vec<u8> {
    let status = match error {
        OcspError::MalformedRequest => 1,
        OcspError::InternalError => 2,
        OcspError::TryLater => 3,
        OcspError::Unauthorized => 6,
    };
    sequence(&[&enumerated(status)])
}

fn single_response(answer: &OcspAnswer, archive_cutoff: Time) -> Vec<u8> {
    let status = match answer.status {
        CertAnswer::Good => tlv(0x80, &[]),
        CertAnswer::Unknown => tlv(0x82, &[]),
        CertAnswer::NotActivated { since } | CertAnswer::Held { since } => {
            revoked(since, Some(CERTIFICATE_HOLD))
        }
        CertAnswer::Revoked { at, reason } => revoked(at, Some(reason.code()).filter(|code| *code != 0)),
    };
    let this_update = encode::generalized_time(answer.this_update);
    let next_update = explicit(0, &encode::generalized_time(answer.next_update));
    let mut extensions = Vec::new();
    // The CRL's entry extension, as RFC 6960 §4.4.5 allows: a holder must hear what to do about it.
    if let CertAnswer::NotActivated { .. } = answer.status {
        extensions.extend(sequence(&[&encode::oid_content(&NOT_ACTIVATED), &octets(&[5, 0])]));
    }
    // Nothing is kept of what was never there.
    if answer.status != CertAnswer::Unknown {
        extensions.extend(extension(ID_PKIX_OCSP_ARCHIVE_CUTOFF, &encode::generalized_time(archive_cutoff)));
    }
    if let Some(hash) = answer.cert_hash {
        let hash = sequence(&[&sequence(&[&encode::oid(ID_SHA256)]), &octets(&hash)]);
        extensions.extend(extension(CERT_HASH, &hash));
    }
    let extensions = if extensions.is_empty() { Vec::new() } else { explicit(1, &sequence(&[&extensions])) };
    sequence(&[answer.id.der(), &status, &this_update, &next_update, &extensions])
}

/// Not critical.
fn extension(id: &[u64], value: &[u8]) -> Vec<u8> {
    sequence(&[&encode::oid(id), &octets(value)])
}

fn revoked(at: Time, reason: Option<u8>) -> Vec<u8> {
    let reason = reason.map_or_else(Vec::new, |code| explicit(0, &enumerated(code)));
    tlv(0xa1, &concat(&[&encode::generalized_time(at), &reason]))
}

#[cfg(test)]
mod tests {
    use super::super::HashAlgorithm;
    use super::*;
    use crate::issuance::testing::{NOW, hierarchy};
    use ca_verifier::Serial;
    use der::Decode;
    use rcgen::{PublicKeyData, SigningKey};
    use x509_ocsp::{BasicOcspResponse, CertStatus, OcspResponse, OcspResponseStatus};

    #[test]
    fn answers_read_back() {
        let hierarchy = hierarchy();
        let (responder, key) = hierarchy.responder();
        let answer = |octet: u8, status| OcspAnswer {
            id: CertId::of(
                &hierarchy.issuing,
                HashAlgorithm::Sha1,
                Serial::from_random(1, &[octet; 17]).unwrap(),
            ),
            status,
            this_update: NOW,
            next_update: NOW.plus_secs(3600),
            cert_hash: (octet == 1).then_some([9; 32]),
        };
        let answers = [
            answer(1, CertAnswer::Good),
            answer(2, CertAnswer::Unknown),
            answer(3, CertAnswer::Held { since: NOW }),
            answer(4, CertAnswer::Revoked { at: NOW, reason: Reason::KeyCompromise }),
            answer(5, CertAnswer::Revoked { at: NOW, reason: Reason::Unspecified }),
            answer(6, CertAnswer::NotActivated { since: NOW }),
        ];
        let plan = OcspPlan {
            responder: &responder,
            produced_at: NOW,
            answers: &answers,
            nonce: Some(&[7; 32]),
            archive_cutoff: NOW.plus_secs(-3600),
        };
        let der = plan.prepare().sign(|tbs| key.sign(tbs)).unwrap();
        let response = OcspResponse::from_der(&der).unwrap();
        let basic =
            BasicOcspResponse::from_der(response.response_bytes.unwrap().response.as_bytes()).unwrap();
        assert_eq!(basic.nonce().unwrap().0.as_bytes(), [7; 32]);
        let statuses: Vec<CertStatus> =
            basic.tbs_response_data.responses.iter().map(|single| single.cert_status).collect();
        assert!(matches!(statuses[..2], [CertStatus::Good(_), CertStatus::Unknown(_)]));
        let reasons: Vec<String> = statuses[2..]
            .iter()
            .map(|status| match status {
                CertStatus::Revoked(info) => format!("{:?}", info.revocation_reason),
                _ => panic!("{status:?}"),
            })
            .collect();
        assert_eq!(
            reasons,
            ["Some(CertificateHold)", "Some(KeyCompromise)", "None", "Some(CertificateHold)"]
        );
        let said: Vec<Vec<String>> = basic
            .tbs_response_data
            .responses
            .iter()
            .map(|single| {
                let extensions = single.single_extensions.iter().flatten();
                extensions.map(|one| format!("{} {}", one.extn_id, one.critical)).collect()
            })
            .collect();
        let (cutoff, hash) = ("1.3.6.1.5.5.7.48.1.6 false".to_owned(), "1.3.36.8.3.13 false".to_owned());
        assert_eq!(said[0], [cutoff.clone(), hash]);
        assert_eq!(said[1], Vec::<String>::new(), "nothing is kept of what was never there");
        assert_eq!(said[3], std::slice::from_ref(&cutoff));
        assert_eq!((said[5].len(), &said[5][1]), (2, &cutoff));
        let known = basic.tbs_response_data.responses[0].single_extensions.iter().flatten();
        let values: Vec<String> = known.map(|one| hex::encode(one.extn_value.as_bytes())).collect();
        let hash = format!("302f300b0609608648016503040201 0420 {}", "09".repeat(32)).replace(' ', "");
        assert!(values[0].starts_with("180f") && values[1] == hash, "{values:?}");
        let read = ca_verifier::OcspAnswer::verify(
            &der,
            hierarchy.issuing.der(),
            &Serial::from_random(1, &[6; 17]).unwrap(),
            Some(&[7; 32]),
            NOW,
        );
        assert_eq!(read.unwrap().standing(), Some(ca_verifier::Standing::NotActivated));
        let foreign = plan.prepare().sign(|tbs| hierarchy.sign(tbs));
        assert_eq!(foreign, Err(SignError::Signature));
    }

    #[test]
    fn only_a_delegated_responder_is_one() {
        let hierarchy = hierarchy();
        for other in [hierarchy.unit(), hierarchy.issuing.der().to_vec(), vec![0x30, 0]] {
            assert!(matches!(Responder::load(&other), Err(Error::Certificate { what: "responder", .. })));
        }
        let (responder, key) = hierarchy.responder();
        assert_eq!(responder.key, key.der_bytes());
    }

    #[test]
    fn errors_are_those_of_rfc_6960() {
        for (error, status) in [
            (OcspError::MalformedRequest, OcspResponseStatus::MalformedRequest),
            (OcspError::InternalError, OcspResponseStatus::InternalError),
            (OcspError::TryLater, OcspResponseStatus::TryLater),
            (OcspError::Unauthorized, OcspResponseStatus::Unauthorized),
        ] {
            let response = OcspResponse::from_der(&ocsp_error(error)).unwrap();
            assert_eq!((response.response_status, response.response_bytes), (status, None));
        }
    }
}
