//! Path validation (RFC 5280 §6) by rustls-webpki, and the leaf rules that it leaves to the relying party.
//!
//! What deliberately does not live here: status (`index`) and where the certificates come from.

use std::time::Duration;

use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, anchor_from_trusted_cert};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{
    Error, Refusal, Time, UnitCertificate,
    certificate::CERTIFICATE_OCTETS_MAX,
    issuer::{Issuer, KeyHash, key_hash},
    read,
};

/// Certificates beside the leaf that a client may present.
pub const PRESENTED_MAX: usize = 8;

/// The CAs that a portal accepts.
#[derive(Clone, Debug)]
pub struct Trust {
    anchors: Vec<TrustAnchor<'static>>,
    /// In the order of `anchors`: a trust anchor carries no validity.
    anchor_validity: Vec<Validity>,
    intermediates: Vec<CertificateDer<'static>>,
    subjects: Vec<Vec<u8>>,
}

/// A unit certificate with a valid path. Only [`Trust::verify_path`] makes one. It says nothing about revocation.
#[derive(Clone, Debug)]
pub struct VerifiedPath {
    unit: UnitCertificate,
    issuer_key: KeyHash,
    /// Until when every CA on the path is valid.
    issuers_until: Time,
}

#[derive(Clone, Copy, Debug)]
struct Validity {
    from: Time,
    to: Time,
}

impl Trust {
    /// `anchors` are trusted roots, `intermediates` the CAs below them, both DER. Configure the intermediates:
    /// many clients send their leaf only.
    ///
    /// # Errors
    /// [`Error::Form`] without an anchor or when a certificate cannot be read; [`Error::Size`].
    pub fn new(anchors: &[CertificateDer<'_>], intermediates: &[CertificateDer<'_>]) -> Result<Self, Error> {
        if anchors.is_empty() {
            return Err(Error::Form { what: "trust anchors", why: "at least one is needed" });
        }
        let mut trust = Self {
            anchors: Vec::new(),
            anchor_validity: Vec::new(),
            intermediates: intermediates.iter().map(|der| der.clone().into_owned()).collect(),
            subjects: Vec::new(),
        };
        for der in anchors {
            let (anchor, validity) = read_ca("trust anchor", der)?;
            trust.subjects.push(anchor.subject.as_ref().to_vec());
            trust.anchors.push(anchor);
            trust.anchor_validity.push(validity);
        }
        for der in intermediates {
            trust.subjects.push(read_ca("intermediate CA", der)?.0.subject.as_ref().to_vec());
        }
        Ok(trust)
    }

    /// Names of the CAs, without the outer SEQUENCE, for the certificate request of TLS.
    pub(crate) fn subjects(&self) -> &[Vec<u8>] {
        &self.subjects
    }

    /// Checks `leaf` and builds its path at `now` through the configured CAs first, then through `presented`.
    ///
    /// # Errors
    /// The [`Refusal`] that says most; never a status.
    pub fn verify_path(
        &self,
        leaf: &[u8],
        presented: &[CertificateDer<'_>],
        now: Time,
    ) -> Result<VerifiedPath, Refusal> {
        if leaf.len() > CERTIFICATE_OCTETS_MAX
            || presented.iter().any(|der| der.len() > CERTIFICATE_OCTETS_MAX)
        {
            return Err(Refusal::Malformed("certificate larger than 64 KiB"));
        }
        if presented.len() > PRESENTED_MAX {
            return Err(Refusal::Malformed("more than 8 certificates beside the leaf"));
        }
        let der = CertificateDer::from(leaf);
        let end_entity = EndEntityCert::try_from(&der).map_err(|error| refusal(&error))?;
        let candidates: Vec<CertificateDer<'_>> =
            self.intermediates.iter().chain(presented).cloned().collect();
        let at = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.secs()).unwrap_or(0)));
        let path = end_entity
            .verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                &self.anchors,
                &candidates,
                at,
                webpki::KeyUsage::client_auth(),
                None,
                None,
            )
            .map_err(|error| refusal_of_leaf(leaf, &error))?;
        let unit = UnitCertificate::read(leaf)?;
        check_usage(&unit)?;
        let issuers_until = self.issuers_until(&path, now)?;
        Ok(VerifiedPath { unit, issuer_key: key_hash(&path.issuer_spki()), issuers_until })
    }

    /// Until when the CAs on the path are valid, and that they may sign certificates: webpki knows no validity of
    /// an anchor and does not look at keyCertSign (RFC 5280 §6.1.4 n).
    fn issuers_until(&self, path: &webpki::VerifiedPath<'_>, now: Time) -> Result<Time, Refusal> {
        let now = Time::from_secs(now.secs());
        let position = self.anchors.iter().position(|anchor| anchor == path.anchor());
        let anchor =
            position.and_then(|index| self.anchor_validity.get(index)).ok_or(Refusal::UnknownIssuer)?;
        if now < anchor.from || now > anchor.to {
            return Err(Refusal::IssuerExpired);
        }
        let mut until = anchor.to;
        for certificate in path.intermediate_certificates() {
            let der = certificate.der();
            let (_, parsed) =
                X509Certificate::from_der(&der).map_err(|_| Refusal::Malformed("intermediate CA"))?;
            let usage = parsed.key_usage().map_err(|_| Refusal::Malformed("intermediate CA"))?;
            if usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
                return Err(Refusal::UnknownIssuer);
            }
            until = until.min(Time::from_secs(parsed.validity().not_after.timestamp()));
        }
        Ok(until)
    }
}

impl VerifiedPath {
    /// What the certificate says.
    #[must_use]
    pub const fn unit(&self) -> &UnitCertificate {
        &self.unit
    }

    pub(crate) const fn issuer_key(&self) -> &KeyHash {
        &self.issuer_key
    }

    /// Whether leaf and CAs are still within their validity: a connection may outlive them.
    ///
    /// # Errors
    /// [`Refusal::NotYetValid`], [`Refusal::Expired`] or [`Refusal::IssuerExpired`].
    pub fn check_validity(&self, now: Time) -> Result<(), Refusal> {
        // notAfter is the last second of validity (RFC 5280 §4.1.2.5), so compare whole seconds.
        let now = Time::from_secs(now.secs());
        if now < self.unit.not_before() {
            return Err(Refusal::NotYetValid { not_before: self.unit.not_before() });
        }
        if now > self.unit.not_after() {
            return Err(Refusal::Expired { not_after: self.unit.not_after() });
        }
        if now > self.issuers_until {
            return Err(Refusal::IssuerExpired);
        }
        Ok(())
    }
}

fn read_ca(what: &'static str, der: &CertificateDer<'_>) -> Result<(TrustAnchor<'static>, Validity), Error> {
    if !Issuer::read(der)?.is_ca {
        return Err(Error::Form { what, why: "basicConstraints does not say CA" });
    }
    let anchor = anchor_from_trusted_cert(der).map_err(|_| read::not_der(what))?;
    Ok((anchor.to_owned(), read_validity(what, der)?))
}

fn read_validity(what: &'static str, der: &[u8]) -> Result<Validity, Error> {
    let (_, parsed) = X509Certificate::from_der(der).map_err(|_| read::not_der(what))?;
    Ok(Validity {
        from: Time::from_secs(parsed.validity().not_before.timestamp()),
        to: Time::from_secs(parsed.validity().not_after.timestamp()),
    })
}

/// keyUsage, which webpki does not look at, and extendedKeyUsage, which it does not miss when it is absent.
fn check_usage(unit: &UnitCertificate) -> Result<(), Refusal> {
    if !unit.may_sign() || unit.certifies() {
        return Err(Refusal::KeyUsage);
    }
    if unit.may_authenticate() { Ok(()) } else { Err(Refusal::ExtendedKeyUsage) }
}

/// webpki does not say whose validity is over; the leaf's own dates tell.
fn refusal_of_leaf(leaf: &[u8], error: &webpki::Error) -> Refusal {
    let refused = refusal(error);
    let own = read_validity("certificate", leaf);
    match (&refused, own) {
        (Refusal::Expired { not_after }, Ok(own)) if *not_after != own.to => Refusal::IssuerExpired,
        (Refusal::NotYetValid { not_before }, Ok(own)) if *not_before != own.from => Refusal::IssuerExpired,
        _ => refused,
    }
}

fn refusal(error: &webpki::Error) -> Refusal {
    use webpki::Error as E;
    match error {
        E::CertExpired { not_after, .. } => Refusal::Expired { not_after: time(*not_after) },
        E::CertNotValidYet { not_before, .. } => Refusal::NotYetValid { not_before: time(*not_before) },
        E::UnknownIssuer
        | E::CertDistrusted
        | E::EndEntityUsedAsCa
        | E::NameConstraintViolation
        | E::PathLenConstraintViolated
        | E::MaximumPathDepthExceeded
        | E::MaximumPathBuildCallsExceeded
        | E::MaximumSignatureChecksExceeded
        | E::MaximumNameConstraintComparisonsExceeded => Refusal::UnknownIssuer,
        E::InvalidSignatureForPublicKey
        | E::SignatureAlgorithmMismatch
        | E::UnsupportedSignatureAlgorithmContext(_)
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => Refusal::BadSignature,
        E::CaUsedAsEndEntity => Refusal::KeyUsage,
        E::RequiredEkuNotFoundContext(_) | E::EmptyEkuExtension => Refusal::ExtendedKeyUsage,
        _ => Refusal::Malformed("not a certificate of RFC 5280"),
    }
}

fn time(at: UnixTime) -> Time {
    Time::from_secs(i64::try_from(at.as_secs()).unwrap_or(i64::MAX))
}
